import type { ErrorFamily } from '../errors/vecpipe-error.ts';
import type { Counts } from '../pipeline/counts.ts';
import type { Tally } from '../pipeline/target.ts';
import type { RunEvent } from '../ports/run-events.ts';

/** A target, by what names it on both sides. */
export interface TargetPlace {
  tenant: string;
  entity: string;
}

/** What a worker process tells the run that started it. All of it is JSON. */
export type WorkerMessage =
  /** First of all: the run that its leases are in the name of. */
  | { type: 'started'; runId: string }
  /** For whoever watches the run. */
  | { type: 'event'; event: RunEvent }
  /** Done since the last time it was said. */
  | { type: 'done'; place: TargetPlace; counts: Partial<Counts>; tally: Partial<Tally> }
  /** A target could not be worked on, or not to its end. */
  | { type: 'broken'; place: TargetPlace; error: SentError }
  /** It ends with an error that is no target's. */
  | { type: 'failed'; error: SentError };

/** What the run tells its worker. */
export type WorkerOrder =
  /** The targets to work on; the worker waits for it. */
  | { type: 'work'; places: TargetPlace[] }
  /** Take up nothing new, as at the first signal. */
  | { type: 'stop' };

export interface SentError {
  /** Null for a bug. */
  family: ErrorFamily | null;
  code: string;
  message: string;
  hint: string | null;
}

/** A worker's end of the line to the run that started it. */
export interface ParentLink {
  send(message: WorkerMessage): void;
  /** Called with every order, from the first on. */
  onOrder(listener: (order: WorkerOrder) => void): void;
  /** Called once the run is gone, however it ended. */
  onGone(listener: () => void): void;
  /** Resolves when everything was sent; nothing keeps the process alive after it. */
  close(): Promise<void>;
}
