import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** What a private server does beyond answering; see the server's own description of its options. */
export interface QdrantServerOptions {
  /** 0, the default, is any free port. */
  port?: number;
  /** Folder that keeps the data over a restart; memory only without it. */
  folder?: string;
  apiKey?: string;
  latencyMs?: number;
  /** Share of requests answered with 503, 0 to 1. */
  failRate?: number;
  /** Such a request is applied first: its answer is lost. */
  failAfter?: boolean;
  /** Makes the faults repeatable. */
  faultSeed?: number;
}

/** A process of its own; disposal ends it. */
export interface QdrantServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Ends the process at once, as a crash would. */
  kill(): Promise<void>;
}

const script = process.env.TEST_QDRANT_SERVER || undefined;
const python = process.env.TEST_QDRANT_PYTHON || 'python3';

/** Why no private server can be started, or null when one can. */
export const noQdrantServer: string | null =
  script === undefined
    ? 'TEST_QDRANT_SERVER, the path of a Qdrant-compatible server in Python, is not set'
    : null;

if (noQdrantServer !== null) console.warn(`skipped: faults of a private Qdrant, because ${noQdrantServer}`);

/** Starts a private Qdrant-compatible server and waits until it listens. */
export async function startQdrantServer(options: QdrantServerOptions = {}): Promise<QdrantServer> {
  if (script === undefined) throw new Error(noQdrantServer ?? '');
  const server = spawn(python, [script, ...commandLine(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await readyUrl(server);
  return {
    url,
    port: Number(new URL(url).port),
    kill: () => end(server, 'SIGKILL'),
    [Symbol.asyncDispose]: () => end(server, 'SIGTERM'),
  };
}

function commandLine(options: QdrantServerOptions): string[] {
  const { port = 0, folder, apiKey, latencyMs, failRate, failAfter, faultSeed } = options;
  return [
    ['--port', port],
    ['--path', folder],
    ['--api-key', apiKey],
    ['--latency-ms', latencyMs],
    ['--fail-rate', failRate],
    ['--fault-seed', faultSeed],
  ]
    .filter(([, value]) => value !== undefined)
    .flat()
    .map(String)
    .concat(failAfter ? ['--fail-after'] : []);
}

async function readyUrl(server: ChildProcess): Promise<string> {
  if (!server.stdout) throw new Error('the server has no output');
  const lines = createInterface({ input: server.stdout });
  for await (const line of lines) {
    const url = /^ready (http:\S+)$/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error('the Qdrant server ended before it was ready');
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill(signal);
  await ended;
}
