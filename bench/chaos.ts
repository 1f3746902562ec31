/**
 * How fast a run goes on after its database was taken away. The database is a Postgres server of our own, the provider
 * an endpoint of 200 ms, so that the rate depends on the batches under way. Rows are counted as they are recorded. A
 * twin runs beside it on another server, undisturbed, and tells what else the machine did to the rate meanwhile.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type * as PostgresDatabase from '../src/db/postgres/postgres-database.ts';
import type { Database } from '../src/ports/database.ts';
import { startPostgresServer } from '../test/helpers/postgres-server.ts';
import type { PostgresServer } from '../test/helpers/postgres-server.ts';
import { built } from './built.ts';
import { startEndpoint } from './gateway.ts';
import { createWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

const BINARY = fileURLToPath(new URL('../bin/vecpipe.js', import.meta.url));
const ROWS = 9_000;
const BATCH = 8;
/** Rows after which a run has connections and compiled code as a long one has them. */
const WARM_ROWS = 1_000;
const WINDOW_MS = 8_000;
const AWAY_MS = 2_000;
const MAX_CONNECTIONS = 24;

export interface ChaosResult {
  event: string;
  /** Rows a second in a window before the event, and in one that begins with the first row after it. */
  before: number;
  after: number;
  ratio: number;
  /** After to before of the twin, in the same windows. */
  twinRatio: number;
  /** From the event to the first row that was recorded once it was over. */
  pauseSeconds: number;
}

/** Resolves when what it has done is undone. */
type Disturb = (server: PostgresServer, observer: Database) => Promise<void>;

const EVENTS: Record<string, Disturb> = {
  'Postgres is restarted': async (server) => {
    await server.stop('fast');
    await pause(AWAY_MS);
    await server.start();
  },
  'every backend is killed': async (_server, observer) => {
    await killBackends(observer);
  },
  'no connection is left': async (server, observer) => {
    const taken = await takeAllConnections(server.url, observer);
    await pause(AWAY_MS);
    for (const database of taken) await database[Symbol.asyncDispose]();
  },
  'Postgres crashes and recovers': async (server) => {
    await server.stop('immediate');
    await server.start();
  },
  'a backend dies, and all with it': async (server) => {
    await server.killOneBackend();
  },
  'every backend is killed ten times': async (_server, observer) => {
    for (let kill = 0; kill < 10; kill += 1) {
      await killBackends(observer);
      await pause(300);
    }
  },
};

/** @throws when a run does not end well, or not with every row stored once */
export async function benchChaos(
  qdrantUrl: string,
  dropCollections: (prefix: string) => Promise<void>,
): Promise<ChaosResult[]> {
  const results: ChaosResult[] = [];
  await using endpoint = await startEndpoint();
  await using twinServer = await startPostgresServer();
  for (const [event, disturb] of Object.entries(EVENTS)) {
    await using server = await startPostgresServer([`max_connections=${MAX_CONNECTIONS}`]);
    await using bench = await createWorkbench(ROWS, server.url, configFor(endpoint.url));
    await using twinBench = await createWorkbench(ROWS, twinServer.url, configFor(endpoint.url));
    try {
      results.push(await measure(event, disturb, server, bench, twinBench, qdrantUrl));
    } finally {
      for (const { collection } of [bench, twinBench]) await dropCollections(collection);
    }
  }
  return results;
}

async function measure(
  event: string,
  disturb: Disturb,
  server: PostgresServer,
  bench: Workbench,
  twinBench: Workbench,
  qdrantUrl: string,
): Promise<ChaosResult> {
  const { openPostgresDatabase } = await built<typeof PostgresDatabase>('db/postgres/postgres-database.js');
  await using observer = await openPostgresDatabase({ url: server.url, maxConnections: 1 });
  const run = startRun(bench, qdrantUrl);
  const twin = startRun(twinBench, qdrantUrl);
  await Promise.all([run.reached(WARM_ROWS), twin.reached(WARM_ROWS)]);
  await pause(WINDOW_MS);
  const disturbedAt = performance.now();
  await disturb(server, observer);
  const undoneAt = performance.now();
  const firstAt = await run.firstAfter(undoneAt);
  await pause(WINDOW_MS);
  const ratesOf = ({ rate }: Run) => ({
    before: rate(disturbedAt - WINDOW_MS, disturbedAt),
    after: rate(firstAt, firstAt + WINDOW_MS),
  });
  const own = ratesOf(run);
  const others = ratesOf(twin);
  for (const { exitCode, stored } of await Promise.all([run.ended, twin.ended])) {
    if (exitCode !== 0 || stored !== ROWS)
      throw new Error(`${event}: the run ended with ${exitCode} and ${stored} of ${ROWS} rows`);
  }
  return {
    event,
    ...own,
    ratio: own.after / own.before,
    twinRatio: others.after / others.before,
    pauseSeconds: (firstAt - disturbedAt) / 1000,
  };
}

interface Run {
  reached(rows: number): Promise<void>;
  /** When the first row was recorded after a moment. */
  firstAfter(moment: number): Promise<number>;
  rate(from: number, to: number): number;
  ended: Promise<{ exitCode: number | null; stored: number | undefined }>;
}

/** Watches a run by what it logs. */
function startRun({ folder, environment }: Workbench, qdrantUrl: string): Run {
  const child = spawn(
    process.execPath,
    [BINARY, 'vectorize', '--json', '--verbose', '--log-format', 'json', '--batch-size', String(BATCH)],
    { cwd: folder, env: { ...process.env, VECPIPE_CONFIG: '', ...environment, QDRANT_URL: qdrantUrl } },
  );
  const seen: { at: number; done: number }[] = [];
  let tell = () => {};
  createInterface({ input: child.stderr }).on('line', (line) => {
    const done = /"type":"progress","done":(\d+)/.exec(line)?.[1];
    if (done === undefined) return;
    seen.push({ at: performance.now(), done: Number(done) });
    tell();
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  let isOver = false;
  const ended = once(child, 'close').then(([exitCode]) => {
    isOver = true;
    tell();
    const report = JSON.parse(output) as { entities: { stored: number }[] };
    return { exitCode: exitCode as number | null, stored: report.entities[0]?.stored };
  });
  const until = async (condition: () => boolean) => {
    while (!condition()) {
      if (isOver) throw new Error(`the run was over too early: ${output}`);
      await new Promise<void>((resolve) => {
        tell = resolve;
      });
    }
  };
  const doneAt = (moment: number) => seen.findLast(({ at }) => at <= moment)?.done ?? 0;
  return {
    ended,
    reached: (rows) => until(() => (seen.at(-1)?.done ?? 0) >= rows),
    async firstAfter(moment) {
      await until(() => seen.some(({ at }) => at > moment));
      return seen.find(({ at }) => at > moment)?.at ?? moment;
    },
    rate: (from, to) => ((doneAt(to) - doneAt(from)) / (to - from)) * 1000,
  };
}

function configFor(url: string): string {
  return `providers:
  cloud: { kind: gateway, baseURL: "${url}", model: bench, dimensions: 256, maxConcurrency: 8 }
tenants:
  "1": { provider: cloud }
`;
}

async function killBackends(observer: Database): Promise<void> {
  await observer.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where backend_type = 'client backend' and pid <> pg_backend_pid()`,
  );
}

/** Whoever was connected has to come back, and finds no place. */
async function takeAllConnections(url: string, observer: Database): Promise<Database[]> {
  const { openPostgresDatabase } = await built<typeof PostgresDatabase>('db/postgres/postgres-database.js');
  const taken: Database[] = [];
  const take = async () => {
    const opened = await openPostgresDatabase({ url, maxConnections: 1 }).catch(() => null);
    if (opened) taken.push(opened);
    return opened !== null;
  };
  while (await take());
  await observer.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where backend_type = 'client backend' and datname <> current_database()`,
  );
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(Array.from({ length: MAX_CONNECTIONS }, take));
  }
  return taken;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
