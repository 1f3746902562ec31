import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configJsonSchema } from './schema.ts';

const FILE = new URL('../../schema/vecpipe.config.schema.json', import.meta.url);

interface JsonSchema {
  description?: string;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | false;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
}

describe('schema/vecpipe.config.schema.json', () => {
  it('is what the schema gives', () => {
    const written = existsSync(FILE) ? readFileSync(FILE, 'utf8') : '';
    expect(written, 'regenerate it with: npx jiti scripts/make-config-schema.ts').toBe(configJsonSchema());
  });

  it('describes every key and allows no other', () => {
    const undescribed: string[] = [];
    const open: string[] = [];
    const visit = (schema: JsonSchema, path: string): void => {
      if (schema.properties && schema.additionalProperties !== false) open.push(path);
      for (const [key, property] of Object.entries(schema.properties ?? {})) {
        const described = [property, ...(property.anyOf ?? [])].some(
          ({ description }) => description !== undefined,
        );
        if (!described) undescribed.push(`${path}.${key}`);
        visit(property, `${path}.${key}`);
      }
      if (schema.additionalProperties) visit(schema.additionalProperties, `${path}.*`);
      for (const member of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) visit(member, path);
    };
    visit(JSON.parse(configJsonSchema()) as JsonSchema, '$');
    expect(undescribed).toEqual([]);
    expect(open).toEqual([]);
  });
});
