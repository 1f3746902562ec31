import type { ProviderConfig } from '../config/provider-config.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import type { EmbeddingProvider } from '../ports/embedding-provider.ts';
import type { Report } from '../ports/run-events.ts';
import { temporaryProvider } from '../providers/temporary-provider.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { embedQueries } from './embed-queries.ts';
import { embedSample } from './embed-sample.ts';
import { NearestRows } from './nearest-rows.ts';
import { asked, ProviderFailure } from './provider-failure.ts';
import type { Query } from './queries.ts';
import { readSample } from './read-sample.ts';
import type { SampledRow } from './read-sample.ts';
import { nameRow } from './sample.ts';
import type { Sample } from './sample.ts';
import type { Variant } from './variant.ts';
import type { FailedVariant, VariantResult } from './variant-result.ts';

export interface ComparisonTask {
  /** Those of one provider stand together. */
  variants: readonly Variant[];
  /** The rows by each variant's template. */
  sourceOf: (variant: Variant) => RowSource;
  sample: Sample;
  queries: readonly Query[];
  /** Neighbours a query. */
  top: number;
}

export interface RunOptions extends CallOptions {
  report: Report;
}

/**
 * Runs the variants one after another. A provider is opened once, for all of its variants, and closed before the
 * next one is opened, so that two models are never in memory together. The rows are read anew for each variant, and
 * that they changed in between is a warning.
 * @throws what reading the rows throws, and the signal's reason; what a provider throws ends its variants only
 */
export async function runVariants(
  database: Queryable,
  task: ComparisonTask,
  options: RunOptions,
): Promise<{ results: VariantResult[]; failed: FailedVariant[] }> {
  const run = new Run(database, task, options);
  for (const provider of new Set(task.variants.map((variant) => variant.provider))) {
    await run.provider(
      provider,
      task.variants.filter((variant) => variant.provider === provider),
    );
  }
  return { results: run.results, failed: run.failed };
}

class Run {
  readonly results: VariantResult[] = [];
  readonly failed: FailedVariant[] = [];
  readonly #database: Queryable;
  readonly #task: ComparisonTask;
  readonly #options: RunOptions;
  /** Digests of the rows by source. */
  readonly #digests = new Map<RowSource, string>();
  #isChangeSaid = false;
  #rowsDone = 0;

  constructor(database: Queryable, task: ComparisonTask, options: RunOptions) {
    this.#database = database;
    this.#task = task;
    this.#options = options;
    const [baseline] = task.variants;
    if (baseline) this.#digests.set(task.sourceOf(baseline), task.sample.digest);
  }

  async provider(config: ProviderConfig, variants: readonly Variant[]): Promise<void> {
    const { report, signal } = this.#options;
    const left = [...variants];
    try {
      report({ type: 'step', message: `Opening provider ${config.name}` });
      const startedAt = performance.now();
      await using temporary = await asked(() =>
        temporaryProvider(config, { report, ...(signal && { signal }) }),
      );
      const openMs = performance.now() - startedAt;
      for (let variant = left[0]; variant; variant = left[0]) {
        report({ type: 'step', message: `Embedding the sample with ${variant.name}` });
        this.results.push(await this.#variant(temporary.provider, variant, openMs));
        left.shift();
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ProviderFailure)) throw error;
      for (const variant of left) this.failed.push({ variant, error: error.error });
    }
  }

  async #variant(provider: EmbeddingProvider, variant: Variant, openMs: number): Promise<VariantResult> {
    const { sample, queries, top, sourceOf } = this.#task;
    const source = sourceOf(variant);
    const texts = queries.map(({ text }) => text);
    const { vectors, ...ofQueries } = await asked(() => embedQueries(provider, texts, this.#options));
    const nearest = new NearestRows(vectors, provider.dimensions, top);
    const keys = sample.rows.map(({ key }) => key);
    const { pages, tally } = readSample(this.#database, source, keys, this.#options);
    const embedded = await embedSample(provider, source, this.#watched(pages), nearest, this.#options);
    this.#rowsDone += keys.length;
    this.#compareRows(source, tally.digest);
    const { kind, modelId, dimensions } = provider;
    return {
      variant,
      kind,
      modelId,
      dimensions,
      openMs,
      queries: ofQueries,
      sample: { ...embedded, ...tally },
      rankings: nearest.rankings(),
    };
  }

  /** Passes the pages on, and takes the labels from them. */
  async *#watched(pages: AsyncIterable<SampledRow[]>): AsyncGenerator<SampledRow[]> {
    const { sample, variants } = this.#task;
    const { report } = this.#options;
    const total = sample.rows.length * variants.length;
    for await (const page of pages) {
      for (const { index, label } of page) nameRow(sample, index, label);
      yield page;
      const last = page.at(-1);
      if (last) report({ type: 'progress', done: this.#rowsDone + last.index + 1, total });
    }
  }

  #compareRows(source: RowSource, digest: string): void {
    const earlier = this.#digests.get(source) ?? digest;
    this.#digests.set(source, digest);
    if (earlier === digest || this.#isChangeSaid) return;
    this.#isChangeSaid = true;
    const message =
      'rows of the sample changed while they were compared; a part of the difference may be theirs';
    this.#options.report({ type: 'warning', message });
  }
}
