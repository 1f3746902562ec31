import { existsSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

const SCHEMA_IN_PACKAGE = join('node_modules', 'vecpipe', 'schema', 'vecpipe.config.schema.json');

export interface StarterChoices {
  /** Path or URL of the JSON Schema for editors, as `findConfigSchema` gives it; null leaves the line out. */
  schema: string | null;
}

/**
 * Where an editor finds the JSON Schema from a config file in `folder`: in the nearest `node_modules` that has
 * vecpipe, as a relative path with `/`; null when it is not installed there, such as with a global installation,
 * whose place differs between the machines that share the file.
 */
export function findConfigSchema(folder: string): string | null {
  for (let place = folder; ; place = dirname(place)) {
    const schema = join(place, SCHEMA_IN_PACKAGE);
    if (existsSync(schema)) {
      const path = relative(folder, schema).replaceAll(sep, '/');
      return path.startsWith('.') ? path : `./${path}`;
    }
    if (dirname(place) === place) return null;
  }
}

/**
 * The config file that `vecpipe init` writes. It says the same as no file at all; lines that begin with `# ` are
 * examples that are valid together once the `# ` is taken off, lines that begin with `##` explain.
 */
export function starterConfig({ schema }: StarterChoices): string {
  const modeline = schema === null ? '' : `# yaml-language-server: $schema=${schema}\n`;
  return modeline + STARTER;
}

const STARTER = `## Configuration of vecpipe. Everything here has a default: an empty file works too.
## Lines with ## explain. Take the leading "# " off a line with a single # to use it.
## Flags win over environment variables, those over this file. Every key: docs/configuration.md

## Folder of the embedded database, relative to this file. VECPIPE_HOME wins over it.
# home: .vecpipe

## A Postgres server. Without one, an embedded Postgres in the home folder is used.
## Keep passwords out of this file: set DATABASE_URL instead, which wins over this.
# database:
#   url: postgres://localhost:5432/app

## A Qdrant server. Without one, vectors live in the same database, in pgvector.
## QDRANT_URL wins over this; the API key is read from QDRANT_API_KEY.
# store:
#   kind: qdrant
#   url: http://localhost:6333

## Ways of turning text into vectors. "static", the model that ships with vecpipe, is always there.
# providers:
##  Any endpoint that speaks the OpenAI protocol. The key is read from the variable OPENAI_API_KEY.
#   gateway:
#     kind: gateway
#     baseURL: https://api.openai.com/v1
#     model: text-embedding-3-small
#     dimensions: 1536
#     pricePerMillionTokens: 0.02
##  A transformers model on this machine, downloaded once. Or a folder: model: ./models/mine
#   local:
#     kind: local
#     model: Xenova/all-MiniLM-L6-v2

## The tenants that are served, each with its provider. Without this there is one tenant, 1.
# tenants:
#   "1":
#     provider: static
#   acme:
#     provider: gateway

## The kinds of rows to vectorize. projects, wits (work item types) and statuses are ready-made: their tables are
## made by vecpipe and filled by "vecpipe sync --from". Only what is named here is used; a ready-made entity
## changes by what you give (text, payload, label, chunk, collection).
entities:
  projects: {}
  wits: {}
  statuses: {}

  ## Any table or view of yours.
  # tickets:
  #   table: public.tickets
  ##  What tells rows apart within a tenant: one column, or a list.
  #   key: id
  ##  The column with the tenant. Without it, every row belongs to the one tenant.
  #   tenant: tenant_id
  ##  What a person calls a row. Without it, the key.
  #   label: number
  ##  The text to embed, in Liquid.
  #   text: "{{ title }}\\n{{ body }}"
  ##  Columns to copy to the points, for filters and for display.
  #   payload: [number, title, url]
  ##  Splits long texts into several points. Without it, one point a row.
  #   chunk: { maxTokens: 256, overlap: 32 }
  ##  Name under which readers find the points. Without {tenant}, all tenants share one collection.
  #   collection: "client_{tenant}_{entity}"

  ## Or a query of your own: one SELECT.
  # notes:
  #   query: select id, tenant_id, body from notes where not archived
  #   tenant: tenant_id
  #   text: "{{ body }}"

## How long a worker holds a batch without renewing its lease.
# lease:
#   seconds: 60
`;
