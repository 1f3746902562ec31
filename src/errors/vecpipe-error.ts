/**
 * The families of errors. Each has one exit code (see `cli/exit-codes.ts`); decide by family and `code`,
 * never by the text of a message.
 */
export type ErrorFamily =
  /** Wrong flag, config, file or environment: a person has to change something. */
  | 'usage'
  /** A database, store or provider did not answer or is down: the same command may work later. */
  | 'unavailable'
  /** Points and rows disagree. */
  | 'drift'
  /** The tenant's credits do not cover the work. */
  | 'credits';

export interface ErrorDetails {
  /** Stable, snake_case, documented in docs/errors.md. */
  code: string;
  /** What to do about it, as a sentence; left out where the message says it. */
  hint?: string;
  cause?: unknown;
}

/**
 * An error whose cause is known: shown as one sentence, never with a stack. Anything else that is thrown
 * counts as a bug in vecpipe.
 */
export class VecpipeError extends Error {
  override readonly name = 'VecpipeError';
  readonly family: ErrorFamily;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(family: ErrorFamily, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.family = family;
    this.code = details.code;
    this.hint = details.hint;
  }
}

/** A flag, config value, file or record that the user has to change. */
export function usageError(code: string, message: string, hint?: string, cause?: unknown): VecpipeError {
  return new VecpipeError('usage', message, withHint({ code, cause }, hint));
}

/** A database, store or provider that could not be reached or gave up. */
export function unavailableError(
  code: string,
  message: string,
  hint?: string,
  cause?: unknown,
): VecpipeError {
  return new VecpipeError('unavailable', message, withHint({ code, cause }, hint));
}

function withHint(details: ErrorDetails, hint: string | undefined): ErrorDetails {
  return hint === undefined ? details : { ...details, hint };
}
