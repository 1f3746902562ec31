import { usageError } from '../errors/vecpipe-error.ts';
import { fingerprintOf } from '../pipeline/fingerprint.ts';
import type { TextEmbedder } from '../pipeline/text-embedder.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import type { CollectionGroup } from './collection-groups.ts';
import { openUnplaced } from './open-targets.ts';
import type { TargetOptions, UnplacedTarget } from './open-targets.ts';
import type { Session } from './session.ts';

/** A collection with all of its tenants, ready to be rebuilt. */
export interface ReindexGroup {
  collection: string;
  entity: string;
  targets: UnplacedTarget[];
}

/**
 * Refuses collections that are shared with a tenant that was not selected: they can only be replaced as a whole.
 * @throws {VecpipeError} `usage`
 */
export function refuseParts(groups: readonly CollectionGroup[]): void {
  const part = groups.find(({ missing }) => missing.length > 0);
  if (part) throw sharedCollection(part.collection, part.missing, 'add --all-tenants');
}

/**
 * Refuses to replace a collection that holds rows of tenants that the config does not know: they would be lost.
 * @throws {VecpipeError} `usage`
 */
export async function refuseOtherTenants(
  database: Database,
  generationId: number,
  { collection, tenants }: CollectionGroup,
  options: CallOptions = {},
): Promise<void> {
  const { rows } = await database.query<{ tenant: string }>(
    `select distinct tenant from vecpipe.vector_state where generation_id = $1 and tenant <> all ($2::text[])
    order by tenant limit 10`,
    [generationId, tenants],
    options,
  );
  if (rows.length === 0) return;
  const names = rows.map(({ tenant }) => tenant);
  throw sharedCollection(collection, names, 'add them to `tenants:`, or --yes if their rows are to go');
}

function sharedCollection(collection: string, tenants: readonly string[], hint: string) {
  return usageError(
    'collection_shared',
    `collection ${collection} also holds the rows of tenant ${tenants.join(', ')}, and can only be replaced as a whole`,
    hint,
  );
}

/**
 * Opens sources and providers of a group.
 * @throws {VecpipeError} `usage` when its tenants are embedded differently
 */
export async function openGroup(
  session: Session,
  { collection, entity, tenants }: CollectionGroup,
  options: TargetOptions,
): Promise<ReindexGroup> {
  const targets: UnplacedTarget[] = [];
  for (const tenant of tenants) {
    // Of one tenant alone: what its text costs is never paid by another's.
    const embedders: TextEmbedder[] = [];
    targets.push(await openUnplaced(session, entity, tenant, embedders, options));
  }
  const prints = new Set(targets.map(({ settings }) => fingerprintOf(settings)));
  if (prints.size > 1) {
    throw usageError(
      'collection_mixed',
      `the tenants ${tenants.join(', ')} share collection ${collection}, but their providers are not the same`,
      'give them one provider, or put {tenant} into `collection:`',
    );
  }
  return { collection, entity: entity.name, targets };
}
