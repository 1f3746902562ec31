import type { Config } from '../config/config.ts';
import { collectionName } from '../entities/entity.ts';
import { openRowSource } from '../sources/rows/open-row-source.ts';
import type { Unit, UnitSource } from '../verify/unit.ts';
import type { Session } from './session.ts';

/** The selected tenants and entities by the collections that their points are in. */
export function verifyUnits({ config, database, tenants, entities }: Session): Unit[] {
  return entities.flatMap((entity) => {
    const byCollection = new Map<string, string[]>();
    for (const tenant of tenants) {
      const collection = collectionName(entity, tenant);
      byCollection.set(collection, [...(byCollection.get(collection) ?? []), tenant]);
    }
    return [...byCollection].map(([collection, selected]): Unit => {
      const sharing = tenantsOf(config, (tenant) => collectionName(entity, tenant) === collection);
      return {
        collection,
        entity: entity.name,
        isWhole: !isShared(entity.collection) || sharing.every((tenant) => selected.includes(tenant)),
        sources: selected.map((tenant): UnitSource => ({
          tenant,
          open: (template, options) =>
            openRowSource(
              database,
              template === null ? entity : { ...entity, text: template },
              tenant,
              options,
            ),
        })),
      };
    });
  });
}

function tenantsOf(config: Config, isWanted: (tenant: string) => boolean): string[] {
  return [...config.tenants.keys()].filter((tenant) => isWanted(tenant));
}

function isShared(collection: string): boolean {
  return !collection.includes('{tenant}');
}
