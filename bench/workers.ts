/**
 * What `--workers` does: how near eight processes come to the limit of an endpoint that all of them use, and what more
 * processes gain where the work is vecpipe's own. Rows are counted in the database, between a tenth and nine tenths of
 * them, so that the start of the processes is not part of it.
 */
import { measuredRun } from './measured-run.ts';
import { startEndpoint } from './gateway.ts';
import { createWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

const ROWS = 20_000;
const LATENCY_SECONDS = 0.2;
const REQUESTS_AT_ONCE = 16;
const TEXTS_A_REQUEST = 16;
/** What the endpoint gives when so many requests are always under way. */
const LIMIT = (REQUESTS_AT_ONCE * TEXTS_A_REQUEST) / LATENCY_SECONDS;
const POLL_MS = 100;

export interface WorkersResult {
  provider: string;
  workers: number;
  rowsPerSecond: number;
  /** Of the endpoint's limit, or of one worker. */
  ratio: number;
}

/** @throws when a run does not store every row */
export async function benchWorkers(
  serverUrl: string,
  qdrantUrl: string,
  dropCollections: (prefix: string) => Promise<void>,
): Promise<WorkersResult[]> {
  const results: WorkersResult[] = [];
  const measure = async (config: string, workers: number) => {
    await using bench = await createWorkbench(ROWS, serverUrl, config);
    try {
      return await rateOf(bench, qdrantUrl, workers);
    } finally {
      await dropCollections(bench.collection);
    }
  };
  {
    await using endpoint = await startEndpoint();
    const limits = `maxConcurrency: ${REQUESTS_AT_ONCE}, maxInputs: ${TEXTS_A_REQUEST}`;
    const config = `providers:
  cloud: { kind: gateway, baseURL: "${endpoint.url}", model: bench, dimensions: 256, ${limits} }
tenants:
  "1": { provider: cloud }
`;
    for (const workers of [1, 8]) {
      const rowsPerSecond = await measure(config, workers);
      results.push({ provider: 'gateway', workers, rowsPerSecond, ratio: rowsPerSecond / LIMIT });
    }
  }
  const alone = await measure('', 1);
  for (const workers of [1, 2, 4]) {
    const rowsPerSecond = workers === 1 ? alone : await measure('', workers);
    results.push({ provider: 'static', workers, rowsPerSecond, ratio: rowsPerSecond / alone });
  }
  return results;
}

async function rateOf(bench: Workbench, qdrantUrl: string, workers: number): Promise<number> {
  const environment = { ...bench.environment, QDRANT_URL: qdrantUrl };
  let isOver = false;
  const running = measuredRun(
    ['vectorize', '--workers', `${workers}`, '--batch-size', '64'],
    bench.folder,
    environment,
  ).finally(() => {
    isOver = true;
  });
  const seen: { at: number; rows: number }[] = [];
  await bench.withDatabase(async (database) => {
    while (!isOver) {
      const { rows } = await database
        .query<{ rows: number }>('select count(*) as rows from vecpipe.vector_state')
        // Until the run has made its tables.
        .catch(() => ({ rows: [] }));
      seen.push({ at: performance.now(), rows: rows[0]?.rows ?? 0 });
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  });
  const { report } = await running;
  if (report.entities[0]?.stored !== ROWS) throw new Error('not every row was stored');
  const from = seen.find(({ rows }) => rows >= ROWS * 0.1);
  const to = seen.find(({ rows }) => rows >= ROWS * 0.9);
  if (!from || !to || to.at === from.at) throw new Error('the run was over before it could be watched');
  return ((to.rows - from.rows) / (to.at - from.at)) * 1000;
}
