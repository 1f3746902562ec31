import { waitOrAbort } from '../lifetime/abort.ts';
import type { Scope } from '../lifetime/scope.ts';
import type { Report } from '../ports/run-events.ts';
import { openCallWindow } from '../lifetime/call-window.ts';
import { fail, skip } from './check.ts';
import type { CheckResult, Finding } from './check.ts';
import { errorFinding } from './error-finding.ts';

const TIME_LIMIT_MS = 15_000;

export interface CheckName {
  id: string;
  subject: string;
  /** Why it cannot be looked at, or null. */
  blockedBy?: string | null;
  /** 15 s when left out. */
  timeLimitMs?: number;
}

export interface CheckListOptions {
  /** Aborting it ends the check under way and all that follow, with its reason. */
  signal: AbortSignal;
  report: Report;
  /** Waits for what was given up and is not over yet. */
  scope: Scope;
}

/** Runs checks one after the other and keeps what they came to, in that order. */
export class CheckList {
  readonly results: CheckResult[] = [];
  readonly #options: CheckListOptions;

  constructor(options: CheckListOptions) {
    this.#options = options;
  }

  /**
   * Runs one check within its time limit. Whatever it throws is its failure; it is to honour the signal, but the
   * list does not depend on that.
   * @returns what the check came to
   * @throws the reason of the list's signal, and nothing else
   */
  async run(name: CheckName, work: (signal: AbortSignal) => Promise<Finding> | Finding): Promise<Finding> {
    const { id, subject, blockedBy = null, timeLimitMs = TIME_LIMIT_MS } = name;
    const { signal, report } = this.#options;
    signal.throwIfAborted();
    if (blockedBy !== null) return this.#record(id, subject, skip(blockedBy), 0);
    report({ type: 'step', message: `Checking: ${subject}` });
    const startedAt = performance.now();
    const finding = await this.#withinLimit(subject, timeLimitMs, work);
    return this.#record(id, subject, finding, performance.now() - startedAt);
  }

  async #withinLimit(
    subject: string,
    timeLimitMs: number,
    work: (signal: AbortSignal) => Promise<Finding> | Finding,
  ): Promise<Finding> {
    const { signal, scope } = this.#options;
    using window = openCallWindow([signal], timeLimitMs);
    let isOver = false;
    const pending = (async () => work(window.signal))().finally(() => (isOver = true));
    try {
      return await waitOrAbort(pending, window.signal);
    } catch (error) {
      window.throwIfStopped();
      if (!window.signal.aborted) return errorFinding(error);
      return fail(
        `no result within ${timeLimitMs / 1000} s`,
        'see whether it hangs or is overloaded, then try again',
      );
    } finally {
      if (!isOver) scope.defer(`the check of ${subject}`, () => pending.then(ignore, ignore));
    }
  }

  #record(id: string, subject: string, finding: Finding, durationMs: number): Finding {
    const { status, found, fix } = finding;
    this.results.push({
      id,
      subject: oneLine(subject),
      status,
      found: oneLine(found),
      fix: fix === null ? null : oneLine(fix),
      durationMs: Math.round(durationMs),
    });
    return finding;
  }
}

function ignore(): void {}

/** Servers' messages and names may hold anything, control characters included. */
function oneLine(text: string): string {
  return text
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .replace(/(?<!\.)\.$/, '');
}
