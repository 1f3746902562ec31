import { quoteIdentifier, quoteLiteral } from '../db/quote.ts';
import { ON_QUEUED_ALREADY } from '../queue/enqueue-sql.ts';
import type { RowSource } from '../sources/rows/row-source.ts';

/** What the transition tables are called in the triggers. */
export const OLD_ROWS = 'vecpipe_old_rows';
export const NEW_ROWS = 'vecpipe_new_rows';

/**
 * The statement that queues what a statement has changed, from the rows as they were and as they are, by key: rows
 * of which the hash, the key or the tenant is another one, in the order in which all writers lock queue rows. A row
 * that is marked as deleted counts as not there. Keys and tenants that are null are passed over, and so is a second
 * row of the same key, which must not make the statement fail.
 */
export function queueChangesSql(
  source: RowSource,
  { before, after }: { before: boolean; after: boolean },
): string {
  const entity = quoteLiteral(source.entity.name);
  const changes = changed(source, before, after);
  const insert = `insert into vecpipe.queue as q (tenant, entity, key, operation, row_hash)
    select tenant, ${entity}, key, operation, row_hash from (${changes}) changed
    order by tenant, key
    ${ON_QUEUED_ALREADY};`;
  // An insert of no row would wake whoever waits for work, and updates that touch nothing used are frequent.
  return before && after ? `if exists (select from (${changes}) changed) then ${insert} end if;` : insert;
}

function changed(source: RowSource, before: boolean, after: boolean): string {
  if (!before)
    return `select tenant, key, 'upsert' as operation, hash as row_hash from (${rows(source, NEW_ROWS)}) n`;
  if (!after)
    return `select tenant, key, 'delete' as operation, null::bytea as row_hash from (${rows(source, OLD_ROWS)}) o`;
  return `select coalesce(n.tenant, o.tenant) as tenant, coalesce(n.key, o.key) as key,
      case when n.key is null then 'delete' else 'upsert' end as operation, n.hash as row_hash
    from (${rows(source, NEW_ROWS)}) n
    full join (${rows(source, OLD_ROWS)}) o on o.tenant = n.tenant and o.key = n.key
    where n.hash is distinct from o.hash`;
}

function rows(source: RowSource, table: string): string {
  return `select distinct on (tenant, key) tenant, key, hash from (
      select (${tenantSql(source)}) collate "C" as tenant, (${source.keySql}) collate "C" as key,
        ${source.hashSql} as hash
      from ${table} s where ${source.presentSql}
    ) r where tenant is not null and key is not null order by tenant, key`;
}

/** Without a tenant column all rows belong to the one tenant of the config. */
function tenantSql({ entity, tenant }: RowSource): string {
  return entity.tenantColumn === null
    ? `${quoteLiteral(tenant)}::text`
    : `s.${quoteIdentifier(entity.tenantColumn)}::text`;
}
