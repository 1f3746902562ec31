import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as OpenDatabase from '../src/db/open-database.ts';
import type { Database } from '../src/ports/database.ts';
import { built } from './built.ts';

const { openDatabase } = await built<typeof OpenDatabase>('db/open-database.js');

const CONFIG = `entities:
  items:
    table: public.items
    text: "{{ name }}\\n{{ body }}"
    payload: [name, price]
    collection: "COLLECTION_{tenant}_{entity}"
`;

/** The entity of that config. */
export const ITEMS = {
  name: 'items',
  relation: { kind: 'table', schema: 'public', name: 'items' },
  keyColumns: ['id'],
  tenantColumn: null,
  labelColumn: null,
  text: '{{ name }}\n{{ body }}',
  payload: ['name', 'price'],
  chunk: null,
  collection: 'unused',
  record: null,
} as const;

/** A folder with a config and a database with a table of generated rows; disposal removes both. */
export interface Workbench extends AsyncDisposable {
  folder: string;
  /** Prefix of the collections. */
  collection: string;
  environment: Record<string, string | undefined>;
  /** Opens the database for the time of `work`; an embedded one can be open in one process at a time. */
  withDatabase<Result>(work: (database: Database) => Promise<Result>): Promise<Result>;
}

/**
 * @param serverUrl a Postgres server on which a database may be made, or null for the embedded one
 * @param more lines for the end of the config
 */
export async function createWorkbench(
  rows: number,
  serverUrl: string | null,
  more: string = '',
): Promise<Workbench> {
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-bench-'));
  const name = `vecpipe_bench_${randomBytes(4).toString('hex')}`;
  const url = serverUrl === null ? null : Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
  if (serverUrl !== null) await onServer(serverUrl, `create database ${name}`);
  await writeFile(join(folder, 'vecpipe.config.yaml'), CONFIG.replace('COLLECTION', name) + more);

  const open = () =>
    openDatabase(
      url === null
        ? { kind: 'pglite', folder: join(folder, '.vecpipe', 'pgdata'), origin: 'default' }
        : { kind: 'postgres', url, origin: 'environment' },
      { maxConnections: 4 },
    );
  const withDatabase: Workbench['withDatabase'] = async (work) => {
    await using database = await open();
    return await work(database);
  };
  await withDatabase((database) => database.execute(fill(rows)));
  return {
    folder,
    collection: name,
    environment: url === null ? {} : { DATABASE_URL: url },
    withDatabase,
    async [Symbol.asyncDispose]() {
      if (serverUrl !== null) await onServer(serverUrl, `drop database ${name} with (force)`);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function onServer(url: string, statement: string): Promise<void> {
  await using server = await openDatabase(
    { kind: 'postgres', url, origin: 'environment' },
    { maxConnections: 1 },
  );
  await server.query(statement);
}

/** Rows of about 100 characters and 20 tokens, each text different. */
function fill(rows: number): string {
  return `
    create table public.items (id bigint primary key, name text, body text, price numeric);
    insert into public.items
    select i, 'item ' || i, (
      select string_agg(w, ' ') from (
        select (array['fast','library','parse','query','stream','vector','database','client','server','async','http',
          'json','tool','build','test','cloud','payment','user'])[1 + ((i * 7 + j * 13 + j * i) % 18)] as w
        from generate_series(1, 14) j
      ) words
    ), i * 1.5
    from generate_series(1, ${rows}) i;
    analyze public.items;`;
}
