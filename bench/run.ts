/**
 * Everything that bench/RESULTS.md says, in one run: `npm run bench`, and `npm run bench -- --save` to write the page.
 * Servers are those of the tests: TEST_DATABASE_URL, TEST_PGVECTOR_URL, TEST_QDRANT_URL; without one its lines are
 * left out, and it says so.
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import type { Database } from '../src/ports/database.ts';
import type * as Difference from '../src/sources/rows/difference.ts';
import type * as OpenRowSource from '../src/sources/rows/open-row-source.ts';
import type * as OpenStore from '../src/stores/open-store.ts';
import { built } from './built.ts';
import { measuredRun } from './measured-run.ts';
import { benchStaticKernel } from './static-kernel.ts';
import { createWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

const { TEST_DATABASE_URL, TEST_PGVECTOR_URL, TEST_QDRANT_URL } = process.env;
const BATCH = 256;
const IN_FLIGHT = 4;
const lines: string[] = [];

function say(line: string): void {
  lines.push(line);
  console.log(line);
}

async function main(): Promise<void> {
  const kernel = await benchStaticKernel();
  say(`## Static kernel\n`);
  say(`One core, ${kernel.tokensPerText.toFixed(1)} tokens a text.\n`);
  say(`| what | texts/s | ratio |\n|---|---|---|`);
  say(`| embed | ${round(kernel.textsPerSecond)} | |`);
  say(
    `| tokenizer library, tokenising only | ${round(kernel.libraryTokenizerTextsPerSecond)} | ${kernel.ratio.toFixed(2)} |`,
  );

  say(`\n## End to end, static provider, 256 dimensions\n`);
  say(
    `"Store alone" writes as many ready vectors through the same adapter, ${IN_FLIGHT} batches in flight.\n`,
  );
  say(
    `| database → store | rows | rows/s | store alone, points/s | ratio | peak MB | second run, whole process |\n|---|---|---|---|---|---|---|`,
  );
  await endToEnd('embedded → pgvector', 10_000, null, null);
  if (TEST_PGVECTOR_URL) await endToEnd('Postgres → pgvector', 20_000, TEST_PGVECTOR_URL, null);
  else console.log('left out: Postgres → pgvector, because TEST_PGVECTOR_URL is not set');
  if (TEST_DATABASE_URL && TEST_QDRANT_URL) {
    for (const rows of [20_000, 100_000])
      await endToEnd('Postgres → Qdrant', rows, TEST_DATABASE_URL, TEST_QDRANT_URL);
  } else {
    console.log('left out: Postgres → Qdrant, because TEST_DATABASE_URL or TEST_QDRANT_URL is not set');
  }
  if (comparisons.length > 0) {
    say(`\n## Nothing changed, against \`select count(*)\` of the same table\n`);
    say(`| database | rows | comparison, ms | count(*), ms | ratio |\n|---|---|---|---|---|`);
    for (const line of comparisons) say(line);
  }
  if (process.argv.includes('--save')) await save();
}

const comparisons: string[] = [];

async function endToEnd(
  name: string,
  rows: number,
  serverUrl: string | null,
  qdrantUrl: string | null,
): Promise<void> {
  await using bench = await createWorkbench(rows, serverUrl);
  const environment = { ...bench.environment, ...(qdrantUrl !== null && { QDRANT_URL: qdrantUrl }) };
  try {
    const first = await measuredRun(['vectorize'], bench.folder, environment);
    const second = await measuredRun(['vectorize'], bench.folder, environment);
    const [stored] = first.report.entities;
    const [again] = second.report.entities;
    if (stored?.stored !== rows || again?.unchanged !== rows)
      throw new Error(`${name}: not every row was stored`);
    const rate = rows / (first.report.durationMs / 1000);
    const alone = await storeAlone(bench, rows, qdrantUrl);
    say(
      `| ${name} | ${rows} | ${round(rate)} | ${round(alone)} | ${(rate / alone).toFixed(2)} | ${Math.round(first.peakMegabytes)} | ${(second.wallMs / 1000).toFixed(2)} s |`,
    );
    comparisons.push(await bench.withDatabase((database) => compare(name, rows, database)));
  } finally {
    if (qdrantUrl !== null) await dropCollections(bench, qdrantUrl);
  }
}

/** The statement that finds changes, as a run with nothing to do sends it, against the cheapest full read there is. */
async function compare(name: string, rows: number, database: Database): Promise<string> {
  const { openRowSource } = await built<typeof OpenRowSource>('sources/rows/open-row-source.js');
  const { queueDifference } = await built<typeof Difference>('sources/rows/difference.js');
  const { rows: generations } = await database.query<{ id: number }>(
    'select max(id) as id from vecpipe.generations',
  );
  const source = await openRowSource(database, ITEMS, '1');
  const compareMs = await medianMs(() =>
    queueDifference(database, source, generations[0]?.id ?? 0, { deleteAll: false }),
  );
  const countMs = await medianMs(() => database.query('select count(*) from public.items'));
  return `| ${name} | ${rows} | ${compareMs.toFixed(0)} | ${countMs.toFixed(1)} | ${(compareMs / countMs).toFixed(1)} |`;
}

const ITEMS = {
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

async function storeAlone(bench: Workbench, rows: number, qdrantUrl: string | null): Promise<number> {
  return bench.withDatabase(async (database) => {
    const config =
      qdrantUrl === null
        ? ({ kind: 'pgvector', origin: 'default' } as const)
        : ({ kind: 'qdrant', url: qdrantUrl, apiKey: null, origin: 'environment' } as const);
    const { openStore } = await built<typeof OpenStore>('stores/open-store.js');
    await using store = await openStore(config, database);
    const collection = `${bench.collection}_alone`;
    await store.createCollection(collection, 256);
    const startedAt = performance.now();
    let next = 0;
    const worker = async () => {
      for (let start = next; start < rows; start = next) {
        next = start + BATCH;
        const size = Math.min(BATCH, rows - start);
        await store.upsert(
          collection,
          Array.from({ length: size }, (_each, index) => readyPoint(start + index)),
        );
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    const seconds = (performance.now() - startedAt) / 1000;
    await store.deleteCollection(collection);
    return rows / seconds;
  });
}

function readyPoint(index: number) {
  const vector = Float32Array.from({ length: 256 }, (_each, dimension) => Math.sin(index * 31 + dimension));
  const identity = {
    tenant: '1',
    entity: 'items',
    key: String(index),
    label: '',
    chunk: 0,
    hash: '',
    fingerprint: '',
  };
  const id = `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;
  return { id, vector, payload: { name: `item ${index}`, vecpipe: identity } };
}

async function dropCollections(bench: Workbench, qdrantUrl: string): Promise<void> {
  const alias = `${bench.collection}_1_items`;
  await fetch(`${qdrantUrl}/collections/aliases`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ actions: [{ delete_alias: { alias_name: alias } }] }),
  });
  await fetch(`${qdrantUrl}/collections/${alias}__1`, { method: 'DELETE' });
}

async function medianMs(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    const startedAt = performance.now();
    await work();
    times.push(performance.now() - startedAt);
  }
  return times.toSorted((a, b) => a - b)[2] ?? Number.NaN;
}

function round(number: number): string {
  return String(Math.round(number / 10) * 10);
}

async function save(): Promise<void> {
  const [cpu] = cpus();
  const head = [
    '# Benchmark results',
    '',
    'Made by `npm run bench -- --save`. Ratios hold from machine to machine, absolute figures do not.',
    '',
    `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${process.platform}. The Qdrant of this run answers Qdrant's REST API from memory and is not the real server: its share of a row's time is larger than a real one's.`,
    '',
  ];
  await writeFile(new URL('RESULTS.md', import.meta.url), `${[...head, ...lines].join('\n')}\n`);
}

await main();
