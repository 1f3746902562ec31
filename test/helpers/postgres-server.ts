import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openPostgresDatabase } from '../../src/db/postgres/postgres-database.ts';
import { closedPort } from './tcp-proxy.ts';

/** A Postgres of its own, which may be stopped and started again at the same address. Disposal removes it. */
export interface PostgresServer extends AsyncDisposable {
  readonly url: string;
  /** `fast` ends all sessions and shuts down; `immediate` is a crash, after which the server has to recover. */
  stop(mode: 'fast' | 'immediate'): Promise<void>;
  /** Resolves when it accepts connections. */
  start(): Promise<void>;
  /** Kills a process that serves a client, whereupon the server ends all of them and recovers by itself. */
  killOneBackend(): Promise<void>;
}

const DEBIAN_FOLDER = '/usr/lib/postgresql';

/** Folder of `initdb` and `postgres`. */
const binaries = findBinaries();

/** Why no server can be started, or null when one can. */
export const noPostgresServer: string | null =
  binaries === null ? 'there is no initdb in /usr/lib/postgresql or in PATH' : null;

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
const START_LIMIT_MS = 30_000;

/** @param settings such as `max_connections=20` */
export async function startPostgresServer(settings: readonly string[] = []): Promise<PostgresServer> {
  if (binaries === null) throw new Error(noPostgresServer ?? '');
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-postgres-'));
  const user = ordinaryUser();
  if (user) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const options = { ...user, cwd: folder, stdio: 'ignore' } as const;
  const made = spawn(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
    options,
  );
  const [code] = (await once(made, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`initdb ended with ${code}`);
  const port = await closedPort();
  const args = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder];
  // Crash safety of the disk is not under test.
  for (const setting of ['fsync=off', ...settings]) args.push('-c', setting);
  const server = new OwnServer(`postgres://postgres@127.0.0.1:${port}/postgres`, folder, () =>
    spawn(join(binaries, 'postgres'), args, options),
  );
  await server.start();
  return server;
}

class OwnServer implements PostgresServer {
  readonly url: string;
  readonly #folder: string;
  readonly #spawn: () => ChildProcess;
  #process: ChildProcess | null = null;

  constructor(url: string, folder: string, spawn: () => ChildProcess) {
    this.url = url;
    this.#folder = folder;
    this.#spawn = spawn;
  }

  async start(): Promise<void> {
    this.#process ??= this.#spawn();
    const giveUpAt = performance.now() + START_LIMIT_MS;
    for (;;) {
      try {
        await this.#withConnection(async () => {});
        return;
      } catch (error) {
        if (performance.now() > giveUpAt || this.#process.exitCode !== null) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async stop(mode: 'fast' | 'immediate'): Promise<void> {
    const running = this.#process;
    this.#process = null;
    if (running === null || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'exit');
    running.kill(SIGNALS[mode]);
    await ended;
  }

  async killOneBackend(): Promise<void> {
    const pid = await this.#withConnection(async (query) => {
      const [backend] = await query<{ pid: number }>(
        `select pid from pg_stat_activity
         where backend_type = 'client backend' and pid <> pg_backend_pid() order by backend_start limit 1`,
      );
      return backend?.pid;
    });
    if (pid === undefined) throw new Error('nobody is connected');
    process.kill(pid, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('immediate');
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #withConnection<Result>(
    work: (query: <Row>(sql: string) => Promise<Row[]>) => Promise<Result>,
  ): Promise<Result> {
    await using database = await openPostgresDatabase({ url: this.url, maxConnections: 1 });
    return await work(async <Row>(sql: string) => (await database.query<Row>(sql)).rows);
  }
}

function findBinaries(): string | null {
  const installed = existsSync(DEBIAN_FOLDER)
    ? readdirSync(DEBIAN_FOLDER)
        .map((version) => join(DEBIAN_FOLDER, version, 'bin', 'initdb'))
        .filter((path) => existsSync(path))
        .toSorted()
    : [];
  const inPath = spawnSync('sh', ['-c', 'command -v initdb'], { encoding: 'utf8' }).stdout.trim();
  const initdb = installed.at(-1) ?? (inPath === '' ? undefined : inPath);
  return initdb === undefined ? null : dirname(initdb);
}

/** Postgres refuses to run as root. */
function ordinaryUser(): { uid: number; gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const idOf = (flag: string) => Number(spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' }).stdout);
  return { uid: idOf('-u'), gid: idOf('-g') };
}
