/** What an endpoint says went wrong. */
export interface ErrorBody {
  /** As it was sent, not fit to be shown; empty where it says nothing. */
  reason: string;
  /** `type` and `code` of the error, in lower case. */
  kinds: string[];
  /** A status inside the body, where gateways wrap what their upstream answered. */
  status: number | null;
}

/**
 * Finds the error in an answer: `{"error": {"message", "type", "code"}}` (OpenAI, Azure, LiteLLM, vLLM, Ollama),
 * `{"error": "…", "error_type": "…"}` (TEI), `{"object": "error", "message": "…"}` (vLLM before 0.10), `{"detail": …}`
 * (FastAPI, a text or a list of `{"msg"}`) or `{"message": "…"}`. Null when it is none of them, or has `data`.
 */
export function readErrorBody(parsed: unknown): ErrorBody | null {
  if (!isRecord(parsed) || Array.isArray(parsed['data'])) return null;
  const { error, detail, message } = parsed;
  if (isRecord(error)) return errorOf(error, textOf(error['message']) || textOf(error['detail']));
  if (typeof error === 'string') return errorOf(parsed, error);
  if (detail !== undefined && detail !== null) return errorOf(parsed, textOf(detail));
  return typeof message === 'string' ? errorOf(parsed, message) : null;
}

function errorOf(source: Record<string, unknown>, reason: string): ErrorBody {
  const { type, code, error_type: errorType, status, status_code: statusCode } = source;
  const kinds = [type, code, errorType]
    .filter((kind) => typeof kind === 'string')
    .map((kind) => kind.toLowerCase());
  const found = [code, status, statusCode].map(Number).find((number) => number >= 400 && number < 600);
  return { reason, kinds, status: found ?? null };
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) {
    return value
      .map((each) => textOf(each))
      .filter((text) => text !== '')
      .join('; ');
  }
  if (!isRecord(value)) return '';
  return textOf(value['msg'] ?? value['message'] ?? value['error'] ?? '');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
