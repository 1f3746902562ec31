import { collectionName } from '../../entities/entity.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import { searchRows } from '../../pipeline/search-rows.ts';
import type { FoundRow, SearchTarget } from '../../pipeline/search-rows.ts';
import type { PointFilter } from '../../ports/vector-store.ts';
import type { Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import { oneLine, renderTable } from '../table.ts';
import type { SearchFlags } from './search.ts';

const LIMIT = 10;

/** Embeds the text with each tenant's provider and shows the nearest rows. */
export const searchMain: Main<SearchFlags> = async (context) => {
  const { args, options, io } = context;
  const filter = (options.filter ?? []).map((text) => parseFilter(text));
  const text = args.join(' ').trim();
  if (text === '')
    throw usageError('query_empty', 'the search text is empty', 'write what to look for in quotes');
  const session = await openSession(context, { usesProviders: true });
  const store = await session.store();
  const targets: SearchTarget[] = [];
  for (const tenant of session.tenants) {
    for (const entity of session.entities) {
      const provider = await session.route(tenant, entity.name);
      targets.push({ tenant, entity: entity.name, collection: collectionName(entity, tenant), provider });
    }
  }
  const rows = await searchRows(session.database, store, targets, text, {
    limit: options.limit ?? LIMIT,
    filter,
    signal: io.stop.stop,
  });
  return { text: renderFound(rows), json: { results: rows.map((row, index) => toJson(row, index + 1)) } };
};

/** `key=value`; a value that reads like a number or a truth value matches both that and the text. */
export function parseFilter(text: string): PointFilter['must'][number] {
  const split = text.indexOf('=');
  if (split < 1) throw usageError('filter_invalid', `--filter ${text} is not of the form key=value`);
  const value = text.slice(split + 1);
  const anyOf: (string | number | boolean)[] = [value];
  if (value.trim() !== '' && Number.isFinite(Number(value))) anyOf.push(Number(value));
  if (value === 'true' || value === 'false') anyOf.push(value === 'true');
  return { field: text.slice(0, split), anyOf };
}

export function renderFound(rows: readonly FoundRow[]): string {
  if (rows.length === 0) return 'Nothing found.';
  return renderTable(
    ['#', 'score', 'entity', 'label', 'payload'],
    rows.map((row, index) => [
      index + 1,
      row.score.toFixed(3),
      row.entity,
      oneLine(row.point.payload.vecpipe.label, 40),
      payloadLine(row),
    ]),
  );
}

function payloadLine({ point }: FoundRow): string {
  const { vecpipe, ...fields } = point.payload;
  return Object.values(fields)
    .filter((value) => value !== null && value !== '' && value !== vecpipe.label)
    .map((value) => oneLine(value, 60))
    .join(' | ');
}

function toJson({ tenant, entity, score, point }: FoundRow, rank: number) {
  const { vecpipe, ...payload } = point.payload;
  return {
    rank,
    score,
    tenant,
    entity,
    key: vecpipe.key,
    label: vecpipe.label,
    chunk: vecpipe.chunk,
    payload,
  };
}
