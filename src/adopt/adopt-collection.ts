import { VecpipeError } from '../errors/vecpipe-error.ts';
import type { Generation } from '../pipeline/generation.ts';
import { ownPoints } from '../pipeline/own-points.ts';
import { recordedPoints } from '../pipeline/recorded-points.ts';
import { abandonBegun, beginAdopted, findBegun, finishAdopted } from './adopted-generation.ts';
import type { BegunAdoption } from './adopted-generation.ts';
import type { Adoption, AdoptionResult, PointCounts } from './adoption.ts';
import { checkAdopted, checkNothingBuilt } from './check-adopted.ts';
import { compareSample } from './compare-sample.ts';
import { copyPoints } from './copy-points.ts';

/**
 * Takes a collection over as the first generation of a tenant's entity: checks it, compares a sample, copies its
 * vectors, and gives readers the alias. The same call completes one that was interrupted. The adopted collection is
 * only read, except that `replaces` deletes it when the copy is complete.
 * @param dryRun check, compare and count, and write nothing
 * @throws {VecpipeError} `usage` when the collection cannot be adopted; `drift` when copied points are gone
 */
export async function adoptCollection(
  adoption: Adoption,
  { dryRun }: { dryRun: boolean },
): Promise<AdoptionResult> {
  const { database, report, adopted, store, source, options } = adoption;
  const begun = await findBegun(adoption);
  if (begun !== null && !begun.isOther && (await isReplaced(adoption))) {
    const sample = { compared: 0, agreed: 0, disagreeing: new Set<string>(), tokens: 0 };
    const copied = await recordedPoints(database, begun.id, source.tenant, source.entity.name, options);
    const counts = { points: copied, copied, withoutRow: 0, duplicates: null, unfit: 0, disagreeing: 0 };
    const generation = dryRun ? null : await beginAdopted(adoption, begun);
    if (generation !== null) await finishAdopted(adoption, generation);
    return { sample, counts, rowsLeft: await countRowsLeft(adoption, begun.id, counts) };
  }
  report({ type: 'step', message: `Looking at ${adopted}` });
  await checkAdopted(adoption);
  if (begun === null) await checkNothingBuilt(adoption);
  report({ type: 'step', message: `Comparing a sample of ${adopted}` });
  const sample = await compareSample(adoption);
  const generation = dryRun ? null : await begin(adoption, begun);
  report({ type: 'step', message: `${dryRun ? 'Counting' : 'Copying'} the points of ${adopted}` });
  const counts = await copyPoints(adoption, generation, sample.disagreeing);
  if (generation !== null) {
    await refuseLoss(adoption, generation);
    report({ type: 'step', message: `Waiting until ${store.kind} has indexed ${generation.physical}` });
    await finishAdopted(adoption, generation);
  }
  return { sample, counts, rowsLeft: await countRowsLeft(adoption, generation?.id ?? null, counts) };
}

async function begin(adoption: Adoption, begun: BegunAdoption | null): Promise<Generation> {
  if (!begun?.isOther) return beginAdopted(adoption, begun);
  const message = `an interrupted adoption for ${adoption.collection} is begun anew, because it was of another collection, provider, template or chunking`;
  adoption.report({ type: 'notice', message });
  await abandonBegun(adoption, begun);
  return beginAdopted(adoption, null);
}

/** An earlier run has deleted the adopted collection, which it does when the copy is complete. */
async function isReplaced({ store, adopted, collection, replaces, options }: Adoption): Promise<boolean> {
  if (!replaces || adopted !== collection) return false;
  return (await store.describeCollection(adopted, options)) === null;
}

/** @throws {VecpipeError} `drift` */
async function refuseLoss(adoption: Adoption, generation: Generation): Promise<void> {
  const { database, store, source, options } = adoption;
  const { tenant } = source;
  const entity = source.entity.name;
  const recorded = await recordedPoints(database, generation.id, tenant, entity, options);
  const filter = ownPoints(tenant, entity);
  const stored = await store.count(generation.physical, { ...options, filter });
  if (stored >= recorded) return;
  throw new VecpipeError(
    'drift',
    `the collection ${generation.physical} holds ${stored} of the ${recorded} points that were copied into it`,
    { code: 'points_missing', hint: 'delete it from the store and run the same command again' },
  );
}

async function countRowsLeft(
  { database, source, options }: Adoption,
  generationId: number | null,
  { copied }: PointCounts,
): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `select count(*) as count from ${source.from}
    where ${source.tenantCondition} and (${source.keySql}) is not null
      and not exists (
        select from vecpipe.vector_state v
        where v.generation_id = $2::int8 and v.tenant = $1 and v.entity = $3
          and v.key = (${source.keySql}) collate "C"
      )`,
    [source.tenant, generationId, source.entity.name],
    options,
  );
  const left = rows[0]?.count ?? 0;
  return generationId === null ? Math.max(0, left - copied) : left;
}
