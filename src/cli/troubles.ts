import type { Failure } from '../pipeline/counts.ts';
import { targetName } from '../pipeline/target.ts';
import type { Report } from '../ports/run-events.ts';

/** A tenant's entity. */
interface Place {
  tenant: string;
  entity: string;
}

interface Trouble {
  current: readonly Failure[];
  /** Codes that were reported since it was last without any. */
  said: Set<string>;
}

/** What is queued can be worked off nevertheless. */
const FOUND_BY_COMPARING: ReadonlySet<string> = new Set(['delete_guard', 'key_null']);

/** What is wrong with whole targets of a run that goes on nevertheless: each is reported when it begins and ends. */
export class Troubles {
  readonly #report: Report;
  readonly #byTarget = new Map<string, Trouble>();

  constructor(report: Report) {
    this.#report = report;
  }

  get list(): Failure[] {
    return [...this.#byTarget.values()].flatMap(({ current }) => current);
  }

  /** One sentence, or null where all is well. */
  get lastError(): string | null {
    const last = this.list.at(-1);
    return last === undefined ? null : sentence(last);
  }

  has(target: Place): boolean {
    return this.#byTarget.has(targetName(target));
  }

  /** Whether the target's rows cannot be worked on, so that trying again at once would be of no use. */
  isStuck(target: Place): boolean {
    const { current = [] } = this.#byTarget.get(targetName(target)) ?? {};
    return current.some(({ code }) => !FOUND_BY_COMPARING.has(code));
  }

  /** @param found everything that is wrong with the target as a whole now */
  update(target: Place, found: readonly Failure[]): void {
    const name = targetName(target);
    if (found.length === 0) {
      if (this.#byTarget.delete(name)) this.#say('notice', `${name} can be worked on again`);
      return;
    }
    const said = this.#byTarget.get(name)?.said ?? new Set();
    this.#byTarget.set(name, { current: found, said });
    for (const failure of found) {
      if (said.has(failure.code)) continue;
      said.add(failure.code);
      this.#say('warning', sentence(failure));
    }
  }

  #say(type: 'notice' | 'warning', message: string): void {
    this.#report({ type, message });
  }
}

function sentence(failure: Failure): string {
  return `${targetName(failure)}: ${failure.message} (${failure.code})`;
}
