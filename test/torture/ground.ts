import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grantCredits } from '../../src/credits/grant-credits.ts';
import { migrate } from '../../src/db/migrate.ts';
import { openPostgresDatabase } from '../../src/db/postgres/postgres-database.ts';
import { quoteIdentifier } from '../../src/db/quote.ts';
import type { Database } from '../../src/ports/database.ts';
import type { VectorStore } from '../../src/ports/vector-store.ts';
import { openStore } from '../../src/stores/open-store.ts';
import { openGatewayServer } from '../helpers/gateway-server.ts';
import type { GatewayServer } from '../helpers/gateway-server.ts';
import { RowsTable } from './rows-table.ts';
import { VecpipeProcess } from './vecpipe-process.ts';

export type StoreKind = 'qdrant' | 'pgvector';

export const DIMENSIONS = 16;

export interface GroundOptions {
  store: StoreKind;
  rows: number;
  /** Credits that the tenant is granted. */
  credits: number;
  /** Texts a request at the most. */
  inputs: number;
  /** Requests of one process under way at once at the most. */
  requests: number;
  /** A request that takes longer has failed. */
  timeoutSeconds: number;
}

/** Servers that the processes reach, where these are not those that the ground itself uses. */
export interface Addresses {
  databaseUrl: string;
  qdrantUrl: string | null;
  gatewayUrl: string;
}

/** A database of its own with a user's table, a tenant with credits, a priced gateway and a folder with a config. */
export interface Ground extends AsyncDisposable {
  readonly tenant: string;
  readonly collection: string;
  readonly database: Database;
  readonly store: VectorStore;
  readonly gateway: GatewayServer;
  readonly table: RowsTable;
  readonly addresses: Addresses;
  /** Starts the built program for the tenant. @param apiKey what the gateway is to know the process by */
  start(args: readonly string[], apiKey?: string): VecpipeProcess;
  /** Has processes that are started from now on reach the servers under other addresses, such as a proxy's. */
  redirect(addresses: Partial<Addresses>): Promise<void>;
}

/** Null where the environment names no servers: then there is nothing to torture. */
export function missingServers(store: StoreKind): string | null {
  const needed = store === 'qdrant' ? ['TEST_DATABASE_URL', 'TEST_QDRANT_URL'] : ['TEST_PGVECTOR_URL'];
  const missing = needed.filter((name) => !process.env[name]);
  return missing.length === 0 ? null : `${missing.join(' and ')} are not set`;
}

export async function openGround(options: GroundOptions): Promise<Ground> {
  const isQdrant = options.store === 'qdrant';
  const serverUrl = process.env[isQdrant ? 'TEST_DATABASE_URL' : 'TEST_PGVECTOR_URL'] ?? '';
  const name = `vecpipe_torture_${randomBytes(6).toString('hex')}`;
  const tenant = `t${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, `create database ${quoteIdentifier(name)} template template0`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const qdrantUrl = isQdrant ? (process.env['TEST_QDRANT_URL'] ?? '') : null;

  const database = await openPostgresDatabase({ url: url.href, maxConnections: 4 });
  await migrate(database);
  const store = await openStore(
    qdrantUrl === null
      ? { kind: 'pgvector', origin: 'default' }
      : { kind: 'qdrant', url: qdrantUrl, apiKey: null, origin: 'environment' },
    database,
  );
  const gateway = await openGatewayServer({ dimensions: DIMENSIONS });
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-torture-'));
  const table = new RowsTable(database);
  await table.create(options.rows);
  let addresses: Addresses = { databaseUrl: url.href, qdrantUrl, gatewayUrl: gateway.url };
  const collection = `client_${tenant}_articles`;
  const writeConfig = () =>
    writeFile(join(folder, 'vecpipe.config.yaml'), configOf(tenant, addresses.gatewayUrl, options));
  await writeConfig();

  const ground: Ground = {
    tenant,
    collection,
    database,
    store,
    gateway,
    table,
    get addresses() {
      return addresses;
    },
    start: (args, apiKey = 'key') =>
      new VecpipeProcess([...args, '--tenant', tenant], folder, {
        DATABASE_URL: addresses.databaseUrl,
        ...(addresses.qdrantUrl !== null && { QDRANT_URL: addresses.qdrantUrl }),
        VECPIPE_HOME: folder,
        GATEWAY_KEY: apiKey,
      }),
    redirect: async (changed) => {
      addresses = { ...addresses, ...changed };
      await writeConfig();
    },
    [Symbol.asyncDispose]: async () => {
      const physical = await store.resolveAlias(collection).catch(() => null);
      if (isQdrant && physical !== null) await store.deleteCollection(physical);
      await store[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await onServer(serverUrl, `drop database ${quoteIdentifier(name)} with (force)`);
      await rm(folder, { recursive: true, force: true });
    },
  };
  const grant = { tenants: [tenant], amount: options.credits, reason: 'torture', key: null };
  await grantCredits(database, grant);
  return ground;
}

function configOf(
  tenant: string,
  gatewayUrl: string,
  { inputs, requests, timeoutSeconds }: GroundOptions,
): string {
  return `providers:
  gateway:
    kind: gateway
    baseURL: ${gatewayUrl}
    apiKeyEnv: GATEWAY_KEY
    model: priced
    dimensions: ${DIMENSIONS}
    maxInputs: ${inputs}
    maxConcurrency: ${requests}
    timeoutSeconds: ${timeoutSeconds}
    pricePerMillionTokens: 1
tenants:
  "${tenant}": { provider: gateway }
entities:
  articles:
    table: ${RowsTable.NAME}
    key: id
    text: "{{ body }}"
    payload: [body, tag]
`;
}

async function onServer(url: string, sql: string): Promise<void> {
  await using server = await openPostgresDatabase({ url, maxConnections: 1 });
  await server.query(sql);
}
