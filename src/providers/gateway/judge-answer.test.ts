import { describe, expect, it } from 'vitest';
import { judgeAnswer } from './judge-answer.ts';

const judge = (status: number, body: unknown, texts = 1) =>
  judgeAnswer({ status, body: typeof body === 'string' ? body : JSON.stringify(body) }, texts, 2);

/** Error answers as the real ones gave them, shortened. */
const REAL_ERRORS: { from: string; status: number; body: unknown; kind: string; reason?: string }[] = [
  {
    from: 'OpenAI, text too long',
    status: 400,
    body: {
      error: {
        message: "This model's maximum context length is 8192 tokens",
        type: 'invalid_request_error',
        param: null,
        code: null,
      },
    },
    kind: 'refused',
    reason: "This model's maximum context length is 8192 tokens",
  },
  {
    from: 'OpenAI, rate limit',
    status: 429,
    body: { error: { message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' } },
    kind: 'limited',
  },
  {
    from: 'OpenAI, quota',
    status: 429,
    body: { error: { message: 'You exceeded', type: 'insufficient_quota', code: 'insufficient_quota' } },
    kind: 'out_of_quota',
  },
  {
    from: 'OpenAI, model',
    status: 404,
    body: { error: { message: 'The model does not exist', code: 'model_not_found' } },
    kind: 'not_found',
    reason: 'The model does not exist',
  },
  {
    from: 'Azure, deployment',
    status: 404,
    body: { error: { code: 'DeploymentNotFound', message: 'The API deployment does not exist' } },
    kind: 'not_found',
  },
  {
    from: 'Azure, rate limit',
    status: 429,
    body: { error: { code: '429', message: 'Requests have exceeded call rate limit' } },
    kind: 'limited',
  },
  {
    from: 'LiteLLM, upstream',
    status: 500,
    body: { error: { message: 'litellm.APIConnectionError', type: null, param: null, code: '500' } },
    kind: 'failed',
  },
  {
    from: 'LiteLLM, budget',
    status: 429,
    body: { error: { message: 'Budget has been exceeded', type: 'budget_exceeded', code: '429' } },
    kind: 'out_of_quota',
  },
  {
    from: 'vLLM before 0.10',
    status: 400,
    body: { object: 'error', message: 'too long', type: 'BadRequestError', code: 400 },
    kind: 'refused',
    reason: 'too long',
  },
  {
    from: 'TEI, batch size',
    status: 413,
    body: { error: 'batch size 64 > maximum allowed batch size 32', error_type: 'Validation' },
    kind: 'refused',
    reason: 'batch size 64 > maximum allowed batch size 32',
  },
  {
    from: 'TEI, overloaded',
    status: 429,
    body: { error: 'Model is overloaded', error_type: 'Overloaded' },
    kind: 'limited',
  },
  {
    from: 'TEI, backend',
    status: 424,
    body: { error: 'Inference failed', error_type: 'Backend' },
    kind: 'failed',
  },
  {
    from: 'FastAPI, validation',
    status: 422,
    body: { detail: [{ loc: ['body', 'input'], msg: 'field required', type: 'value_error.missing' }] },
    kind: 'refused',
    reason: 'field required',
  },
  { from: 'FastAPI, key', status: 401, body: { detail: 'Invalid token' }, kind: 'unauthorized' },
  {
    from: 'Ollama, model',
    status: 404,
    body: {
      error: {
        message: 'model "x" not found, try pulling it first',
        type: 'api_error',
        param: null,
        code: null,
      },
    },
    kind: 'not_found',
  },
  { from: 'a proxy', status: 502, body: '<html>Bad Gateway</html>', kind: 'failed' },
  { from: 'a redirect', status: 302, body: '', kind: 'not_found' },
  { from: 'payment', status: 402, body: { message: 'pay first' }, kind: 'out_of_quota' },
  {
    from: 'another status',
    status: 418,
    body: { message: 'a teapot' },
    kind: 'rejected',
    reason: 'a teapot',
  },
  {
    from: 'an error in 200 by status',
    status: 200,
    body: { error: { message: 'no', code: 400 } },
    kind: 'refused',
  },
  {
    from: 'an error in 200 by type',
    status: 200,
    body: { error: { message: 'no', type: 'invalid_request_error' } },
    kind: 'refused',
  },
  {
    from: 'a key error in 200',
    status: 200,
    body: { error: { message: 'no', code: 'invalid_api_key' } },
    kind: 'unauthorized',
  },
  { from: 'any error in 200', status: 200, body: { error: { message: 'no' } }, kind: 'failed' },
];

describe('judgeAnswer', () => {
  it.each(REAL_ERRORS)('$from', ({ status, body, kind, reason }) => {
    expect(judge(status, body)).toMatchObject({ kind, ...(reason !== undefined && { reason }) });
  });

  it('scales to unit length and leaves alone what has it', () => {
    const exact = Math.fround(0.6);
    const other = Math.fround(0.8);
    const body = {
      data: [
        { index: 1, embedding: [3, 4] },
        { index: 0, embedding: [exact, other] },
      ],
    };
    const verdict = judge(200, body, 2);
    if (verdict.kind !== 'embedded') throw new Error(verdict.kind);
    expect(verdict.vectors[0]).toEqual(Float32Array.of(exact, other));
    expect(Math.hypot(...(verdict.vectors[1] as Float32Array))).toBeCloseTo(1, 6);
    expect(verdict.tokens).toBeNull();
  });

  it('takes total_tokens, else prompt_tokens, and nothing that is no number of tokens', () => {
    const usedOf = (usage: unknown) => {
      const verdict = judge(200, { data: [{ index: 0, embedding: [3, 4] }], usage });
      return verdict.kind === 'embedded' ? verdict.tokens : undefined;
    };
    expect(usedOf({ total_tokens: 7, prompt_tokens: 5 })).toBe(7);
    expect(usedOf({ prompt_tokens: 5 })).toBe(5);
    expect(usedOf({ total_tokens: 0, prompt_tokens: 0 })).toBeNull();
    expect(usedOf({ total_tokens: 'many' })).toBeNull();
    expect(usedOf(null)).toBeNull();
  });

  it('reads NaN and the infinities of Python, in lists and nowhere else', () => {
    const body = '{"data": [{"index": 0, "embedding": [NaN, 1.0]}], "model": "a, NaN, b"}';
    const verdict = judge(200, body);
    expect(verdict).toMatchObject({ kind: 'embedded', vectors: [{ code: 'vector_not_finite' }] });
  });

  it('says of a wrong width and an unreadable vector whether another encoding may mend it', () => {
    const base64 = Buffer.from(Float32Array.of(1, 2, 3).buffer).toString('base64');
    const embedded = (embedding: unknown) => judge(200, { data: [{ index: 0, embedding }] });
    expect(embedded(base64)).toMatchObject({ kind: 'broken', isWidth: true, isBase64: true });
    expect(embedded([1, 2, 3])).toMatchObject({ kind: 'broken', isWidth: true, isBase64: false });
    expect(embedded('AAA')).toMatchObject({ kind: 'broken', isBase64: true });
    expect(embedded('§§§§§§§§§§§')).toMatchObject({ kind: 'broken', isBase64: true });
    expect(embedded([])).toMatchObject({ kind: 'broken', isBase64: false });
    expect(embedded([1, 'two'])).toMatchObject({ kind: 'broken', isBase64: false });
  });
});
