import { adoptCollection } from '../../adopt/adopt-collection.ts';
import { resolveAdopted } from '../../adopt/adopted-generation.ts';
import type { AdoptionResult } from '../../adopt/adoption.ts';
import { parseKeyField } from '../../adopt/key-field.ts';
import { collectionName } from '../../entities/entity.ts';
import type { Entity } from '../../entities/entity.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import { fingerprintSettings } from '../../pipeline/fingerprint.ts';
import { openRowSource } from '../../sources/rows/open-row-source.ts';
import { counted } from '../counted.ts';
import { waitOptions } from '../max-outage.ts';
import type { Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import type { Session } from '../session.ts';
import type { AdoptFlags } from './adopt.ts';

const SAMPLE_ROWS = 50;
const MIN_SIMILARITY = 0.99;

/** Copies a foreign collection's vectors into a generation of vecpipe's, and says what came of it. */
export const adoptMain: Main<AdoptFlags> = async (context) => {
  const { args, options, io, report, runId } = context;
  const { stop } = io.stop;
  const keyField = parseKeyField(options.keyField);
  const session = await openSession(context, {
    usesProviders: true,
    wait: waitOptions(options, stop, report),
  });
  const { tenant, entity } = selectOne(session);
  if (session.config.store.kind !== 'qdrant') {
    throw usageError(
      'adoption_store',
      'vecpipe adopt is for collections in Qdrant, and vectors are kept in pgvector here',
      'set QDRANT_URL to the Qdrant that has the collection',
    );
  }
  const { database } = session;
  const store = await session.store();
  const source = await openRowSource(database, entity, tenant, { signal: stop });
  const provider = await session.route(tenant, entity.name);
  const collection = collectionName(entity, tenant);
  const place = { database, store, collection, options: { signal: stop } };
  const adopted = await resolveAdopted(place, args[0] ?? '');
  const dryRun = options.dryRun ?? false;
  const adoption = {
    ...place,
    source,
    provider,
    settings: fingerprintSettings(entity, provider),
    adopted,
    keyField,
    sampleSize: options.sample ?? SAMPLE_ROWS,
    minSimilarity: options.minSimilarity ?? MIN_SIMILARITY,
    replaces: options.replace ?? false,
    runId,
    report,
  };
  const result = await adoptCollection(adoption, { dryRun });
  const json = { tenant, entity: entity.name, collection, generation: 1, adopted, dryRun, ...toJson(result) };
  const lines = resultLines(result, { adopted, collection, dryRun });
  return { json: { adoption: json }, ...(dryRun ? { text: lines.join('\n') } : { summary: lines }) };
};

function selectOne({ tenants, entities }: Session): { tenant: string; entity: Entity } {
  const [tenant] = tenants;
  const [entity] = entities;
  if (tenants.length === 1 && entities.length === 1 && tenant !== undefined && entity)
    return { tenant, entity };
  throw usageError(
    'adoption_selection',
    `a collection is adopted for one tenant's entity, and ${counted(tenants.length, 'tenant')} and ${counted(entities.length, 'entity', 'entities')} are selected`,
    'add --tenant <id> and --entity <name>, each once',
  );
}

function toJson({ sample, counts, rowsLeft }: AdoptionResult) {
  return {
    sample: { compared: sample.compared, agreed: sample.agreed, tokens: sample.tokens },
    points: counts.points,
    copied: counts.copied,
    pointsWithoutRow: counts.withoutRow,
    duplicatePoints: counts.duplicates,
    unfitPoints: counts.unfit,
    disagreeingPoints: counts.disagreeing,
    rowsLeft,
  };
}

function resultLines(
  { sample, counts, rowsLeft }: AdoptionResult,
  { adopted, collection, dryRun }: { adopted: string; collection: string; dryRun: boolean },
): string[] {
  const would = dryRun ? 'would be ' : '';
  const lines = [
    `${sample.agreed} of ${counted(sample.compared, 'sampled row')} have the vector that the provider makes now`,
    `${counted(counts.copied, 'row')} ${would}copied from ${adopted} to ${collection}`,
  ];
  const add = (count: number, what: string) => {
    if (count > 0)
      lines.push(`${counted(count, 'point')} ${dryRun ? 'would not be' : 'not'} copied: ${what}`);
  };
  add(counts.withoutRow, 'no row has their key');
  add(counts.duplicates ?? 0, 'their row has another point');
  add(counts.unfit, "their row's text is empty, or more than one chunk, or the vector is of no use");
  add(counts.disagreeing, 'their vector is not the one that the provider makes now');
  const left = `${counted(rowsLeft, 'row')} without a point: \`vecpipe vectorize\` embeds those that have a text`;
  return [...lines, counts.duplicates === null && dryRun ? `at least ${left}` : left];
}
