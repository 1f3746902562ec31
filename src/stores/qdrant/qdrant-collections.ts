import type { Schemas } from '@qdrant/js-client-rest';
import { usageError } from '../../errors/vecpipe-error.ts';
import type { CollectionInfo } from '../../ports/vector-store.ts';
import {
  aliasNameTaken,
  aliasTargetMissing,
  collectionMissing,
  collectionNameTaken,
  collectionWidth,
} from '../collection-errors.ts';
import { collectionPath, SLOW_DEADLINE_MS, type QdrantApi } from './qdrant-api.ts';
import {
  aliasesShape,
  collectionShape,
  collectionsShape,
  updateShape,
  vectorParamsShape,
  type CollectionConfig,
} from './qdrant-shapes.ts';
import { tuningOf } from './qdrant-tuning.ts';
import { z } from 'zod';

/** Indexes that every collection has before its first point, so that each point is indexed as it comes. */
const PAYLOAD_INDEXES: Schemas['CreateFieldIndex'][] = [
  { field_name: 'vecpipe.tenant', field_schema: { type: 'keyword', is_tenant: true } },
  { field_name: 'vecpipe.entity', field_schema: 'keyword' },
  { field_name: 'vecpipe.key', field_schema: 'keyword' },
];

export interface QdrantCollection extends CollectionInfo {
  /** `green` when all is done, `yellow` while it optimises, `grey` when it waits with that, `red` after a failure. */
  status: string;
  /** Why the last optimisation failed. */
  optimizerError: string | null;
  config: CollectionConfig;
  /** Fields with a keyword index. */
  indexed: ReadonlySet<string>;
}

/** Collections and aliases of one Qdrant. */
export class QdrantCollections {
  readonly #api: QdrantApi;

  constructor(api: QdrantApi) {
    this.#api = api;
  }

  /** Null for an alias, although Qdrant answers for the collection behind it. */
  async describe(collection: string, signal: AbortSignal | undefined): Promise<QdrantCollection | null> {
    const action = `describe the collection ${collection}`;
    const answer = await this.#api.send({ method: 'GET', path: collectionPath(collection) }, signal);
    if (!answer.ok && answer.status === 404) return null;
    const described = this.#api.result(answer, collectionShape, action);
    const { status, optimizer_status, config, payload_schema } = described;
    const { vectors } = config.params;
    if ((await this.aliases(signal)).has(collection)) return null;
    const vector = vectorParamsShape.safeParse(vectors);
    if (!vector.success) {
      throw usageError(
        'collection_foreign',
        `the Qdrant collection ${collection} has named vectors, and vecpipe keeps one unnamed vector a point`,
        'delete that collection, or set another `collection:` for the entity',
      );
    }
    const indexed = Object.entries(payload_schema).filter(([, { data_type }]) => data_type === 'keyword');
    return {
      dimensions: vector.data.size,
      distance: vector.data.distance === 'Cosine' ? 'cosine' : 'other',
      status,
      optimizerError: typeof optimizer_status === 'object' ? (optimizer_status?.error ?? null) : null,
      config,
      indexed: new Set(indexed.map(([field]) => field)),
    };
  }

  /** Can run in several processes at once, and completes a collection whose creation was interrupted. */
  async create(
    collection: string,
    dimensions: number,
    like: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let found = await this.describe(collection, signal);
    if (!found) {
      await this.#createEmpty(collection, dimensions, like, signal);
      found = await this.describe(collection, signal);
    }
    // Deleted by another process just now, or an alias by that name appeared: neither can be built on.
    if (!found) throw collectionNameTaken('Qdrant', collection);
    if (found.dimensions !== dimensions) {
      throw collectionWidth('Qdrant', collection, found.dimensions, dimensions);
    }
    if (found.distance !== 'cosine') {
      throw usageError(
        'collection_foreign',
        `the Qdrant collection ${collection} does not compare vectors by cosine`,
        'delete that collection, or set another `collection:` for the entity',
      );
    }
    for (const index of PAYLOAD_INDEXES) {
      if (!found.indexed.has(index.field_name)) await this.#createIndex(collection, index, signal);
    }
  }

  async #createEmpty(
    collection: string,
    dimensions: number,
    like: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const tuning = like === undefined ? undefined : await this.#tuning(like, signal);
    const settings: Schemas['CreateCollection'] = {
      ...tuning?.collection,
      vectors: { ...tuning?.vectors, size: dimensions, distance: 'Cosine' },
    };
    const answer = await this.#api.send(
      { method: 'PUT', path: collectionPath(collection), body: JSON.stringify(settings) },
      signal,
    );
    // 409: another process made it, or this one did and the answer was lost.
    if (answer.ok || answer.status === 409) return;
    if ((await this.aliases(signal)).has(collection)) throw collectionNameTaken('Qdrant', collection);
    throw this.#api.refused(answer, `create the collection ${collection}`);
  }

  async #tuning(collection: string, signal: AbortSignal | undefined) {
    const found = await this.describe(collection, signal);
    if (!found) throw collectionMissing('Qdrant', collection);
    return tuningOf(found.config);
  }

  async #createIndex(
    collection: string,
    index: Schemas['CreateFieldIndex'],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const action = `create an index in the collection ${collection}`;
    const path = collectionPath(collection, '/index?wait=true');
    const answer = await this.#api.send(
      { method: 'PUT', path, body: JSON.stringify(index), deadlineMs: SLOW_DEADLINE_MS },
      signal,
    );
    this.#api.confirm(this.#api.result(answer, updateShape, action).status, action);
  }

  async delete(collection: string, signal: AbortSignal | undefined): Promise<void> {
    const answer = await this.#api.send(
      { method: 'DELETE', path: collectionPath(collection), deadlineMs: SLOW_DEADLINE_MS },
      signal,
    );
    // False is the answer for a collection that does not exist, and for an alias, which is left alone.
    if (answer.ok || answer.status === 404) return;
    throw this.#api.refused(answer, `delete the collection ${collection}`);
  }

  /** In the order of their names. */
  async list(signal: AbortSignal | undefined): Promise<string[]> {
    const answer = await this.#api.send({ method: 'GET', path: '/collections' }, signal);
    const { collections } = this.#api.result(answer, collectionsShape, 'list the collections');
    return collections.map(({ name }) => name).toSorted();
  }

  /** Physical collections by alias. */
  async aliases(signal: AbortSignal | undefined): Promise<ReadonlyMap<string, string>> {
    const answer = await this.#api.send({ method: 'GET', path: '/aliases' }, signal);
    const { aliases } = this.#api.result(answer, aliasesShape, 'list the aliases');
    return new Map(aliases.map(({ alias_name, collection_name }) => [alias_name, collection_name]));
  }

  /**
   * One `create_alias` over whatever alias is there moves it in one step. A `delete_alias` before it would stay done
   * when the second action fails: Qdrant does not undo the first.
   */
  async setAlias(alias: string, collection: string, signal: AbortSignal | undefined): Promise<void> {
    if (!(await this.describe(collection, signal))) throw aliasTargetMissing('Qdrant', alias, collection);
    const operation: Schemas['CreateAliasOperation'] = {
      create_alias: { alias_name: alias, collection_name: collection },
    };
    const answer = await this.#api.send(
      { method: 'POST', path: '/collections/aliases', body: JSON.stringify({ actions: [operation] }) },
      signal,
    );
    if (!answer.ok && answer.status === 404) throw aliasTargetMissing('Qdrant', alias, collection);
    if (!answer.ok && answer.status === 409) throw aliasNameTaken('Qdrant', alias);
    this.#api.result(answer, z.literal(true), `point the alias ${alias} at the collection ${collection}`);
  }
}
