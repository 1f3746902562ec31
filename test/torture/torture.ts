import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../contract/vector-store-points.ts';
import { CONNECTION_FAULTS } from '../helpers/fault-proxy.ts';
import { Crew } from './crew.ts';
import { openGround } from './ground.ts';
import type { Ground, StoreKind } from './ground.ts';
import { checkInvariants } from './invariants.ts';
import type { Check } from './invariants.ts';
import { makeSchedule } from './schedule.ts';
import type { Kill } from './schedule.ts';
import { Tally } from './tally.ts';
import { bringTrouble } from './trouble.ts';
import type { Trouble } from './trouble.ts';

export interface TortureOptions {
  seed: number;
  store: StoreKind;
  rows: number;
  workers: number;
  kills: number;
  batchSize: number;
  /** Batches under way at once, per worker. */
  concurrency: number;
  /** Texts a request at the most. */
  inputs: number;
  /** Requests of one worker under way at once at the most. */
  requests: number;
  /** What the gateway takes for a request, from the shortest to the longest. */
  latencyMs: readonly [shortest: number, longest: number];
  /** Connections and answers go wrong now and then as well. */
  withFaults: boolean;
  /** Told what happens, line by line. */
  say: (line: string) => void;
}

/** Nothing has been answered for so long: it will not be. */
const PATIENCE_MS = 120_000;
const LOOK_AGAIN_MS = 5;
/** The code of a run that lost a server, which only trouble excuses. */
const UNAVAILABLE = 4;

/**
 * Has several processes embed a table whose rows change meanwhile and kills one of them again and again, then lets a
 * last one finish.
 * @returns what was promised, and whether it was kept
 */
export async function torture(options: TortureOptions): Promise<Check[]> {
  const { seed, rows, workers, batchSize, concurrency, withFaults, say } = options;
  const args = ['vectorize', '--batch-size', `${batchSize}`, '--concurrency', `${concurrency}`, '--json'];
  await using ground = await openGround({
    ...options,
    credits: rows * 1_000,
    timeoutSeconds: withFaults ? 5 : 60,
  });
  await using trouble = await bringTrouble(ground, {
    seed,
    connections: CONNECTION_FAULTS,
    connectionShare: withFaults ? 0.1 : 0,
    gateway: ['storms', 'cut_bodies', 'bad_gateway', 'hanging'],
    gatewayShare: withFaults ? 0.01 : 0,
  });
  const startedAt = performance.now();
  const tell = (line: string) => say(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s: ${line}`);
  const checks: Check[] = [];
  {
    await using crew = new Crew(ground, { workers, args });
    answerSlowly(ground, options, trouble, (authorization) => crew.requested(authorization));
    const underWay = await killAndChange(ground, crew, options, tell);
    if (withFaults) tell(`went wrong: ${trouble.shown()}`);
    trouble.calm();
    await crew.dismiss();
    tell('the workers have ended');
    const excused = withFaults ? [UNAVAILABLE] : [];
    const complaints = crew.complaints.filter(({ exitCode }) => !excused.includes(exitCode));
    checks.push(
      {
        name: 'every kill met somebody at work',
        isKept: underWay.total === options.kills,
        numbers: `${underWay.total} kills; batches under way in the killed process: ${underWay.shown()}`,
      },
      {
        name: 'no process ended otherwise than well or killed',
        isKept: complaints.length === 0,
        numbers: [
          `exit codes: ${crew.exitCodes.shown()}`,
          ...complaints.map(({ stderr }) => stderr.slice(-500)),
        ].join('\n'),
      },
    );
  }
  const last = await ground.start(args).ended;
  tell('the last run has ended');
  checks.push({
    name: 'the last run completes',
    isKept: last.exitCode === 0,
    numbers: `exit code ${last.exitCode}${last.exitCode === 0 ? '' : `: ${last.stderr.slice(-500)}`}`,
  });
  // An answer that went wrong may have been paid, and is paid again.
  return [...checks, ...(await checkInvariants(ground, { isPaidOnce: !withFaults }))];
}

/** @returns how many batches the killed processes had under way */
async function killAndChange(
  ground: Ground,
  crew: Crew,
  options: TortureOptions,
  tell: (line: string) => void,
): Promise<Tally> {
  const underWay = new Tally();
  for (const decision of makeSchedule(options)) {
    await reach(ground, decision.at * options.rows);
    if (decision.kind === 'change') await ground.table.apply(decision);
    else {
      underWay.add(await killOne(ground, crew, decision));
      if (underWay.total % 20 === 0) {
        tell(`${underWay.total} kills, ${ground.gateway.paid.size} texts answered`);
      }
    }
  }
  return underWay;
}

/** Each request takes a time of its own. */
export function answerSlowly(
  { gateway }: Ground,
  {
    seed,
    latencyMs: [shortest, longest],
  }: { seed: number; latencyMs: readonly [shortest: number, longest: number] },
  trouble: Pick<Trouble, 'behave'> | null,
  onRequest: (authorization: string | undefined) => void = () => {},
): void {
  const random = seededRandom(seed + 1);
  gateway.options.behave = (request) => {
    gateway.options.latencyMs = shortest + random() * (longest - shortest);
    onRequest(request.headers.authorization);
    return trouble?.behave(request) ?? null;
  };
}

/** Waits until so many different texts have been answered. */
async function reach({ gateway }: Ground, texts: number): Promise<void> {
  let best = -1;
  let since = performance.now();
  while (gateway.paid.size < texts) {
    if (gateway.paid.size > best) {
      best = gateway.paid.size;
      since = performance.now();
    }
    if (performance.now() - since > PATIENCE_MS)
      throw new Error(`the work stands still at ${best} texts, and ${Math.ceil(texts)} were expected`);
    await delay(LOOK_AGAIN_MS);
  }
}

/** @returns batches that the killed process had under way */
async function killOne(ground: Ground, crew: Crew, { pauseMs, victim }: Kill): Promise<number> {
  await delay(pauseMs);
  let pid = crew.kill(victim);
  for (const since = performance.now(); pid === null; pid = crew.kill(victim)) {
    if (performance.now() - since > PATIENCE_MS)
      throw new Error('nobody is at work, so nobody can be killed');
    await delay(LOOK_AGAIN_MS);
  }
  const { rows } = await ground.database.query<{ batches: number }>(
    `select count(distinct lease_token) as batches from vecpipe.queue q join vecpipe.runs r on r.id = q.lease_run
    where r.pid = $1 and r.exit_code is null`,
    [pid],
  );
  return rows[0]?.batches ?? 0;
}
