import type { Config, DatabaseConfig, StoreConfig } from '../config/config.ts';
import { loadConfig } from '../config/load-config.ts';
import { latestVersion, migrate, schemaVersion } from '../db/migrate.ts';
import { openDatabase } from '../db/open-database.ts';
import { reconnectingDatabase } from '../db/reconnecting-database.ts';
import type { Entity } from '../entities/entity.ts';
import { usageError } from '../errors/vecpipe-error.ts';
import type { WaitOptions } from '../lifetime/outage.ts';
import type { Scope } from '../lifetime/scope.ts';
import type { Database } from '../ports/database.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import type { ProviderRoute } from '../providers/router/provider-route.ts';
import { shareLimits } from '../providers/share-limits.ts';
import { ProviderRouter } from '../providers/router/provider-router.ts';
import { onlyLooks } from '../runs/looking-commands.ts';
import { canRecordRuns, recordRunEnd, recordRunStart } from '../runs/record-run.ts';
import { startHeartbeat } from '../runs/run-heartbeat.ts';
import { openStore } from '../stores/open-store.ts';
import { reconnectingStore } from '../stores/reconnecting-store.ts';
import { configRequest } from './config-request.ts';
import type { CommandContext } from './run-command.ts';
import { refuseForeignTenants, routeOf, selectEntities, selectTenants } from './select.ts';

/** What the flags select, with the database open. Everything opened belongs to the command's scope. */
export interface Session {
  config: Config;
  database: Database;
  tenants: string[];
  entities: Entity[];
  /** Opened at the first call. */
  store(): Promise<VectorStore>;
  /** How the tenant's entity is embedded, opened at the first call; equal routes are the same. */
  route(tenant: string, entity: string): Promise<ProviderRoute>;
  /** A provider of the config by its name, without a fallback, opened at the first call. */
  provider(name: string): Promise<ProviderRoute>;
}

export interface SessionOptions {
  /** Connections to a Postgres server at the most. */
  maxConnections?: number;
  /** Start opening the tenants' providers while the database opens. */
  usesProviders?: boolean;
  /** For a worker: the run that started it, and how many processes share the machine's cores. */
  parent?: { runId: string; processes: number };
  /** How services that were opened and then go away are waited for; left out: not at all. */
  wait?: WaitOptions;
}

/** Loads the config, checks what the flags select, opens the database and brings its tables up to date. */
export async function openSession(
  context: CommandContext<object>,
  { maxConnections = 4, usesProviders = false, wait, parent }: SessionOptions = {},
): Promise<Session> {
  const { options, io, scope, report } = context;
  const signal = io.stop.stop;
  const config = await loadConfig(configRequest(context));
  const tenants = selectTenants(config, options);
  const entities = selectEntities(config, options);
  refuseForeignTenants(config, tenants, entities);
  const command = `vecpipe ${context.command}`;

  const router = scope.use(
    'the providers',
    new ProviderRouter({ providers: shareLimits(config.providers, parent?.processes ?? 1), report, wait }),
  );
  const route = (tenant: string, entity: string) => router.route(routeOf(config, tenant, entity), { signal });

  report({ type: 'step', message: 'Opening the database' });
  const openingDatabase = own(
    scope,
    'the database',
    openDatabase(config.database, { maxConnections, command, signal }).then((database) =>
      wait && database.kind === 'postgres' ? reconnectingDatabase(database, wait) : database,
    ),
  );
  // Most of opening the database is waiting. A provider that fails says so to whoever asks for it later.
  if (usesProviders) {
    for (const tenant of tenants) for (const { name } of entities) route(tenant, name).catch(() => {});
  }
  const database = await openingDatabase;
  await prepareSchema(database, config.database, { dryRun: options.dryRun ?? false, signal });
  if (!options.dryRun) await recordThisRun(context, database, { tenants, entities, parentId: parent?.runId });

  let store: Promise<VectorStore> | undefined;
  return {
    config,
    database,
    tenants,
    entities,
    route,
    provider: (name) => router.route({ provider: name, fallback: null }, { signal }),
    store() {
      store ??= own(scope, 'the vector store', openWaitingStore(config.store, database, { signal, wait }));
      return store;
    },
  };
}

/** Gives what is being opened to the scope at once, so that it is closed even when the run ends before it is open. */
function own<Resource extends AsyncDisposable>(
  scope: Scope,
  name: string,
  opening: Promise<Resource>,
): Promise<Resource> {
  scope.defer(name, async () => {
    const opened = await opening.catch(() => null);
    await opened?.[Symbol.asyncDispose]();
  });
  return opening;
}

/** Vectors in the database itself wait as it does. */
async function openWaitingStore(
  config: StoreConfig,
  database: Database,
  { signal, wait }: { signal: AbortSignal; wait: WaitOptions | undefined },
): Promise<VectorStore> {
  const store = await openStore(config, database, { signal, retries: wait ? 'few' : 'many' });
  return wait && config.kind === 'qdrant' ? reconnectingStore(store, wait) : store;
}

/** A dry run changes nothing in a server; the embedded database is vecpipe's own. */
async function prepareSchema(
  database: Database,
  config: DatabaseConfig,
  { dryRun, signal }: { dryRun: boolean; signal: AbortSignal },
): Promise<void> {
  if (!dryRun || config.kind === 'pglite') {
    await migrate(database, { signal });
    return;
  }
  if (((await schemaVersion(database, { signal })) ?? 0) >= (await latestVersion())) return;
  throw usageError(
    'schema_outdated',
    `the database at ${database.location} does not have this version's vecpipe tables yet, and --dry-run makes none`,
    'run `vecpipe init` once, or leave --dry-run out',
  );
}

/**
 * Leaves a row in vecpipe.runs that says how the run ended once it has. Where nothing can be written, a command that
 * only looks does so without one.
 */
async function recordThisRun(
  context: CommandContext<object>,
  database: Database,
  work: { tenants: readonly string[]; entities: readonly Entity[]; parentId: string | undefined },
): Promise<void> {
  const { runId, command, scope } = context;
  const { tenants, parentId } = work;
  const entities = work.entities.map((entity) => entity.name);
  const run = { id: runId, command, tenants, entities, ...(parentId !== undefined && { parentId }) };
  const isLook = onlyLooks(command);
  const signal = context.io.stop.stop;
  const record = async () => {
    if (isLook && !(await canRecordRuns(database, { signal }))) return false;
    // Not to be stopped: what was begun is to be known, so that its end is recorded too.
    await recordRunStart(database, run);
    return true;
  };
  const isRecorded = await record().catch((error: unknown) => {
    if (!isLook || signal.aborted) throw error;
    return false;
  });
  if (!isRecorded) return;
  scope.use("the run's signs of life", startHeartbeat(database, runId));
  context.beforeEnd(async ({ exitCode, result, error }) => {
    const counts: Record<string, number> = {};
    for (const entity of result.entities ?? []) {
      for (const [name, value] of Object.entries(entity)) {
        if (typeof value === 'number' && name !== 'generation') counts[name] = (counts[name] ?? 0) + value;
      }
    }
    await recordRunEnd(database, runId, { exitCode, counts, error: error?.message ?? null }).catch(
      (failure: unknown) => {
        if (!isLook) throw failure;
      },
    );
  });
}
