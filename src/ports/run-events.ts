/** Everything a run says while it works. The core emits, the CLI renders; no event carries row text. */
export type RunEvent =
  | { type: 'step'; message: string }
  | { type: 'notice'; message: string }
  | { type: 'warning'; message: string }
  | {
      type: 'synced';
      tenant: string;
      entity: string;
      inserted: number;
      updated: number;
      unchanged: number;
      deleted: number;
    }
  | { type: 'queued'; tenant: string; entity: string; queued: number }
  | { type: 'progress'; done: number; total: number }
  /** Bytes of a model's files, all of them together; `total` grows as files are found. */
  | { type: 'download'; model: string; done: number; total: number }
  | { type: 'processing'; tenant: string; entity: string; label: string }
  | { type: 'embedded'; tenant: string; entity: string; dimensions: number }
  | { type: 'stored'; pointId: string; collection: string }
  | { type: 'row_failed'; tenant: string; entity: string; key: string; code: string; message: string };

/** Must not throw and must not block. */
export type Report = (event: RunEvent) => void;
