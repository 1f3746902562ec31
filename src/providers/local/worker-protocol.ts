import type { Pooling } from './pooling.ts';

/** What a worker thread is started with. */
export interface WorkerSettings {
  /** Absolute folder of the model. */
  folder: string;
  dtype: 'q8' | 'fp32' | 'fp16' | 'q4';
  threads: number;
  pooling: Pooling;
  /** Pool the tokens even if the model answers a ready vector: the config asked for it. */
  prefersPooling: boolean;
  /** Fills up the rows of a batch. */
  padId: number;
}

export interface WorkerData extends WorkerSettings {
  /** Of the thread's NativeGuard. */
  guard: SharedArrayBuffer;
}

/** Texts as token ids, special tokens included, one after another. */
export interface BatchRequest {
  ids: Int32Array<ArrayBuffer>;
  /** Tokens of each text. */
  lengths: Int32Array<ArrayBuffer>;
}

/** To a worker. It answers batches in the order they came. */
export type WorkerRequest = ({ type: 'run' } & BatchRequest) | { type: 'close' };

/** What a loaded model is like. */
export interface ModelShape {
  dimensions: number;
  /** The model pools by itself: its output is one vector a text. */
  isPooled: boolean;
  /** Of the output that is used. */
  outputName: string;
}

/** From a worker. */
export type WorkerAnswer =
  | ({ type: 'ready' } & ModelShape)
  /** It will never be ready, and ends. */
  | { type: 'broken'; reason: 'package' | 'model'; message: string }
  /** Unit-length vectors of one batch, one after another. */
  | { type: 'done'; vectors: Float32Array<ArrayBuffer> }
  | { type: 'failed'; message: string };
