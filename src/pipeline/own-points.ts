import type { PointFilter } from '../ports/vector-store.ts';

/** The points of one tenant's entity; no read of a collection goes without it, shared or not. */
export function ownPoints(tenant: string, entity: string, more: PointFilter['must'] = []): PointFilter {
  return {
    must: [
      { field: 'vecpipe.tenant', anyOf: [tenant] },
      { field: 'vecpipe.entity', anyOf: [entity] },
      ...more,
    ],
  };
}
