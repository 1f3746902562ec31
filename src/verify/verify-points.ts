import type { CallOptions } from '../ports/database.ts';
import type { PointFilter, StoredPoint } from '../ports/vector-store.ts';
import { WorkSlice } from '../util/work-slice.ts';
import { beforeBucket, bucketOf, BucketDigests } from './bucket-digests.ts';
import { confirmPoints } from './confirm-points.ts';
import type { PointJudge } from './confirm-points.ts';
import type { Confirmed } from './finding.ts';
import { mergePoints } from './merge-points.ts';
import { PointIds } from './point-ids.ts';
import { PointPages } from './point-pages.ts';
import { recordedRows } from './recorded-rows.ts';
import { SortedPoints } from './sorted-points.ts';
import type { ExpectedPoint } from './sorted-points.ts';

export interface VerifyPointsOptions extends CallOptions {
  /** Which points are read: null for all, which shows those of nobody. */
  filter: PointFilter | null;
  /** Compare ids by buckets first, and look into those that differ. */
  isFast: boolean;
  onConfirmed: (confirmed: readonly Confirmed[]) => Promise<void>;
  /** Told how many more points were looked at. */
  onPoints: (count: number) => void;
}

/**
 * Compares what is recorded with the points of the store, in constant memory.
 * @throws {GenerationMovedError} when another generation becomes live meanwhile
 */
export async function verifyPoints(judge: PointJudge, options: VerifyPointsOptions): Promise<void> {
  if (options.isFast) await verifyByDigests(judge, options);
  else await verifyAll(judge, options);
}

async function verifyAll(judge: PointJudge, options: VerifyPointsOptions): Promise<void> {
  // Under way while the record is brought into order.
  await using pages = openPages(judge, options, { payload: 'identity', withVectors: judge.withVectors });
  await using sorted = new SortedPoints();
  await eachExpected(judge, options, (point) => sorted.add(point));
  await merge(judge, options, sorted, () => pages?.next() ?? Promise.resolve([]));
}

/** Of 4,096. */
const MOST_BUCKETS = 512;

async function verifyByDigests(judge: PointJudge, options: VerifyPointsOptions): Promise<void> {
  const stored = new BucketDigests();
  const recorded = new BucketDigests();
  {
    await using pages = openPages(judge, options, { payload: 'none' });
    await eachExpected(judge, options, ({ id }) => recorded.add(id));
    for (let page = await pages?.next(); page && page.length > 0; page = await pages?.next()) {
      for (const { id } of page) stored.add(id);
      options.onPoints(page.length);
    }
  }
  const differing = new Set(stored.differing(recorded));
  if (differing.size === 0 && !stored.hasNumbers) return;
  // Numbers stand before the first bucket. And reading everything in order is faster than reading a lot of it in pieces.
  if (stored.hasNumbers || differing.size > MOST_BUCKETS) {
    await verifyAll(judge, { ...options, onPoints: () => {} });
    return;
  }

  await using sorted = new SortedPoints();
  await eachExpected(judge, options, (point) =>
    differing.has(bucketOf(point.id)) ? sorted.add(point) : undefined,
  );
  const points = judge.exists ? pointsOfBuckets(judge, options, differing) : nothing();
  try {
    const nextPoints = async () => {
      const { done, value } = await points.next();
      return done ? [] : value;
    };
    await merge(judge, { ...options, onPoints: () => {} }, sorted, nextPoints);
  } finally {
    await points.return(undefined);
  }
}

/** The points of some buckets in the order of their ids, in pages that are not empty. */
async function* pointsOfBuckets(
  judge: PointJudge,
  options: VerifyPointsOptions,
  buckets: ReadonlySet<number>,
): AsyncGenerator<StoredPoint[]> {
  // Neighbours are read in one go.
  for (const first of buckets) {
    if (buckets.has(first - 1)) continue;
    let last = first;
    while (buckets.has(last + 1)) last += 1;
    yield* pagesUntil(judge, options, beforeBucket(first), (id) => bucketOf(id) <= last);
  }
}

/** A bucket is much smaller than a page of a whole pass. */
const BUCKET_PAGE = 250;

async function* pagesUntil(
  { store, generation }: PointJudge,
  { filter, signal }: VerifyPointsOptions,
  start: string | undefined,
  isWanted: (id: string) => boolean,
): AsyncGenerator<StoredPoint[]> {
  for (let after = start; ;) {
    const page = await store.scroll(generation.physical, {
      limit: BUCKET_PAGE,
      payload: 'identity',
      ...(filter && { filter }),
      ...(after !== undefined && { after }),
      ...(signal && { signal }),
    });
    const end = page.findIndex(({ id }) => !isWanted(id));
    const wanted = end === -1 ? page : page.slice(0, end);
    if (wanted.length > 0) yield wanted;
    after = page.at(-1)?.id;
    if (end !== -1 || page.length < BUCKET_PAGE) return;
  }
}

async function* nothing(): AsyncGenerator<StoredPoint[]> {}

async function merge(
  judge: PointJudge,
  options: VerifyPointsOptions,
  sorted: SortedPoints,
  nextPoints: () => Promise<readonly StoredPoint[]>,
): Promise<void> {
  const { onConfirmed, onPoints } = options;
  await mergePoints(judge, {
    nextPoints,
    expected: sorted.inOrder(),
    onCandidates: async (candidates) => onConfirmed(await confirmPoints(judge, candidates, options)),
    onPoints,
  });
}

function openPages(
  { store, generation, exists }: PointJudge,
  { filter, signal }: VerifyPointsOptions,
  what: Pick<ConstructorParameters<typeof PointPages>[2], 'payload' | 'withVectors'>,
): PointPages | null {
  if (!exists) return null;
  return new PointPages(store, generation.physical, {
    ...what,
    ...(filter && { filter }),
    ...(signal && { signal }),
  });
}

/**
 * Every point that is recorded for the tenants whose points are read: those of others too where all are, so that
 * theirs are never taken for nobody's.
 */
async function eachExpected(
  { database, generation, entity, selected, others }: PointJudge,
  { filter, signal }: VerifyPointsOptions,
  add: (point: ExpectedPoint) => Promise<void> | undefined | void,
): Promise<void> {
  const slice = new WorkSlice();
  for (const tenant of filter === null ? [...selected, ...others] : selected) {
    const ids = new PointIds(tenant, entity);
    const place = { generationId: generation.id, tenant, entity };
    for await (const page of recordedRows(database, place, { ...(signal && { signal }) })) {
      slice.begin();
      for (const { key, textHash, chunks } of page) {
        for (let chunk = 0; chunk < chunks; chunk += 1) {
          const pending = add({ id: ids.of(key, chunk), tenant, key, chunk, textHash });
          if (pending) await pending;
        }
        if (slice.isOver()) await slice.rest(signal);
      }
      slice.end();
    }
  }
}
