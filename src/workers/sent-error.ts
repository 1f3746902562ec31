import { VecpipeError } from '../errors/vecpipe-error.ts';
import { errorMessage } from '../util/error-message.ts';
import type { SentError } from './worker-messages.ts';

/** An error as it crosses to another process. */
export function toSentError(error: unknown): SentError {
  if (!(error instanceof VecpipeError)) {
    return { family: null, code: 'bug', message: errorMessage(error), hint: null };
  }
  const { family, code, message, hint } = error;
  return { family, code, message, hint: hint ?? null };
}

/** The same error on the other side. */
export function fromSentError({ family, code, message, hint }: SentError): Error {
  if (family === null) return new Error(`in a worker: ${message}`);
  return new VecpipeError(family, message, hint === null ? { code } : { code, hint });
}
