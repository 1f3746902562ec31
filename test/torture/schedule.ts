import { seededRandom } from '../contract/vector-store-points.ts';

/** What happens to the workers and to the rows while these are worked on, in order. */
export type Decision = { at: number } & (Kill | Change);

/** One worker is killed, and started again. */
export interface Kill {
  kind: 'kill';
  /** How long after the moment `at`. */
  pauseMs: number;
  /** Which one of those that are working, from 0 to 1. */
  victim: number;
}

/** One transaction that inserts, changes and deletes rows; places from 0 to 1 among the rows that there are. */
export interface Change {
  kind: 'change';
  inserts: number;
  updates: readonly number[];
  deletes: readonly number[];
}

export interface ScheduleOptions {
  seed: number;
  rows: number;
  kills: number;
}

/** The last decisions fall before the work is done: some rows may be deleted before they are ever embedded. */
const LAST_MOMENT = 0.94;
const LONGEST_PAUSE_MS = 250;
const ROWS_A_CHANGE = 20;

/**
 * The same decisions for the same options. `at` is how much of the work is done then, from 0 to 1: texts that the
 * gateway has answered for the first time, over the rows there are at the beginning.
 */
export function makeSchedule({ seed, rows, kills }: ScheduleOptions): Decision[] {
  const random = seededRandom(seed);
  const decisions: Decision[] = [];
  const moment = () => random() * LAST_MOMENT;
  const places = (count: number) => Array.from({ length: count }, () => random());
  for (let kill = 0; kill < kills; kill += 1) {
    decisions.push({ at: moment(), kind: 'kill', pauseMs: random() * LONGEST_PAUSE_MS, victim: random() });
  }
  for (let change = 0; change < rows / 10 / ROWS_A_CHANGE; change += 1) {
    const inserts = Math.floor((random() * ROWS_A_CHANGE) / 2);
    const deletes = Math.floor(((ROWS_A_CHANGE - inserts) * random()) / 2);
    const updates = places(ROWS_A_CHANGE - inserts - deletes);
    decisions.push({ at: moment(), kind: 'change', inserts, updates, deletes: places(deletes) });
  }
  return decisions.toSorted((left, right) => left.at - right.at);
}
