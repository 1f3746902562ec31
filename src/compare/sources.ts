import type { Entity } from '../entities/entity.ts';
import { usageError, VecpipeError } from '../errors/vecpipe-error.ts';
import type { CallOptions, Database } from '../ports/database.ts';
import { openRowSource } from '../sources/rows/open-row-source.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import type { TemplateChoice } from './template-choice.ts';
import type { Variant } from './variant.ts';

/**
 * Opens the entity's rows once for every template among the variants, without the columns that only a payload
 * needs.
 * @returns the source of a variant; variants of one template share it
 * @throws {VecpipeError} `usage` naming config entry or template when a column or the relation is missing
 */
export async function openSources(
  database: Database,
  entity: Entity,
  tenant: string,
  variants: readonly Variant[],
  options: CallOptions,
): Promise<(variant: Variant) => RowSource> {
  const sources = new Map<string, RowSource>();
  for (const { template } of variants) {
    if (sources.has(template.name)) continue;
    const text = template.text ?? entity.text;
    const source = await openRowSource(database, { ...entity, text, payload: [] }, tenant, options).catch(
      (error: unknown) => {
        throw describe(error, entity, template);
      },
    );
    sources.set(template.name, source);
  }
  return ({ template }) => {
    const source = sources.get(template.name);
    if (!source) throw new Error(`a variant of an unknown template`);
    return source;
  };
}

/** A missing column is said to be missing in the config, where this template does not come from. */
function describe(error: unknown, { name }: Entity, template: TemplateChoice): unknown {
  if (!(error instanceof VecpipeError) || error.code !== 'column_missing' || template.text === null)
    return error;
  const message = error.message.replace(`entities.${name}.text`, `--template ${template.name}`);
  return usageError('column_missing', message, error.hint, error);
}
