import { z } from 'zod';
import { NAME_PATTERN, NAME_RULE } from './names.ts';
import { confidentialText, environmentVariable } from './schema-parts.ts';
import { rawProviderSchema } from './provider-schema.ts';

/** `setTimeout` and Postgres take more; a lease this long is a mistake of units. */
const MAX_LEASE_SECONDS = 86_400;

const name = z.string().regex(NAME_PATTERN, { error: `must be ${NAME_RULE}` });
const column = z.string().min(1);

const database = z
  .strictObject({
    url: confidentialText
      .optional()
      .describe(
        'postgres://user@host:5432/database of the Postgres server. Keep passwords out of files: set the environment variable DATABASE_URL instead, which wins over this.',
      ),
  })
  .describe('Where entity rows, queue and state live. Left out: an embedded Postgres in the home folder.');

const qdrantStore = z
  .strictObject({
    kind: z.literal('qdrant').describe('A Qdrant server.'),
    url: confidentialText
      .optional()
      .describe('http://host:6333 of the server. The environment variable QDRANT_URL wins over this.'),
    apiKeyEnv: environmentVariable
      .optional()
      .describe('Name of the environment variable that holds the API key. Left out: QDRANT_API_KEY.'),
  })
  .describe('Vectors in a Qdrant server.');

const pgvectorStore = z
  .strictObject({
    kind: z.literal('pgvector').describe('Tables of the same Postgres database.'),
  })
  .describe('Vectors in the same Postgres database.');

const store = z
  .discriminatedUnion('kind', [qdrantStore, pgvectorStore])
  .describe('Where the vectors live. Left out: pgvector in the same database.');

const routeFields = {
  provider: z
    .string()
    .min(1)
    .optional()
    .describe('Name of the provider that embeds: one of `providers`, or static (the default).'),
  fallback: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Name of the provider that steps in while the other is down. Both must name the same modelId and dimensions.',
    ),
};

const tenant = z
  .strictObject({
    ...routeFields,
    entities: z
      .record(name, z.strictObject(routeFields).describe('Providers for this entity alone.'))
      .optional()
      .describe("Entities of this tenant that other providers embed than the tenant's own, by name."),
  })
  .describe('One tenant; may be left empty.');

const chunk = z
  .strictObject({
    maxTokens: z.int().min(1).describe('Tokens a chunk at the most.'),
    overlap: z
      .int()
      .min(0)
      .optional()
      .describe('Tokens that the end of one chunk and the start of the next have in common. Left out: 0.'),
  })
  .describe('Splits long texts into several points. Left out: one point a row.');

const entity = z
  .strictObject({
    table: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Table or view to read, such as public.tickets. Parts without double quotes fold to lower case, as in SQL.',
      ),
    query: z.string().min(1).optional().describe('One SELECT (or WITH … SELECT) to read instead of a table.'),
    key: z
      .union([column, z.array(column).min(1)], { error: 'expected a column name or a list of column names' })
      .optional()
      .describe('Column, or list of columns, that tells rows apart within a tenant. Left out: id.'),
    tenant: column
      .optional()
      .describe(
        'Column with the tenant of a row. Left out: every row belongs to the one tenant of the config.',
      ),
    deleted: column
      .optional()
      .describe(
        'Column that is set where a row counts as deleted: true, a number other than 0, or any value of another type, such as a time. Left out: a row is deleted when it is gone.',
      ),
    label: column.optional().describe('Column with what a person calls a row. Left out: the key.'),
    text: z
      .string()
      .regex(/\S/, { error: 'must not be empty' })
      .optional()
      .describe('Liquid template of the text to embed, such as "{{ title }}\\n{{ body }}".'),
    payload: z
      .array(column)
      .optional()
      .describe('Columns to copy to the points, for filters and for display.'),
    chunk: chunk.optional(),
    collection: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Name under which readers find the points, with {tenant} and {entity} filled in. Left out: client_{tenant}_{entity}. Without {tenant}, all tenants share one collection.',
      ),
  })
  .describe(
    'One kind of row. The ready-made projects, wits and statuses need nothing here and change only by what is given; any other needs text and one of table and query.',
  );

const lease = z
  .strictObject({
    seconds: z
      .number()
      .min(1)
      .max(MAX_LEASE_SECONDS)
      .optional()
      .describe('How long a worker holds a batch without renewing its lease. Left out: 60.'),
  })
  .describe('How work is shared among processes.');

/**
 * The config file as it is written. A section that is empty (YAML reads it as null) counts as left out. What one
 * key means for another is checked by `resolveConfig`.
 */
export const rawConfigSchema = z
  .strictObject({
    $schema: z.string().optional().describe('Path of this schema, for editors. No other effect.'),
    home: z
      .string()
      .min(1)
      .optional()
      .describe('Folder of the embedded database, relative to this file. Left out: .vecpipe.'),
    database: database.nullish(),
    store: store.nullish(),
    providers: z
      .record(name, rawProviderSchema)
      .nullish()
      .describe('Ways of turning text into vectors, by name.'),
    tenants: z
      .record(name, tenant.nullish())
      .nullish()
      .describe('The tenants that are served, by id. Left out: one tenant, 1.'),
    entities: z
      .record(name, entity.nullish())
      .nullish()
      .describe('The kinds of rows to vectorize, by name. Left out: projects, wits and statuses.'),
    lease: lease.nullish(),
  })
  .describe('Configuration of vecpipe. Everything has a default.');

export type RawConfig = z.output<typeof rawConfigSchema>;
export type RawEntity = NonNullable<NonNullable<RawConfig['entities']>[string]>;

/** The text of schema/vecpipe.config.schema.json, which editors read. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(rawConfigSchema, { target: 'draft-7', io: 'input' });
  return `${JSON.stringify({ ...schema, title: 'vecpipe.config' }, null, 2)}\n`;
}
