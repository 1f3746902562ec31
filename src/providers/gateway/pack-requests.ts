/** A text on its way: with its prefix, and where it belongs. */
export interface PreparedText {
  /** Place in the call. */
  index: number;
  text: string;
  tokens: number;
}

export interface RequestLimits {
  maxInputs: number;
  maxTokensPerRequest: number;
  maxTokensPerInput: number;
}

/**
 * Distributes texts over requests, in order, so that none has more texts or tokens than a request may have. Requests
 * are made about equally large, as the last one of a call is waited for. A text that is longer than the endpoint
 * should take goes alone: it is for the endpoint to judge, and no other text is refused with it.
 */
export function packRequests(texts: readonly PreparedText[], limits: RequestLimits): PreparedText[][] {
  const requests: PreparedText[][] = [];
  const evenSize = Math.ceil(texts.length / Math.max(1, Math.ceil(texts.length / limits.maxInputs)));
  let current: PreparedText[] = [];
  let tokens = 0;
  for (const text of texts) {
    if (text.tokens > limits.maxTokensPerInput) {
      requests.push([text]);
      continue;
    }
    if (
      current.length > 0 &&
      (current.length >= evenSize || tokens + text.tokens > limits.maxTokensPerRequest)
    ) {
      requests.push(current);
      current = [];
      tokens = 0;
    }
    current.push(text);
    tokens += text.tokens;
  }
  if (current.length > 0) requests.push(current);
  return requests;
}

export function tokensOf(texts: readonly PreparedText[]): number {
  return texts.reduce((sum, { tokens }) => sum + tokens, 0);
}
