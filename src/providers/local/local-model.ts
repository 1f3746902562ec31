import type * as TransformersModule from '@xenova/transformers';
import type { PreTrainedModel, Tensor } from '@xenova/transformers';
import { pool, unitRows } from './pooling.ts';
import type { BatchRequest, ModelShape, WorkerSettings } from './worker-protocol.ts';

type Transformers = typeof TransformersModule;

/** Outputs that already are vectors of texts, the better known first. */
const POOLED_OUTPUTS = ['sentence_embedding', 'text_embeds', 'embeddings', 'pooler_output'];
/** Outputs with a vector a token. */
const TOKEN_OUTPUTS = ['last_hidden_state', 'token_embeddings'];
/** Below it the runtime writes to the output of the process. */
const ONLY_FATAL = 4;

/** A model loaded into this thread. Whoever loaded it releases it. */
export class LocalModel {
  readonly shape: ModelShape;
  readonly #transformers: Transformers;
  readonly #model: PreTrainedModel;
  readonly #settings: WorkerSettings;

  private constructor(
    transformers: Transformers,
    model: PreTrainedModel,
    settings: WorkerSettings,
    shape: ModelShape,
  ) {
    this.#transformers = transformers;
    this.#model = model;
    this.#settings = settings;
    this.shape = shape;
  }

  /**
   * Reads the weights from the folder alone, never from the network, and runs one token through them to see what
   * comes out.
   */
  static async load(transformers: Transformers, settings: WorkerSettings): Promise<LocalModel> {
    const { AutoModel, LogLevel, env } = transformers;
    // It would print what it was given when a run fails.
    env.logLevel = LogLevel.NONE;
    env.allowRemoteModels = false;
    // Files that are on the disk are read where they are.
    env.useFSCache = false;
    env.useBrowserCache = false;
    const model = await AutoModel.from_pretrained(settings.folder, {
      dtype: settings.dtype,
      device: 'cpu',
      local_files_only: true,
      session_options: {
        intraOpNumThreads: settings.threads,
        interOpNumThreads: 1,
        logSeverityLevel: ONLY_FATAL,
      },
    });
    try {
      const probe = { ids: Int32Array.of(settings.padId), lengths: Int32Array.of(1) };
      const outputs = await call(transformers, model, probe, settings.padId);
      return new LocalModel(transformers, model, settings, shapeOf(outputs, settings));
    } catch (error) {
      await model.dispose();
      throw error;
    }
  }

  /** Unit-length vectors of the texts, one after another. */
  async run(batch: BatchRequest): Promise<Float32Array<ArrayBuffer>> {
    const { shape } = this;
    const outputs = await call(this.#transformers, this.#model, batch, this.#settings.padId);
    const output = outputs[shape.outputName];
    if (output === undefined) throw new Error(`the model has no output ${shape.outputName}`);
    const values = floatsOf(output);
    if (shape.isPooled) return unitRows(values, shape.dimensions);
    return pool(values, batch.lengths, paddedLength(batch), shape.dimensions, this.#settings.pooling);
  }

  async release(): Promise<void> {
    await this.#model.dispose();
  }
}

type Outputs = Record<string, Tensor | undefined>;

async function call(
  { Tensor }: Transformers,
  model: PreTrainedModel,
  batch: BatchRequest,
  padId: number,
): Promise<Outputs> {
  const width = paddedLength(batch);
  const { ids, lengths } = batch;
  const size = lengths.length * width;
  const inputIds = new BigInt64Array(size).fill(BigInt(padId));
  const attentionMask = new BigInt64Array(size);
  let at = 0;
  lengths.forEach((length, text) => {
    const start = text * width;
    for (let token = 0; token < length; token++) inputIds[start + token] = BigInt(ids[at + token] as number);
    attentionMask.fill(1n, start, start + length);
    at += length;
  });
  const shape = [lengths.length, width];
  // The model takes those of them that it has.
  return (await model({
    input_ids: new Tensor('int64', inputIds, shape),
    attention_mask: new Tensor('int64', attentionMask, shape),
    token_type_ids: new Tensor('int64', new BigInt64Array(size), shape),
  })) as Outputs;
}

function paddedLength({ lengths }: BatchRequest): number {
  return lengths.reduce((longest, length) => Math.max(longest, length), 1);
}

function shapeOf(outputs: Outputs, settings: WorkerSettings): ModelShape {
  const ofRank = (names: readonly string[], rank: number) =>
    names.find((name) => outputs[name]?.dims.length === rank);
  const tokens = ofRank(TOKEN_OUTPUTS, 3);
  const own = ofRank(['sentence_embedding'], 2);
  const others = ofRank(POOLED_OUTPUTS, 2) ?? ofRank(Object.keys(outputs), 2);
  const pooled = own ?? (tokens === undefined ? others : undefined);
  const usesPooled = pooled !== undefined && !(settings.prefersPooling && tokens !== undefined);
  const outputName = usesPooled ? pooled : (tokens ?? ofRank(Object.keys(outputs), 3));
  const dimensions = outputName === undefined ? undefined : outputs[outputName]?.dims.at(-1);
  if (outputName === undefined || dimensions === undefined) {
    throw new Error(`it has no output with vectors, only ${Object.keys(outputs).join(', ')}`);
  }
  return { dimensions, isPooled: usesPooled, outputName };
}

function floatsOf(tensor: Tensor): Float32Array {
  return (tensor.type === 'float32' ? tensor : tensor.to('float32')).data as Float32Array;
}
