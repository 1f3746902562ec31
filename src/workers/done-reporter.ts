import type { Counts } from '../pipeline/counts.ts';
import type { Tally, Target } from '../pipeline/target.ts';
import type { WorkerMessage } from './worker-messages.ts';

/** Says what was done for a worker's targets since it was last asked to: numbers that the run can add up. */
export class DoneReporter {
  readonly #said = new Map<Target, { counts: Counts; tally: Tally }>();

  constructor(targets: readonly Target[]) {
    for (const target of targets) {
      this.#said.set(target, { counts: { ...target.counts }, tally: { ...target.tally } });
    }
  }

  /** One message for each target for which there is something new. */
  news(): WorkerMessage[] {
    const messages: WorkerMessage[] = [];
    for (const [target, said] of this.#said) {
      const counts = increases(target.counts, said.counts);
      const tally = increases(target.tally, said.tally);
      if (counts === null && tally === null) continue;
      const { tenant, entity } = target;
      messages.push({ type: 'done', place: { tenant, entity }, counts: counts ?? {}, tally: tally ?? {} });
      this.#said.set(target, { counts: { ...target.counts }, tally: { ...target.tally } });
    }
    return messages;
  }
}

/** @returns null when nothing has changed */
function increases<Numbers extends Counts | Tally>(now: Numbers, before: Numbers): Partial<Numbers> | null {
  const changed = Object.entries(now).flatMap(([name, value]): [string, number][] => {
    const increase = Number(value) - Number(before[name as keyof Numbers]);
    return increase === 0 ? [] : [[name, increase]];
  });
  return changed.length === 0 ? null : (Object.fromEntries(changed) as Partial<Numbers>);
}

/** Adds up what {@link DoneReporter} said. */
export function addIncreases<Numbers extends Counts | Tally>(total: Numbers, more: Partial<Numbers>): void {
  for (const [name, value] of Object.entries(more)) {
    const key = name as keyof Numbers;
    total[key] = (Number(total[key]) + Number(value)) as Numbers[typeof key];
  }
}
