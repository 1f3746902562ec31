/**
 * Ends every insert into the queue (alias `q`) that carries a row hash. The same content queued twice is one
 * piece of work and does not disturb whoever holds it; new content bumps the version and ends a failure's rest.
 */
export const ON_QUEUED_ALREADY = `
  on conflict (tenant, entity, building, key) do update set
    version = q.version + 1,
    operation = excluded.operation,
    row_hash = excluded.row_hash,
    attempts = 0,
    failures = 0,
    available_at = now(),
    error_code = null,
    error = null
  where q.operation <> excluded.operation or q.row_hash is distinct from excluded.row_hash`;
