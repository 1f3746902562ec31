import type { GatewayAnswer } from './gateway-client.ts';
import { readErrorBody } from './error-body.ts';
import type { ErrorBody } from './error-body.ts';
import { describeBody, parseBody } from './parse-body.ts';
import { readEmbeddings } from './read-embeddings.ts';
import type { ContractBreak, Embeddings } from './read-embeddings.ts';

/** What an answer means. `reason` is as it was sent, not fit to be shown. */
export type Verdict =
  | ({ kind: 'embedded' } & Embeddings)
  /** The endpoint will not have this request; a smaller one perhaps. */
  | { kind: 'refused'; reason: string }
  /** Too many requests: the same one will be taken later. */
  | { kind: 'limited' }
  /** Paid quota used up: waiting does not help. */
  | { kind: 'out_of_quota'; reason: string }
  /** May be gone at the next attempt. */
  | { kind: 'failed'; what: string; isCongestion: boolean; isContract: boolean }
  | { kind: 'unauthorized'; status: number }
  | { kind: 'not_found'; status: number; reason: string }
  /** Will be the same at the next attempt. */
  | { kind: 'rejected'; status: number; reason: string }
  | ({ kind: 'broken' } & ContractBreak);

const REFUSED = new Set([400, 413, 422]);
/** 424 is what TEI answers when the model itself failed. */
const PASSING = new Set([408, 409, 424, 425]);
const NOT_FOUND = new Set([404, 405, 410]);

/**
 * @param texts how many were sent
 * @param width that vectors must have, or null
 */
export function judgeAnswer(
  { status, body }: Pick<GatewayAnswer, 'status' | 'body'>,
  texts: number,
  width: number | null,
): Verdict {
  const parsed = parseBody(body);
  const error = readErrorBody(parsed);
  if (status >= 200 && status < 300) {
    if (error !== null) return judgeError(error.status ?? statusOfKinds(error.kinds), error, status);
    if (parsed === undefined) return failed(`${describeBody(body)} with status ${status}`, false, true);
    const embeddings = readEmbeddings(parsed, texts, width);
    return 'what' in embeddings ? { kind: 'broken', ...embeddings } : { kind: 'embedded', ...embeddings };
  }
  return judgeError(status, error ?? { reason: '', kinds: [], status: null }, status);
}

/** @param status what the error counts as; @param sent what the answer had, 200 for an error inside a success */
function judgeError(status: number | null, { reason, kinds }: ErrorBody, sent: number): Verdict {
  const isInside = sent < 300;
  if (status === null) return failed(`an error inside status ${sent}`, false, true);
  if (status === 429 || status === 402) {
    const isSpent = status === 402 || kinds.some((kind) => /insufficient_quota|budget_exceeded/.test(kind));
    return isSpent ? { kind: 'out_of_quota', reason } : { kind: 'limited' };
  }
  if (status === 401 || status === 403) return { kind: 'unauthorized', status };
  if (REFUSED.has(status)) return { kind: 'refused', reason };
  if (status >= 500 || PASSING.has(status)) {
    return failed(
      isInside ? `${status} inside status ${sent}` : String(status),
      isCongestion(status),
      isInside,
    );
  }
  if (NOT_FOUND.has(status) || status < 400) return { kind: 'not_found', status, reason };
  return { kind: 'rejected', status, reason };
}

/** Overloaded; 529 is what some gateways have for it. */
function isCongestion(status: number): boolean {
  return status === 503 || status === 529 || status === 408;
}

function statusOfKinds(kinds: readonly string[]): number | null {
  const has = (pattern: RegExp) => kinds.some((kind) => pattern.test(kind));
  if (has(/rate_?limit|insufficient_quota|too_?many_?requests/)) return 429;
  if (has(/auth|api_key|permission/)) return 401;
  if (has(/not_?found/)) return 404;
  if (has(/invalid_?request|bad_?request|validation|context_length/)) return 400;
  if (has(/overloaded|unavailable/)) return 503;
  return has(/server_error|internal|timeout/) ? 500 : null;
}

function failed(what: string, isCongestion: boolean, isContract: boolean): Verdict {
  return { kind: 'failed', what, isCongestion, isContract };
}
