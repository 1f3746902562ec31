import { collectionName } from '../../entities/entity.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import { explainRow } from '../../pipeline/explain-row.ts';
import type { RowExplanation } from '../../pipeline/explain-row.ts';
import { openRowSource } from '../../sources/rows/open-row-source.ts';
import type { Main } from '../run-command.ts';
import { openSession } from '../session.ts';

/** Looks the key up in every selected entity and shows what is known of it. Changes nothing. */
export const explainMain: Main<object> = async (context) => {
  const signal = context.io.stop.stop;
  const key = context.args[0] ?? '';
  const session = await openSession(context, { usesProviders: true });
  const { database, tenants, entities } = session;
  const store = await session.store();
  const found: RowExplanation[] = [];
  for (const tenant of tenants) {
    for (const entity of entities) {
      const provider = await session.route(tenant, entity.name);
      const source = await openRowSource(database, entity, tenant, { signal });
      const collection = collectionName(entity, tenant);
      const explanation = await explainRow(database, store, provider, source, collection, key, { signal });
      if (explanation) found.push(explanation);
    }
  }
  if (found.length === 0) {
    const names = entities.map((entity) => entity.name).join(', ');
    throw usageError(
      'key_unknown',
      `no row, record of storage or queue entry has the key ${key} in ${names}`,
      'give the key and not the label; the parts of a key of several columns are joined by /',
    );
  }
  return { text: found.map((each) => describe(each)).join('\n\n'), json: { rows: found } };
};

function describe(found: RowExplanation): string {
  const lines = [`${found.entity} ${found.key} of tenant ${found.tenant} (${found.collection})`];
  const add = (name: string, value: string) => lines.push(`  ${name.padEnd(9)} ${value}`);
  const { row, state, queue, storedPoints } = found;
  if (row) {
    add('label', row.label);
    add(
      'text',
      row.text === '' ? '(empty: the row has no point)' : row.text.replaceAll('\n', `\n${' '.repeat(12)}`),
    );
    add('tokens', `${row.tokens} in ${row.chunks.length} ${row.chunks.length === 1 ? 'chunk' : 'chunks'}`);
    add('hash', row.textHash);
    add('payload', JSON.stringify(row.payload));
    for (const { pointId } of row.chunks) {
      add('point', `${pointId} ${storedPoints.includes(pointId) ? '(stored)' : '(not in the store)'}`);
    }
  } else {
    add('row', found.problem ?? 'not in the source any more');
  }
  add('state', stateLine(found));
  add('queue', queue === null ? 'nothing to do' : queueLine(queue));
  if (state && row && state.chunks > row.chunks.length)
    add('surplus', `${state.chunks - row.chunks.length} chunks`);
  return lines.join('\n');
}

function stateLine({ row, state }: RowExplanation): string {
  if (!state) return 'never stored';
  const when = `stored ${state.storedAt.toISOString()}`;
  if (!row) return when;
  return `${when}, ${state.textHash === row.textHash ? 'text unchanged since' : 'text changed since'}`;
}

function nextTry(at: Date | null): string {
  return at === null ? 'rests until it changes or --retry-failed' : `tried again from ${at.toISOString()} on`;
}

function queueLine(queue: NonNullable<RowExplanation['queue']>): string {
  const state = queue.failed
    ? `failed: ${queue.error ?? ''} (${queue.code ?? ''}), ${nextTry(queue.nextTryAt)}`
    : queue.leased
      ? 'leased by a worker'
      : 'waiting';
  return `${queue.operation}, version ${queue.version}, attempts ${queue.attempts}, ${state}`;
}
