import type { PointIdentity } from '../ports/vector-store.ts';

/** What a point says that it is, or null when it says nothing that can be relied on: anything may have written it. */
export function identityOf(payload: object): PointIdentity | null {
  const identity: unknown = 'vecpipe' in payload ? payload.vecpipe : null;
  if (typeof identity !== 'object' || identity === null) return null;
  const { tenant, entity, key, chunk, hash, fingerprint } = identity as Partial<PointIdentity>;
  const isWhole =
    typeof tenant === 'string' &&
    typeof entity === 'string' &&
    typeof key === 'string' &&
    typeof chunk === 'number' &&
    Number.isSafeInteger(chunk) &&
    chunk >= 0 &&
    typeof hash === 'string' &&
    typeof fingerprint === 'string' &&
    // No row can be called so, and Postgres cannot even be asked for one.
    !`${tenant}${entity}${key}`.includes('\0');
  return isWhole ? (identity as PointIdentity) : null;
}
