import type { z } from 'zod';
import { isSection } from './is-section.ts';
import type { ConfigPath } from './problem.ts';
import { rawConfigSchema } from './schema.ts';

/** The keys that the schema has at a path of the value. */
export function knownKeys(path: ConfigPath, whole: unknown): string[] {
  let schema: z.core.$ZodType | undefined = rawConfigSchema;
  let value = whole;
  for (const segment of path) {
    schema = memberOf(schema, value, segment);
    value = isSection(value) ? value[segment] : undefined;
  }
  const section = chooseSchema(schema, value);
  return section?._zod.def.type === 'object' ? Object.keys(shapeOf(section)) : [];
}

function memberOf(
  schema: z.core.$ZodType | undefined,
  value: unknown,
  segment: string | number,
): z.core.$ZodType | undefined {
  const section = chooseSchema(schema, value);
  if (section?._zod.def.type === 'object') return shapeOf(section)[segment];
  return section?._zod.def.type === 'record' ? (section as z.core.$ZodRecord)._zod.def.valueType : undefined;
}

/** Looks through optional and nullable, and chooses the member of a union by the value's `kind`. */
function chooseSchema(schema: z.core.$ZodType | undefined, value: unknown): z.core.$ZodType | undefined {
  const type = schema?._zod.def.type;
  if (type === 'optional' || type === 'nullable') {
    return chooseSchema((schema as z.core.$ZodOptional)._zod.def.innerType, value);
  }
  if (type !== 'union') return schema;
  const kind = isSection(value) ? value['kind'] : undefined;
  return (schema as z.core.$ZodUnion)._zod.def.options.find((option) => {
    const literal = shapeOf(option)['kind'];
    return literal?._zod.values?.has(kind as string) === true;
  });
}

function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> {
  return schema._zod.def.type === 'object' ? (schema as z.core.$ZodObject)._zod.def.shape : {};
}
