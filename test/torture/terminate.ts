import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../contract/vector-store-points.ts';
import { openGround } from './ground.ts';
import type { Ground, StoreKind } from './ground.ts';
import { checkInvariants } from './invariants.ts';
import type { Check } from './invariants.ts';
import { Tally } from './tally.ts';
import { answerSlowly } from './torture.ts';

export interface TerminateOptions {
  seed: number;
  store: StoreKind;
  terms: number;
  /** Told what happens, line by line. */
  say: (line: string) => void;
}

/** More than a run gets done before it is stopped. */
const ROWS_A_RUN = 150;
const ARGS = ['vectorize', '--batch-size', '32', '--concurrency', '2', '--json'];
const LATENCY_MS = [50, 200] as const;
/** Some runs are stopped while they still start, the others within this time after their first request. */
const LONGEST_START_MS = 1_000;
const LONGEST_WORK_MS = 600;
/** The standard time of grace, and some for a busy machine. */
const GRACE_MS = 20_000 + 2_000;

/**
 * Asks one run after the other to stop, each at another moment, then lets a last one finish.
 * @returns what was promised, and whether it was kept
 */
export async function terminate({ seed, store, terms, say }: TerminateOptions): Promise<Check[]> {
  const rows = terms * ROWS_A_RUN;
  await using ground = await openGround({
    store,
    rows,
    credits: rows * 1_000,
    inputs: 8,
    requests: 4,
    timeoutSeconds: 60,
  });
  let tellRequest = () => {};
  answerSlowly(ground, { seed, latencyMs: LATENCY_MS }, null, () => tellRequest());
  const random = seededRandom(seed);
  const exitCodes = new Tally();
  const leases = new Tally();
  const reservations = new Tally();
  const complaints: string[] = [];
  let longestMs = 0;
  for (let term = 1; term <= terms; term += 1) {
    const isStarting = random() < 0.3;
    const pauseMs = random() * (isStarting ? LONGEST_START_MS : LONGEST_WORK_MS);
    const requested = new Promise<void>((resolve) => (tellRequest = resolve));
    const running = ground.start(ARGS);
    if (!isStarting) await Promise.race([requested, running.ended]);
    await delay(pauseMs);
    const stoppedAt = performance.now();
    running.kill('SIGTERM');
    const { exitCode, stderr } = await running.ended;
    longestMs = Math.max(longestMs, performance.now() - stoppedAt);
    exitCodes.add(exitCode);
    if (exitCode !== 143) complaints.push(stderr.slice(-500));
    const left = await readLeftBehind(ground);
    leases.add(left.leases);
    reservations.add(left.reservations);
    if (term % 10 === 0) say(`${term} runs stopped, ${ground.gateway.paid.size} texts answered`);
  }
  const last = await ground.start(ARGS).ended;
  const isAlways = (tally: Tally, number: number) => tally.numbers.every((each) => each === number);
  return [
    {
      name: 'every run that is stopped ends with 143',
      isKept: isAlways(exitCodes, 143),
      numbers: [exitCodes.shown(), ...complaints].join('\n'),
    },
    {
      name: `every one ends within ${GRACE_MS / 1_000} s`,
      isKept: longestMs <= GRACE_MS,
      numbers: `${(longestMs / 1_000).toFixed(1)} s at the longest`,
    },
    { name: 'none leaves a lease behind', isKept: isAlways(leases, 0), numbers: leases.shown() },
    {
      name: 'none leaves a reservation behind',
      isKept: isAlways(reservations, 0),
      numbers: reservations.shown(),
    },
    {
      name: 'the same command completes afterwards',
      isKept: last.exitCode === 0,
      numbers: `exit code ${last.exitCode}${last.exitCode === 0 ? '' : `: ${last.stderr.slice(-500)}`}`,
    },
    ...(await checkInvariants(ground, { isPaidOnce: true })),
  ];
}

async function readLeftBehind({
  database,
  tenant,
}: Ground): Promise<{ leases: number; reservations: number }> {
  const { rows } = await database.query<{ leases: number; reservations: number }>(
    `select (select count(lease_token) from vecpipe.queue where tenant = $1) as leases,
      (select count(*) from vecpipe.credit_reservations where tenant = $1) as reservations`,
    [tenant],
  );
  return rows[0] ?? { leases: -1, reservations: -1 };
}
