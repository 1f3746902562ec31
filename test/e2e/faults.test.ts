import { describe, expect, it } from 'vitest';
import type { ConnectionFault } from '../helpers/fault-proxy.ts';
import type { GatewayFault } from '../helpers/gateway-faults.ts';
import { missingServers, openGround } from '../torture/ground.ts';
import { checkInvariants } from '../torture/invariants.ts';
import { answerSlowly } from '../torture/torture.ts';
import { bringTrouble } from '../torture/trouble.ts';

const missing = missingServers('qdrant');
if (missing !== null) console.warn(`skipped: connections that go wrong, because ${missing}`);

const ROWS = 240;
const ARGS = ['vectorize', '--batch-size', '16', '--concurrency', '2', '--retry-failed', '--json'];
/** Commands that may lose a server before everything is calm. */
const TROUBLED_RUNS = 4;
/** All done, some rows failed, or a server was lost. */
const ALLOWED_CODES = [0, 1, 4];
const TIME_LIMIT_MS = 180_000;

interface Case {
  name: string;
  connections?: ConnectionFault[];
  connectionShare?: number;
  gateway?: GatewayFault[];
  gatewayShare?: number;
}

const CASES: Case[] = [
  { name: 'latency', connections: ['latency'], connectionShare: 0.7 },
  { name: 'resets', connections: ['reset'], connectionShare: 0.4 },
  { name: 'servers that accept and never answer', connections: ['half_open'], connectionShare: 0.15 },
  { name: 'pieces of a few bytes', connections: ['slicing'], connectionShare: 0.7 },
  { name: 'answers that end too early', connections: ['cut'], connectionShare: 0.4 },
  { name: 'a gateway whose answers are cut', gateway: ['cut_bodies'], gatewayShare: 0.3 },
  { name: 'a gateway in storms of 429', gateway: ['storms'], gatewayShare: 0.1 },
  { name: 'a gateway that gives wrong numbers of vectors', gateway: ['wrong_counts'], gatewayShare: 0.15 },
  { name: 'a gateway that fails or hangs', gateway: ['bad_gateway', 'hanging'], gatewayShare: 0.2 },
];

// Most of their time goes by in waiting, so they do that together.
describe.skipIf(missing !== null)(
  'rows are all stored once, none wrong and none charged twice',
  { concurrent: true },
  () => {
    it.each(CASES)(
      'in spite of $name',
      async ({ connections = [], connectionShare = 0, gateway = [], gatewayShare = 0 }) => {
        const seed = 11;
        await using ground = await openGround({
          store: 'qdrant',
          rows: ROWS,
          credits: 1_000_000,
          inputs: 8,
          requests: 4,
          timeoutSeconds: 2,
        });
        await using trouble = await bringTrouble(ground, {
          seed,
          connections,
          connectionShare,
          gateway,
          gatewayShare,
        });
        answerSlowly(ground, { seed, latencyMs: [5, 20] }, trouble);

        let exitCode = -1;
        for (let run = 1; exitCode !== 0; run += 1) {
          if (run > TROUBLED_RUNS) trouble.calm();
          const ended = await ground.start(ARGS).ended;
          ({ exitCode } = ended);
          expect(ALLOWED_CODES, ended.stderr).toContain(exitCode);
          expect(run, ended.stderr).toBeLessThanOrEqual(TROUBLED_RUNS + 1);
        }
        expect(trouble.count).toBeGreaterThan(0);
        trouble.calm();
        // The command that said that all is done is held to it.
        const broken = (await checkInvariants(ground, { isPaidOnce: false })).filter(({ isKept }) => !isKept);
        expect(broken.map(({ name, numbers }) => `${name}: ${numbers}`)).toEqual([]);
      },
      TIME_LIMIT_MS,
    );
  },
);
