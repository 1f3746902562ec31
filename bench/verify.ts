/**
 * What it costs to prove a collection: all that `vecpipe verify` does once everything is open, against a bare scroll of
 * the same points with their whole payload through the same adapter, in the same run; peak memory is the command's. And whether it keeps its promise: 1,000 faults of each kind in
 * 50,000 rows, each found and named, none invented, and nothing left after `--fix`.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type * as OpenRowSource from '../src/sources/rows/open-row-source.ts';
import type * as OpenStore from '../src/stores/open-store.ts';
import type { VectorStore } from '../src/ports/vector-store.ts';
import type { Database } from '../src/ports/database.ts';
import type { Finding } from '../src/verify/finding.ts';
import type { Unit } from '../src/verify/unit.ts';
import type * as Verify from '../src/verify/verify.ts';
import { injectFaults, mistakes } from '../test/helpers/verify-faults.ts';
import type { Fault } from '../test/helpers/verify-faults.ts';
import { BINARY, built } from './built.ts';
import { measuredRun } from './measured-run.ts';
import { createWorkbench, ITEMS } from './workbench.ts';
import type { Workbench } from './workbench.ts';

const SIZES = [50_000, 200_000];
const TURNS = 3;
const PAGE = 1_000;
const FAULT_ROWS = 50_000;
const FAULTS_EACH = 1_000;

export interface VerifyResult {
  points: number;
  /** Points a second. */
  bareScroll: number;
  verify: number;
  fast: number;
  /** Of verify to the bare scroll. */
  ratio: number;
  fastRatio: number;
  peakMegabytes: number;
}

type DropCollections = (collection: string) => Promise<void>;

/** Medians of three turns, the scroll and the two ways of verifying by turns. */
export async function benchVerify(
  serverUrl: string,
  qdrantUrl: string | null,
  drop: DropCollections,
): Promise<VerifyResult[]> {
  const results: VerifyResult[] = [];
  for (const points of SIZES) {
    await using bench = await createWorkbench(points, serverUrl);
    try {
      const environment = environmentOf(bench, qdrantUrl);
      await measuredRun(['vectorize'], bench.folder, environment);
      const scrolls: number[] = [];
      const whole: number[] = [];
      const fast: number[] = [];
      let peakMegabytes = 0;
      for (let turn = 0; turn < TURNS; turn += 1) {
        scrolls.push(await withStore(bench, qdrantUrl, (store) => scrollAll(store, bench, points)));
        whole.push(
          await withStore(bench, qdrantUrl, (store, database) => verifyAll(store, database, bench, false)),
        );
        fast.push(
          await withStore(bench, qdrantUrl, (store, database) => verifyAll(store, database, bench, true)),
        );
        const run = await measuredRun(['verify'], bench.folder, environment);
        peakMegabytes = Math.max(peakMegabytes, run.peakMegabytes);
      }
      const rate = (times: number[]) => points / (median(times) / 1000);
      const [bareScroll, verify, digests] = [rate(scrolls), rate(whole), rate(fast)];
      const ratios = { ratio: verify / bareScroll, fastRatio: digests / bareScroll };
      results.push({ points, bareScroll, verify, fast: digests, ...ratios, peakMegabytes });
    } finally {
      await drop(bench.collection);
    }
  }
  return results;
}

export interface FaultsResult {
  kind: string;
  injected: number;
  found: number;
}

/** @returns what was found of each kind of fault, and what verify got wrong: nothing, if it keeps its promise */
export async function benchFaults(
  serverUrl: string,
  qdrantUrl: string | null,
  drop: DropCollections,
): Promise<{ byKind: FaultsResult[]; wrong: string[]; afterRepair: number }> {
  await using bench = await createWorkbench(FAULT_ROWS, serverUrl);
  const folder = await mkdtemp(join(tmpdir(), 'vecpipe-findings-'));
  try {
    await bench.withDatabase((database) => database.execute('alter table public.items alter id type text'));
    const environment = environmentOf(bench, qdrantUrl);
    await measuredRun(['vectorize'], bench.folder, environment);
    const faults = await withStore(bench, qdrantUrl, (store, database) => inject(bench, store, database));

    const file = join(folder, 'findings.ndjson');
    await verifyRun(['--findings', file], bench, environment);
    const text = await readFile(file, 'utf8');
    const findings = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Finding);
    const wrong = mistakes(faults, findings);
    const names = [...new Set(faults.map(({ name }) => name))];
    const byKind = names.map((kind) => {
      const injected = faults.filter(({ name }) => name === kind).length;
      const missed = wrong.filter((mistake) => mistake.startsWith(`missed ${kind}:`)).length;
      return { kind, injected, found: injected - missed };
    });
    const repaired = await verifyRun(['--fix'], bench, environment);
    return { byKind, wrong, afterRepair: repaired };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await drop(bench.collection);
  }
}

async function inject(bench: Workbench, store: VectorStore, database: Database): Promise<Fault[]> {
  const { rows } = await database.query<{ fingerprint: string; dimensions: number }>(
    'select fingerprint, dimensions from vecpipe.generations',
  );
  const stored = await database.query<{ key: string }>('select key from vecpipe.vector_state');
  const [generation] = rows;
  if (!generation) throw new Error('nothing was stored');
  const place = { database, store, physical: physicalOf(bench), tenant: '1', entity: 'items' };
  const keys = stored.rows.map(({ key }) => key);
  return injectFaults({ ...place, ...generation, table: 'public.items', keys }, FAULTS_EACH, 1);
}

/** @returns how many findings there are at its end */
async function verifyRun(
  args: readonly string[],
  bench: Workbench,
  environment: Record<string, string | undefined>,
): Promise<number> {
  const { stdout } = await execa(process.execPath, [BINARY, 'verify', ...args, '--json', '--quiet'], {
    cwd: bench.folder,
    env: { DATABASE_URL: '', QDRANT_URL: '', VECPIPE_CONFIG: '', VECPIPE_HOME: '', ...environment },
    // Drift ends with exit code 3.
    reject: false,
  });
  return (JSON.parse(stdout) as { verify: { findings: number } }).verify.findings;
}

async function withStore<Result>(
  bench: Workbench,
  qdrantUrl: string | null,
  work: (store: VectorStore, database: Database) => Promise<Result>,
): Promise<Result> {
  const { openStore } = await built<typeof OpenStore>('stores/open-store.js');
  return bench.withDatabase(async (database) => {
    const config =
      qdrantUrl === null
        ? ({ kind: 'pgvector', origin: 'default' } as const)
        : ({ kind: 'qdrant', url: qdrantUrl, apiKey: null, origin: 'environment' } as const);
    await using store = await openStore(config, database);
    return await work(store, database);
  });
}

/** @returns milliseconds */
async function scrollAll(store: VectorStore, bench: Workbench, points: number): Promise<number> {
  const startedAt = performance.now();
  let seen = 0;
  for (let after: string | undefined; ;) {
    const page = await store.scroll(physicalOf(bench), {
      limit: PAGE,
      ...(after !== undefined && { after }),
    });
    seen += page.length;
    after = page.at(-1)?.id;
    if (page.length < PAGE) break;
  }
  if (seen !== points) throw new Error(`the store holds ${seen} of ${points} points`);
  return performance.now() - startedAt;
}

/** What the command does once it has opened everything, rows included. @returns milliseconds */
async function verifyAll(
  store: VectorStore,
  database: Database,
  bench: Workbench,
  isFast: boolean,
): Promise<number> {
  const { verify } = await built<typeof Verify>('verify/verify.js');
  const { openRowSource } = await built<typeof OpenRowSource>('sources/rows/open-row-source.js');
  const unit: Unit = {
    collection: `${bench.collection}_1_items`,
    entity: ITEMS.name,
    isWhole: true,
    sources: [{ tenant: '1', open: () => openRowSource(database, ITEMS, '1') }],
  };
  const how = { isFast, withVectors: false, sample: 0, seed: 1, examples: 10, providerOf: async () => null };
  const startedAt = performance.now();
  const { findings } = await verify({ database, store, report: () => {} }, [unit], how);
  if (findings > 0) throw new Error('what was just stored is not what it should be');
  return performance.now() - startedAt;
}

function physicalOf({ collection }: Workbench): string {
  return `${collection}_1_items__1`;
}

function environmentOf(bench: Workbench, qdrantUrl: string | null): Record<string, string | undefined> {
  return { ...bench.environment, ...(qdrantUrl !== null && { QDRANT_URL: qdrantUrl }) };
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}
