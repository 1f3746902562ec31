/** Time and chance as the provider sees them, so that hours of a limit can be played through in a test. */
export interface Clock {
  /** Milliseconds on a scale that never jumps. */
  now(): number;
  /** Milliseconds since 1970, for dates that a server names. */
  epoch(): number;
  /** Calls back once, after the time has passed; returns what calls it off. */
  after(delayMs: number, callback: () => void): () => void;
  /** At least 0, below 1. */
  random(): number;
}

/** Node's timers cannot wait longer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  epoch: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.ceil(delayMs), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
  random: Math.random,
};
