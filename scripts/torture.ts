/**
 * Kills the built program again and again while it works, and looks whether all promises are kept:
 * `npm run torture -- --seed 7`, `npm run torture -- --faults`, `npm run torture -- --terms 100`. The seed is printed
 * first; given again, it repeats the same decisions.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { missingServers } from '../test/torture/ground.ts';
import type { Check } from '../test/torture/invariants.ts';
import { terminate } from '../test/torture/terminate.ts';
import { torture } from '../test/torture/torture.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    store: { type: 'string', default: 'qdrant' },
    rows: { type: 'string', default: '20000' },
    workers: { type: 'string', default: '4' },
    kills: { type: 'string', default: '200' },
    'batch-size': { type: 'string', default: '64' },
    concurrency: { type: 'string', default: '2' },
    // A killed process loses at most what it has under way, and that is paid again: 200 kills may cost 400 of 20,000 texts.
    inputs: { type: 'string', default: '2' },
    requests: { type: 'string', default: '1' },
    latency: { type: 'string', default: '25-100' },
    faults: { type: 'boolean', default: false },
    // Asks so many runs to stop, one after the other, instead of killing.
    terms: { type: 'string' },
  },
});

const say = (line: string) => void process.stdout.write(`${line}\n`);
const store = values.store === 'pgvector' ? 'pgvector' : 'qdrant';
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
say(`seed ${seed}`);

const missing = missingServers(store);
if (missing === null) {
  const checks = await run();
  for (const { name, isKept, numbers } of checks) say(`${isKept ? 'ok    ' : 'FAILED'} ${name}: ${numbers}`);
  process.exitCode = checks.every(({ isKept }) => isKept) ? 0 : 1;
} else say(`skipped, because ${missing}`);

function run(): Promise<Check[]> {
  if (values.terms !== undefined) return terminate({ seed, store, terms: Number(values.terms), say });
  const [shortest = 0, longest = shortest] = values.latency.split('-').map(Number);
  return torture({
    seed,
    store,
    rows: Number(values.rows),
    workers: Number(values.workers),
    kills: Number(values.kills),
    batchSize: Number(values['batch-size']),
    concurrency: Number(values.concurrency),
    inputs: Number(values.inputs),
    requests: Number(values.requests),
    latencyMs: [shortest, longest],
    withFaults: values.faults,
    say,
  });
}
