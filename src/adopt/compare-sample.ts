import { usageError } from '../errors/vecpipe-error.ts';
import { TextEmbedder } from '../pipeline/text-embedder.ts';
import { shortHash } from '../util/hash.ts';
import { cosine } from '../util/vector-math.ts';
import type { Adoption, SampleAgreement } from './adoption.ts';
import { matchPoints } from './match-points.ts';

/** Part of the sample that must agree. */
const LEAST_AGREEMENT = 0.95;
/** Points looked at for each row of the sample: some have no row, or one that does not fit. */
const CANDIDATES_PER_ROW = 8;
const PAGE_POINTS = 1000;
/** Points read at once with payload and vector. */
const CANDIDATES_PAGE = 200;

/**
 * Embeds a sample of the rows that have a point, and compares.
 * @throws {VecpipeError} `usage` when too few agree: another model or template made the vectors
 */
export async function compareSample(adoption: Adoption): Promise<SampleAgreement> {
  const { adopted, keyField, minSimilarity, sampleSize, source, provider } = adoption;
  const sampled = await sampleRows(adoption);
  if (sampled.length === 0) {
    throw usageError(
      'adoption_key_field',
      `no sampled point of ${adopted} names, in the payload field ${keyField.text} (--key-field), a row of ${source.description} of tenant ${source.tenant} whose text is one chunk`,
      'check --key-field, --tenant and --entity',
    );
  }
  const { vectors, tokens } = await new TextEmbedder(provider).embed(
    sampled.map(({ text }) => text),
    adoption.options,
  );
  let compared = 0;
  const disagreeing = new Set<string>();
  for (const [index, { key, vector }] of sampled.entries()) {
    const again = vectors[index];
    // What the provider refuses says nothing about the vector that is there.
    if (!(again instanceof Float32Array)) continue;
    compared += 1;
    // Not `<`, which a vector of zeros would pass.
    if (!(cosine(vector, again) >= minSimilarity)) disagreeing.add(key);
  }
  const agreed = compared - disagreeing.size;
  if (compared === 0 || agreed < compared * LEAST_AGREEMENT) {
    throw usageError(
      'adoption_disagrees',
      `only ${agreed} of ${compared} sampled rows (of ${sampleSize} asked for) have the vector that ${provider.modelId} makes of their text now: ${adopted} was built by another model or from another text`,
      "make the tenant's provider and the entity's `text:` those that it was built with, or let `vecpipe vectorize` build it anew; --min-similarity sets how near a vector must be",
    );
  }
  return { compared, agreed, disagreeing, tokens };
}

interface SampledRow {
  key: string;
  text: string;
  vector: Float32Array;
}

async function sampleRows(adoption: Adoption): Promise<SampledRow[]> {
  const { store, adopted, sampleSize, options } = adoption;
  const ids = await sampleIds(adoption, sampleSize * CANDIDATES_PER_ROW);
  const rows = new Map<string, SampledRow>();
  for (let from = 0; from < ids.length && rows.size < sampleSize; from += CANDIDATES_PAGE) {
    const wanted = ids.slice(from, from + CANDIDATES_PAGE);
    const found = await store.retrieve(adopted, wanted, { ...options, withVectors: true });
    const order = new Map(wanted.map((id, index) => [id, index]));
    const points = found.toSorted((one, other) => (order.get(one.id) ?? 0) - (order.get(other.id) ?? 0));
    for (const match of await matchPoints(adoption, points, null)) {
      if (match.kind !== 'row' || rows.size >= sampleSize) continue;
      const { claimed, text } = match.row;
      const { vector } = match.point;
      if (vector !== undefined && !rows.has(claimed.key))
        rows.set(claimed.key, { key: claimed.key, text, vector });
    }
  }
  return [...rows.values()];
}

/**
 * The ids with the smallest hashes: as good as drawn by lot, wherever in the order of ids they are, and the same in
 * the run that resumes an interrupted one.
 */
async function sampleIds({ store, adopted, options }: Adoption, count: number): Promise<string[]> {
  let smallest: { id: string; hash: string }[] = [];
  const cut = () => {
    smallest = smallest.toSorted((one, other) => (one.hash < other.hash ? -1 : 1)).slice(0, count);
  };
  for (let after: string | undefined; ;) {
    const page = await store.scroll(adopted, {
      limit: PAGE_POINTS,
      payload: 'none',
      ...(after !== undefined && { after }),
      ...options,
    });
    const largest = smallest.length < count ? null : smallest.at(-1)?.hash;
    for (const { id } of page) {
      const hash = shortHash(id);
      if (largest === null || largest === undefined || hash < largest) smallest.push({ id, hash });
    }
    if (smallest.length > count) cut();
    after = page.at(-1)?.id;
    if (page.length < PAGE_POINTS) break;
  }
  cut();
  return smallest.map(({ id }) => id);
}
