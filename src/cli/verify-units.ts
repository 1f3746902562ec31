import { openRowSource } from '../sources/rows/open-row-source.ts';
import type { Unit, UnitSource } from '../verify/unit.ts';
import { groupByCollection } from './collection-groups.ts';
import type { Session } from './session.ts';

/** The selected tenants and entities by the collections that their points are in. */
export function verifyUnits(session: Session): Unit[] {
  const { database } = session;
  return groupByCollection(session).map(({ collection, entity, tenants, missing }) => ({
    collection,
    entity: entity.name,
    isWhole: missing.length === 0,
    sources: tenants.map((tenant): UnitSource => ({
      tenant,
      open: (template, options) =>
        openRowSource(database, template === null ? entity : { ...entity, text: template }, tenant, options),
    })),
  }));
}
