import { creditMicros, wholeCredits } from '../credits/credits.ts';
import type { CallOptions, Database, Queryable } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import { HAS_FAILED } from '../queue/failed-sql.ts';
import { planDifference } from '../sources/rows/difference.ts';
import type { Difference } from '../sources/rows/difference.ts';
import { loadRows } from '../sources/rows/load-rows.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { chunksOf } from './chunks-of.ts';
import { hasSameTexts } from './copy-vectors.ts';
import type { CopySource } from './copy-vectors.ts';
import { effectiveChunking } from './fingerprint.ts';
import { prepareRow } from './prepare-row.ts';

/** What a run would do for one tenant's entity, without doing it. */
export interface Plan extends Difference {
  /** Rows in the queue that a comparison would not find by itself. */
  queued: number;
  /** Rows whose text would be sent to the provider, equal texts counted each time. */
  embed: number;
  /** Rows whose vectors another generation holds already. */
  copied: number;
  payloadOnly: number;
  empty: number;
  /** Rows that would fail: a value does not fit the template, a key stands for several rows. */
  fail: number;
  tokens: number;
  /** Money for them, by the provider's price. */
  cost: number;
  /** Credits for them; a tenant without an account is not charged. */
  credits: number;
  /** Calls of the provider; over the network, requests. */
  requests: number;
}

export interface PlanOptions extends CallOptions {
  queuedOnly: boolean;
  deleteAll: boolean;
  /** As if nothing were recorded. */
  refresh: boolean;
  /** Rows that rest as failed are looked at, too. */
  retryFailed: boolean;
  /** Rows to look at, at the most; null for all. */
  limit: number | null;
  /** Another generation whose vectors are taken for equal texts. */
  copySource?: CopySource | undefined;
}

/** What a plan has to know of a provider beyond its port. */
export type PricedProvider = EmbeddingProvider & {
  pricePerMillionTokens: number | null;
  creditsPerMillionTokens: number;
};

const PAGE_ROWS = 500;

/**
 * Compares, renders and counts tokens, in pages and without any call to provider or store. Writes nothing but a
 * temporary table that ends with its transaction.
 * @param generationId null when nothing was ever stored
 */
export async function planRows(
  database: Database,
  source: RowSource,
  generationId: number | null,
  provider: PricedProvider,
  options: PlanOptions,
): Promise<Plan> {
  return database.transaction(async (tx) => {
    const difference = await planDifference(tx, source, generationId, options);
    const queued = await addQueued(tx, source, options);
    // A refresh compares with what is stored, for the deletes, and then embeds every row.
    if (options.refresh) await addAllRows(tx, source);
    const recordedIn = options.refresh ? null : generationId;
    const { rows, recorded, unchanged } = difference;
    const nothingNew = { added: 0, changed: 0, vanished: 0, keyless: 0, guarded: false };
    const { added, changed, vanished, keyless, guarded } = options.queuedOnly ? nothingNew : difference;
    const plan: Plan = {
      rows,
      recorded,
      added,
      changed,
      unchanged,
      vanished,
      keyless,
      guarded,
      queued,
      embed: 0,
      copied: 0,
      payloadOnly: 0,
      empty: 0,
      fail: 0,
      tokens: 0,
      cost: 0,
      credits: 0,
      requests: 0,
    };
    let chunks = 0;
    let seen = 0;
    for await (const rows of pages(tx, options)) {
      const left = options.limit === null ? rows : rows.slice(0, options.limit - seen);
      chunks += await countPage(tx, source, recordedIn, provider, left, plan, options.copySource);
      seen += left.length;
      if (left.length < rows.length) break;
    }
    plan.cost = (plan.tokens * (provider.pricePerMillionTokens ?? 0)) / 1e6;
    plan.credits = wholeCredits(creditMicros(plan.tokens, provider.creditsPerMillionTokens));
    plan.requests = requestsFor(chunks, plan.tokens, provider);
    return plan;
  }, options);
}

/** As if requests could always be filled: a run may need a few more. */
function requestsFor(chunks: number, tokens: number, provider: EmbeddingProvider): number {
  const { inputs, tokens: tokensLimit } = provider.requestLimits ?? {
    inputs: provider.maxBatchSize,
    tokens: Infinity,
  };
  return Math.max(Math.ceil(chunks / inputs), Math.ceil(tokens / tokensLimit));
}

/** A row that a run would work on. */
interface PlannedRow {
  key: string;
  unconfirmed: boolean;
}

async function addAllRows(tx: Queryable, source: RowSource): Promise<void> {
  await tx.query(
    `insert into vecpipe_plan (key, unconfirmed)
    select (${source.keySql}) collate "C", false from ${source.from}
    where ${source.tenantCondition} and (${source.keySql}) is not null
      and not exists (select from vecpipe_plan p where p.key = (${source.keySql}) collate "C")`,
    [source.tenant],
  );
}

async function addQueued(
  tx: Queryable,
  source: RowSource,
  { queuedOnly, retryFailed }: PlanOptions,
): Promise<number> {
  if (queuedOnly) await tx.query('delete from vecpipe_plan');
  const { changed } = await tx.query(
    `insert into vecpipe_plan (key, unconfirmed) select key, unconfirmed from vecpipe.queue q
    where tenant = $1 and entity = $2 and building = 0 and operation = 'upsert' and (not ${HAS_FAILED} or $3::boolean)
      and not exists (select from vecpipe_plan p where p.key = q.key)`,
    [source.tenant, source.entity.name, retryFailed],
  );
  return changed;
}

async function* pages(tx: Queryable, options: CallOptions): AsyncGenerator<PlannedRow[]> {
  for (let after: string | null = null; ;) {
    const { rows }: { rows: PlannedRow[] } = await tx.query<PlannedRow>(
      `select key, unconfirmed from vecpipe_plan
      where $1::text is null or key > $1::text order by key limit $2`,
      [after, PAGE_ROWS],
      options,
    );
    const last = rows.at(-1);
    if (!last) return;
    yield rows;
    after = last.key;
  }
}

/** @returns the number of texts to embed */
async function countPage(
  tx: Queryable,
  source: RowSource,
  generationId: number | null,
  provider: EmbeddingProvider,
  rows: readonly PlannedRow[],
  plan: Plan,
  copySource: CopySource | undefined,
): Promise<number> {
  const chunking = effectiveChunking(source.entity, provider);
  const keys = rows.map(({ key }) => key);
  const loaded = await loadRows(tx, source, generationId, keys);
  const elsewhere = copySource && (await loadRows(tx, source, copySource.generation.id, keys));
  let chunks = 0;
  for (const [index, row] of loaded.entries()) {
    const { key, unconfirmed } = rows[index] ?? { key: row.key, unconfirmed: false };
    const decision = prepareRow(
      source,
      { key, operation: 'upsert', version: 1, attempts: 1, unconfirmed },
      row,
    );
    if (decision.action === 'fail') plan.fail += 1;
    if (decision.action === 'empty') plan.empty += 1;
    if (decision.action === 'payload') plan.payloadOnly += 1;
    if (decision.action !== 'embed') continue;
    const { text } = decision.row;
    const texts = chunksOf(text, provider.tokenizer, chunking);
    const other = elsewhere?.[index]?.recorded ?? null;
    if (
      copySource &&
      hasSameTexts({ row: decision.row, texts }, other, provider.tokenizer, copySource.chunking)
    ) {
      plan.copied += 1;
      continue;
    }
    plan.embed += 1;
    chunks += texts.length;
    for (const each of texts) plan.tokens += provider.tokenizer.count(each);
  }
  return chunks;
}
