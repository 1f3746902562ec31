import { expect, test, vi } from 'vitest';
import { LocalModel } from './local-model.ts';
import type { WorkerSettings } from './worker-protocol.ts';

const SETTINGS: WorkerSettings = {
  folder: '/models/some',
  dtype: 'q8',
  threads: 3,
  pooling: 'mean',
  prefersPooling: false,
  padId: 9,
};

class FakeTensor {
  readonly type: string;
  readonly data: readonly number[] | BigInt64Array | Float32Array;
  readonly dims: number[];

  constructor(type: string, data: readonly number[] | BigInt64Array | Float32Array, dims: number[]) {
    this.type = type;
    this.data = data;
    this.dims = dims;
  }

  to(type: string): FakeTensor {
    return new FakeTensor(type, Float32Array.from(this.data as Float32Array), this.dims);
  }
}

type Inputs = Record<string, FakeTensor>;

/** The library with a model that answers what it is told to. */
function fakeLibrary(answer: (inputs: Inputs) => Inputs) {
  const run = vi.fn<(inputs: Inputs) => Promise<Inputs>>(async (inputs) => answer(inputs));
  const dispose = vi.fn<() => Promise<void>>(async () => {});
  const fromPretrained = vi.fn<(folder: string, options: unknown) => Promise<unknown>>(async () =>
    Object.assign(run, { dispose }),
  );
  const env: Record<string, unknown> = {};
  const library = {
    AutoModel: { from_pretrained: fromPretrained },
    LogLevel: { NONE: 50 },
    Tensor: FakeTensor,
    env,
  };
  return {
    library: library as unknown as Parameters<typeof LocalModel.load>[0],
    run,
    dispose,
    fromPretrained,
    env,
  };
}

/** A vector of two numbers a token, or a text, out of its ids. */
const states = ({ input_ids: ids }: Inputs) =>
  new FakeTensor('float32', Float32Array.from([...(ids?.data ?? [])].flatMap((id) => [Number(id), 1])), [
    ...(ids?.dims ?? []),
    2,
  ]);
const pooled = ({ input_ids: ids }: Inputs, type = 'float32') => {
  const rows = ids?.dims[0] ?? 0;
  return new FakeTensor(type, new Float32Array(rows * 4).fill(2), [rows, 4]);
};
const BATCH = { ids: Int32Array.of(5, 6, 7), lengths: Int32Array.of(2, 1) };

test('reads the folder alone, quietly, with the threads it was given', async () => {
  const { library, fromPretrained, env } = fakeLibrary((inputs) => ({ last_hidden_state: states(inputs) }));
  await LocalModel.load(library, SETTINGS);
  expect(fromPretrained).toHaveBeenCalledWith('/models/some', {
    dtype: 'q8',
    device: 'cpu',
    local_files_only: true,
    session_options: { intraOpNumThreads: 3, interOpNumThreads: 1, logSeverityLevel: 4 },
  });
  expect(env).toEqual({ logLevel: 50, allowRemoteModels: false, useFSCache: false, useBrowserCache: false });
});

test('pads a batch to its longest text and masks the padding', async () => {
  const { library, run } = fakeLibrary((inputs) => ({ last_hidden_state: states(inputs) }));
  const model = await LocalModel.load(library, SETTINGS);
  const vectors = await model.run(BATCH);
  const [inputs] = run.mock.lastCall ?? [];
  expect(
    Object.entries(inputs ?? {}).map(([name, { data, dims }]) => [name, [...data].map(Number), dims]),
  ).toEqual([
    ['input_ids', [5, 6, 7, 9], [2, 2]],
    ['attention_mask', [1, 1, 1, 0], [2, 2]],
    ['token_type_ids', [0, 0, 0, 0], [2, 2]],
  ]);
  // (5 + 6, 2) and (7, 1), without the padding.
  expect([...vectors].map((value) => value.toFixed(3))).toEqual(['0.984', '0.179', '0.990', '0.141']);
});

test.each([
  ['vectors of tokens', ['last_hidden_state', 'pooler_output'], {}, 'last_hidden_state', false],
  [
    'the vector that is meant for it',
    ['last_hidden_state', 'sentence_embedding'],
    {},
    'sentence_embedding',
    true,
  ],
  [
    'vectors of tokens, where the config asks for pooling',
    ['token_embeddings', 'sentence_embedding'],
    { prefersPooling: true },
    'token_embeddings',
    false,
  ],
  ['the only vector there is', ['pooler_output'], { prefersPooling: true }, 'pooler_output', true],
  ['an output by any name', ['embedding_3'], {}, 'embedding_3', true],
])('takes %s', async (_name, outputs, changes, outputName, isPooled) => {
  const { library } = fakeLibrary((inputs) =>
    Object.fromEntries(
      outputs.map((name) => [name, /last_hidden|token/.test(name) ? states(inputs) : pooled(inputs)]),
    ),
  );
  const model = await LocalModel.load(library, { ...SETTINGS, ...changes });
  expect(model.shape).toEqual({ outputName, isPooled, dimensions: isPooled ? 4 : 2 });
  const vectors = await model.run(BATCH);
  expect(vectors).toHaveLength(2 * model.shape.dimensions);
  expect(Math.hypot(...vectors.subarray(0, model.shape.dimensions))).toBeCloseTo(1, 5);
});

test('widens half numbers', async () => {
  const { library } = fakeLibrary((inputs) => ({ sentence_embedding: pooled(inputs, 'float16') }));
  const model = await LocalModel.load(library, SETTINGS);
  expect([...(await model.run(BATCH))]).toEqual(Array.from({ length: 8 }, () => 0.5));
});

test('releases a model whose output it cannot use', async () => {
  const { library, dispose } = fakeLibrary(() => ({ logits: new FakeTensor('float32', [1], [1]) }));
  await expect(LocalModel.load(library, SETTINGS)).rejects.toThrow('no output with vectors, only logits');
  expect(dispose).toHaveBeenCalledTimes(1);
});
