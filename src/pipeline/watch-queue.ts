import { pause } from '../lifetime/abort.ts';
import { openCallWindow } from '../lifetime/call-window.ts';
import { DatabaseError } from '../ports/database.ts';
import type { Database } from '../ports/database.ts';
import type { Report } from '../ports/run-events.ts';

/** What the triggers of the queue notify on. */
const QUEUE_CHANNEL = 'vecpipe_queue';
/** Much of what comes in small transactions comes in many of them: a moment makes one pass of it. */
const SETTLE_MS = 100;

/** Why a pass is made: its time has come, or something was queued. */
export type Wake = 'sweep' | 'queued';

export interface WatchOptions {
  /** From the end of one sweep to the next at the latest. */
  sweepMs: number;
  /** Ends the watch; what is under way is finished by the pass. */
  stop: AbortSignal;
  report: Report;
  /** Works until nothing is left. @returns false when there is more to do, and another sweep is due at once */
  pass: (wake: Wake) => Promise<boolean>;
  /** Called whenever the waiting begins. */
  onIdle: () => void;
}

/**
 * Makes passes until it is stopped: the first at once, then one after each notification from the queue, several of
 * them together, and a sweep now and then, so that nothing depends on notifications. What is notified during a pass
 * makes another one.
 * @throws whatever a pass throws; VecpipeError `unavailable` when the database cannot be listened to
 */
export async function watchQueue(
  database: Pick<Database, 'listen'>,
  { sweepMs, stop, report, pass, onIdle }: WatchOptions,
): Promise<void> {
  const bell = new Bell();
  // Before the first pass, so that nothing is queued unheard after it.
  await using _listener = await listen(database, bell, report, stop);
  let sweepAt = performance.now();
  while (!stop.aborted) {
    const isSweep = performance.now() >= sweepAt;
    bell.silence();
    const isDone = await pass(isSweep ? 'sweep' : 'queued');
    // From its end on: one that takes longer than the pause would else follow on itself.
    if (isSweep || !isDone) sweepAt = performance.now() + (isDone ? sweepMs : 0);
    if (!isDone || stop.aborted) continue;
    onIdle();
    await bell.heard(sweepAt - performance.now(), stop);
    if (bell.hasRung) await pause(SETTLE_MS, stop);
  }
}

/** A pooler between us and the server may refuse it. */
async function listen(
  database: Pick<Database, 'listen'>,
  bell: Bell,
  report: Report,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  try {
    return await database.listen(QUEUE_CHANNEL, () => bell.ring(), { signal });
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const message = `new work is noticed by looking for it now and then only, since LISTEN is refused: ${error.message}`;
    report({ type: 'warning', message });
    return { [Symbol.asyncDispose]: async () => {} };
  }
}

/** Remembers that it was rung until it is silenced. */
class Bell {
  hasRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.hasRung = true;
    this.#wake?.();
  }

  silence(): void {
    this.hasRung = false;
  }

  /** Resolves when it has rung, after the time, or when the signal aborts. */
  async heard(timeLimitMs: number, signal: AbortSignal): Promise<void> {
    if (this.hasRung || timeLimitMs <= 0) return;
    using window = openCallWindow([signal], timeLimitMs);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      window.signal.addEventListener('abort', () => resolve(), { once: true });
      if (window.signal.aborted) resolve();
    });
    this.#wake = undefined;
  }
}
