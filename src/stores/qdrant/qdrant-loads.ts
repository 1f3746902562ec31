import type { Schemas } from '@qdrant/js-client-rest';
import { z } from 'zod';
import { pause } from '../../lifetime/abort.ts';
import type { LoadSettings } from '../../ports/vector-store.ts';
import { collectionMissing } from '../collection-errors.ts';
import { collectionPath, SLOW_DEADLINE_MS, type QdrantApi } from './qdrant-api.ts';
import type { QdrantCollection, QdrantCollections } from './qdrant-collections.ts';

/** No segment is ever large enough for an index, https://qdrant.tech/documentation/concepts/optimizer/ */
const NO_INDEXING = 0;
/** What Qdrant takes where the setting is null, which a change cannot bring back: null there means "as it is". */
const DEFAULT_INDEXING_THRESHOLD = 10_000;

const FIRST_POLL_MS = 100;
const LONGEST_POLL_MS = 2_000;

/** What a load changes in a collection's settings, and the wait for what Qdrant builds after it. */
export class QdrantLoads {
  readonly #api: QdrantApi;
  readonly #collections: QdrantCollections;

  constructor(api: QdrantApi, collections: QdrantCollections) {
    this.#api = api;
    this.#collections = collections;
  }

  async readSettings(collection: string, signal: AbortSignal | undefined): Promise<LoadSettings> {
    const { config } = await this.#existing(collection, signal);
    const threshold = config.optimizer_config?.['indexing_threshold'];
    return { indexing_threshold: typeof threshold === 'number' ? threshold : null };
  }

  async begin(collection: string, signal: AbortSignal | undefined): Promise<void> {
    const action = `put off the indexing of the collection ${collection}`;
    await this.#changeOptimizers(collection, { indexing_threshold: NO_INDEXING }, action, signal);
  }

  async end(collection: string, settings: LoadSettings, signal: AbortSignal | undefined): Promise<void> {
    const before = settings['indexing_threshold'];
    const threshold = typeof before === 'number' ? before : DEFAULT_INDEXING_THRESHOLD;
    const action = `restore the settings of the collection ${collection}`;
    await this.#changeOptimizers(collection, { indexing_threshold: threshold }, action, signal);
  }

  /**
   * Has Qdrant start the optimisations that it holds back ("grey") until something is written, and waits for them if
   * asked to.
   * @throws {VecpipeError} `unavailable` when Qdrant has given up optimising
   */
  async finish(collection: string, waits: boolean, signal: AbortSignal | undefined): Promise<void> {
    for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_POLL_MS)) {
      const { status, optimizerError } = await this.#existing(collection, signal);
      if (waits && (optimizerError !== null || status === 'red')) {
        throw this.#api.notOptimized(collection, optimizerError ?? '');
      }
      if (status === 'grey') {
        await this.#changeOptimizers(
          collection,
          {},
          `start to optimise the collection ${collection}`,
          signal,
        );
      }
      if (!waits || status === 'green') return;
      await pause(pauseMs, signal);
      signal?.throwIfAborted();
    }
  }

  async #existing(collection: string, signal: AbortSignal | undefined): Promise<QdrantCollection> {
    const found = await this.#collections.describe(collection, signal);
    if (!found) throw collectionMissing('Qdrant', collection);
    return found;
  }

  /** Qdrant answers once the optimisations under way are done. */
  async #changeOptimizers(
    collection: string,
    change: Schemas['OptimizersConfigDiff'],
    action: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const settings: Schemas['UpdateCollection'] = { optimizers_config: change };
    const answer = await this.#api.send(
      {
        method: 'PATCH',
        path: collectionPath(collection),
        body: JSON.stringify(settings),
        deadlineMs: SLOW_DEADLINE_MS,
      },
      signal,
    );
    if (!answer.ok && answer.status === 404) throw collectionMissing('Qdrant', collection);
    this.#api.result(answer, z.boolean(), action);
  }
}
