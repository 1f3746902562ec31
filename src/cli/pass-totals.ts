import type { Counts, Failure } from '../pipeline/counts.ts';
import { targetName } from '../pipeline/target.ts';
import type { Target } from '../pipeline/target.ts';
import { entityReport } from './open-targets.ts';
import type { EntityReport } from './run-command.ts';

/** Counts that say how things are, not what was done: of several passes the last one is right. */
const STATES: ReadonlySet<string> = new Set<keyof Counts>(['unchanged', 'failed', 'pending']);

/** What all passes of a run did together. Its size depends on the targets alone. */
export class PassTotals {
  readonly #reports = new Map<string, EntityReport>();
  readonly #failures = new Map<string, readonly Failure[]>();

  get reports(): EntityReport[] {
    return [...this.#reports.values()];
  }

  /** Rows that could not be done when they were last looked at. */
  get failures(): Failure[] {
    return [...this.#failures.values()].flat();
  }

  /**
   * @param failures of the target's rows
   * @param isCompared whether the pass compared the rows with what is stored
   * @returns the target's counts of this pass, or null when nothing was done
   */
  add(target: Target, failures: readonly Failure[], isCompared: boolean): EntityReport | null {
    const name = targetName(target);
    const pass = entityReport(target);
    const before = this.#reports.get(name);
    const total: EntityReport = { ...pass };
    if (before) {
      for (const count of Object.keys(target.counts) as (keyof Counts)[]) {
        if (!STATES.has(count)) total[count] += before[count];
      }
      if (!isCompared) total.unchanged = before.unchanged;
    }
    this.#reports.set(name, total);
    this.#failures.set(name, failures);
    const { stored, payloadOnly, deleted, empty, failed } = pass;
    const isIdle = stored + payloadOnly + deleted + empty === 0 && failed === (before?.failed ?? 0);
    return isIdle ? null : pass;
  }
}
