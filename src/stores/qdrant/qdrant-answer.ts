/** A complete answer of Qdrant's REST API. */
export type QdrantAnswer =
  | { ok: true; result: unknown }
  | { ok: false; status: number; /** Qdrant's own words; may be empty. */ message: string };

/**
 * Reads the envelope that Qdrant puts around every answer: `{ result, status: "ok", time }`, or
 * `{ status: { error }, time }` with a status code of 400 and above.
 * @returns null when the text is not in that form
 */
export function readAnswer(status: number, text: string): QdrantAnswer | null {
  const envelope = parseObject(text);
  if (!envelope) return null;
  if (status >= 200 && status < 300) {
    return envelope['status'] === 'ok' && 'result' in envelope
      ? { ok: true, result: envelope['result'] }
      : null;
  }
  if (status < 400) return null;
  const reason = envelope['status'];
  if (typeof reason !== 'object' || reason === null || !('error' in reason)) return null;
  return typeof reason.error === 'string' ? { ok: false, status, message: reason.error } : null;
}

/** Null when the text is not a JSON object. */
export function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
