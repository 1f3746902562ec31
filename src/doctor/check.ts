/** `skip`: it could not be looked at, because something that it needs is broken or not there yet. */
export type CheckStatus = 'ok' | 'warn' | 'fail' | 'skip';

/** What one check came to. */
export interface Finding {
  status: CheckStatus;
  /** One sentence without a full stop; for `skip` the reason. */
  found: string;
  /** What to do about it; null where there is nothing to do. */
  fix: string | null;
}

/** One line of the report. */
export interface CheckResult extends Finding {
  /** Kind of the check: stable, snake_case. Several lines may have the same one, with different subjects. */
  id: string;
  /** What was looked at, for people. */
  subject: string;
  durationMs: number;
}

export function ok(found: string): Finding {
  return { status: 'ok', found, fix: null };
}

/** Work goes on, but not as it should. */
export function warn(found: string, fix: string): Finding {
  return { status: 'warn', found, fix };
}

/** Work cannot be done until somebody does something. */
export function fail(found: string, fix: string): Finding {
  return { status: 'fail', found, fix };
}

export function skip(reason: string): Finding {
  return { status: 'skip', found: reason, fix: null };
}

/** A duration for people. */
export function shownMs(durationMs: number): string {
  if (durationMs < 1) return 'less than 1 ms';
  return durationMs < 10_000 ? `${Math.round(durationMs)} ms` : `${(durationMs / 1000).toFixed(1)} s`;
}

/** A size for people. */
export function shownBytes(bytes: number): string {
  const megabytes = bytes / 1024 ** 2;
  return megabytes < 1024 ? `${Math.round(megabytes)} MB` : `${(megabytes / 1024).toFixed(1)} GB`;
}
