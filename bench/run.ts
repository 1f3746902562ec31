/**
 * Everything that bench/RESULTS.md says, in one run: `npm run bench`, and `npm run bench -- --save` to write the page.
 * One part of it: `npm run bench -- --only gateway` (or static, local, run, workers, chaos, snapshot, verify, reindex). The snapshot is held
 * for about half a minute; `--seconds 180` holds it for three.
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
import { benchChaos } from './chaos.ts';
import { measuredRun } from './measured-run.ts';
import { benchGateway, startEndpoint } from './gateway.ts';
import { benchLocal } from './local.ts';
import { benchReindex } from './reindex.ts';
import { benchSnapshot } from './snapshot.ts';
import { benchWorkers } from './workers.ts';
import { benchStaticKernel } from './static-kernel.ts';
import { benchFaults, benchVerify } from './verify.ts';
import { noPostgresServer } from '../test/helpers/postgres-server.ts';
import { createWorkbench, ITEMS } from './workbench.ts';
import type { Workbench } from './workbench.ts';

const { TEST_DATABASE_URL, TEST_PGVECTOR_URL, TEST_QDRANT_URL } = process.env;
const BATCH = 256;
const IN_FLIGHT = 4;
const lines: string[] = [];

function say(line: string): void {
  lines.push(line);
  console.log(line);
}

/** In the order of the page. */
const SECTIONS: Record<string, () => Promise<void>> = {
  static: staticKernel,
  gateway,
  local,
  run: endToEndRuns,
  workers,
  chaos,
  snapshot,
  verify,
  reindex,
};

/** `--only <section>` prints that one alone; the page is saved as a whole. */
async function main(): Promise<void> {
  const only = process.argv[process.argv.indexOf('--only') + 1];
  for (const [name, section] of Object.entries(SECTIONS)) {
    if (!process.argv.includes('--only') || name === only) await section();
  }
  if (process.argv.includes('--save')) await save();
}

async function staticKernel(): Promise<void> {
  const kernel = await benchStaticKernel();
  say(`## Static kernel\n`);
  say(`One core, ${kernel.tokensPerText.toFixed(1)} tokens a text.\n`);
  say(`| what | texts/s | ratio |\n|---|---|---|`);
  say(`| embed | ${round(kernel.textsPerSecond)} | |`);
  say(
    `| tokenizer library, tokenising only | ${round(kernel.libraryTokenizerTextsPerSecond)} | ${kernel.ratio.toFixed(2)} |`,
  );
}

async function gateway(): Promise<void> {
  const { latencyMs, unlimited, limited } = await benchGateway();
  say(`\n## Gateway of ${latencyMs} ms without a limit\n`);
  say(
    `Ideal: so many requests at once, and nothing but the latency. "Plain loop" is a bare undici client that sends as many and checks nothing.\n`,
  );
  say(`| requests at once | rows/s | of the ideal | of the plain loop |\n|---|---|---|---|`);
  for (const { maxConcurrency, rowsPerSecond, ratio, ratioToPlain } of unlimited) {
    say(`| ${maxConcurrency} | ${round(rowsPerSecond)} | ${ratio.toFixed(2)} | ${ratioToPlain.toFixed(2)} |`);
  }
  say(`\n## Gateway with a limit of requests a minute\n`);
  say(`Share: accepted requests of those that the limit allows in that time.\n`);
  say(`| limiter | known by | limit | minutes | share | answered 429 |\n|---|---|---|---|---|---|`);
  for (const { limiter, known, requestsPerMinute, minutes, share, limitedShare } of limited) {
    say(
      `| ${limiter} window | ${known} | ${requestsPerMinute} | ${minutes} | ${share.toFixed(2)} | ${(limitedShare * 100).toFixed(1)} % |`,
    );
  }
}

async function local(): Promise<void> {
  const result = await benchLocal();
  if (result === null) return;
  say(`\n## Local model (all-MiniLM-L6-v2, int8)\n`);
  say(
    `${result.texts} texts of ${result.tokensPerText.toFixed(1)} tokens. "Bare session" is onnxruntime on ready tensors, perfectly sorted, in batches of ${result.bareBatch}; "naive loop" transformers.js in batches of 32 in the order of the input.\n`,
  );
  say(`| what | texts/s | ratio |\n|---|---|---|`);
  say(`| embed | ${round(result.textsPerSecond)} | |`);
  say(`| bare session | ${round(result.bareTextsPerSecond)} | ${result.ratioToBare.toFixed(2)} |`);
  say(`| naive loop | ${round(result.naiveTextsPerSecond)} | ${result.ratioToNaive.toFixed(2)} |`);
  say(
    `\nThe event loop of the main thread was late by ${result.eventLoopDelayMs.toFixed(1)} ms (99th percentile).`,
  );
}

async function endToEndRuns(): Promise<void> {
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
  if (TEST_DATABASE_URL && TEST_QDRANT_URL) await endToEndGateway(TEST_DATABASE_URL, TEST_QDRANT_URL);
}

const GATEWAY_ROWS = 20_000;

async function endToEndGateway(serverUrl: string, qdrantUrl: string): Promise<void> {
  await using endpoint = await startEndpoint();
  const provider = `{ kind: gateway, baseURL: "${endpoint.url}", model: bench, dimensions: 256`;
  say(`\n## Postgres → gateway of 200 ms → Qdrant, ${GATEWAY_ROWS} rows\n`);
  say(`| vectors | rows/s | peak MB |\n|---|---|---|`);
  for (const [name, price, credits] of [
    ['free', '', 0],
    ['paid, with receipts', ', pricePerMillionTokens: 1', 0],
    ['paid, and charged to the tenant', ', pricePerMillionTokens: 1', 1_000_000_000],
  ] as const) {
    const config = `providers:\n  cloud: ${provider}${price} }\ntenants:\n  "1": { provider: cloud }\n`;
    await using bench = await createWorkbench(GATEWAY_ROWS, serverUrl, config);
    try {
      const environment = { ...bench.environment, QDRANT_URL: qdrantUrl };
      if (credits > 0) await measuredRun(['credits', 'grant', `${credits}`], bench.folder, environment);
      const { report, peakMegabytes } = await measuredRun(['vectorize'], bench.folder, environment);
      if (report.entities[0]?.stored !== GATEWAY_ROWS) throw new Error(`${name}: not every row was stored`);
      const rate = GATEWAY_ROWS / (report.durationMs / 1000);
      say(`| ${name} | ${round(rate)} | ${Math.round(peakMegabytes)} |`);
    } finally {
      await dropCollections(bench, qdrantUrl);
    }
  }
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

async function workers(): Promise<void> {
  if (!TEST_DATABASE_URL || !TEST_QDRANT_URL) {
    console.log('left out: workers, because TEST_DATABASE_URL or TEST_QDRANT_URL is not set');
    return;
  }
  const results = await benchWorkers(TEST_DATABASE_URL, TEST_QDRANT_URL, (prefix) =>
    dropCollections({ collection: prefix }, TEST_QDRANT_URL),
  );
  say(`\n## Worker processes, Postgres → Qdrant\n`);
  say(`Ratio: of what the endpoint of 200 ms gives to 16 requests at once, or of one worker.\n`);
  say(`| provider | workers | rows/s | ratio |\n|---|---|---|---|`);
  for (const { provider, workers: count, rowsPerSecond, ratio } of results) {
    say(`| ${provider} | ${count} | ${round(rowsPerSecond)} | ${ratio.toFixed(2)} |`);
  }
}

async function chaos(): Promise<void> {
  if (noPostgresServer !== null || !TEST_QDRANT_URL) {
    console.log(`left out: chaos, because ${noPostgresServer ?? 'TEST_QDRANT_URL is not set'}`);
    return;
  }
  const qdrantUrl = TEST_QDRANT_URL;
  say(`\n## When Postgres goes away in the middle of a run\n`);
  say(
    `Gateway of 200 ms, 8 batches of 8 rows under way. Rates over 8 s each, the second from the first row after the event on. "Twin" is the same ratio of an undisturbed run at the same time: what else the machine did.\n`,
  );
  say(
    `| event | rows/s before | rows/s after | ratio | twin | ratio to the twin's | s until the next row |\n|---|---|---|---|---|---|---|`,
  );
  for (const { event, before, after, ratio, twinRatio, pauseSeconds } of await benchChaos(
    qdrantUrl,
    (collection) => dropCollections({ collection }, qdrantUrl),
  )) {
    say(
      `| ${event} | ${round(before)} | ${round(after)} | ${ratio.toFixed(2)} | ${twinRatio.toFixed(2)} | ${(ratio / twinRatio).toFixed(2)} | ${pauseSeconds.toFixed(1)} |`,
    );
  }
}

const SNAPSHOT_SECONDS = 30;

async function snapshot(): Promise<void> {
  if (!TEST_DATABASE_URL || !TEST_QDRANT_URL) {
    console.log('left out: snapshot, because TEST_DATABASE_URL or TEST_QDRANT_URL is not set');
    return;
  }
  const qdrantUrl = TEST_QDRANT_URL;
  const given = process.argv.indexOf('--seconds');
  const seconds = given === -1 ? SNAPSHOT_SECONDS : Number(process.argv[given + 1]);
  const result = await benchSnapshot(TEST_DATABASE_URL, qdrantUrl, seconds, (collection) =>
    dropCollections({ collection }, qdrantUrl),
  );
  say(`\n## While another session holds a REPEATABLE READ snapshot\n`);
  say(`| rows | held for, s | rows/s without | rows/s | ratio |\n|---|---|---|---|---|`);
  say(
    `| ${result.rows} | ${Math.round(result.heldSeconds)} | ${round(result.without)} | ${round(result.held)} | ${result.ratio.toFixed(2)} |`,
  );
}

async function reindex(): Promise<void> {
  const stores: [string, string | undefined, string | null | undefined][] = [
    ['pgvector on Postgres', TEST_PGVECTOR_URL, null],
    ['Qdrant', TEST_DATABASE_URL, TEST_QDRANT_URL],
  ];
  say(`\n## reindex, under 100 queries a second and writes\n`);
  say(
    `| store | rows | changed | deleted | queries | failed | mixed | revived | took, s | bought where 1 % changed | time of that to a whole one | rollback, s |\n|---|---|---|---|---|---|---|---|---|---|---|---|`,
  );
  for (const [name, serverUrl, qdrantUrl] of stores) {
    if (serverUrl === undefined || qdrantUrl === undefined) {
      console.log(`left out: reindex on ${name}, because its server was not named`);
      continue;
    }
    const result = await benchReindex(serverUrl, qdrantUrl, (collection) =>
      qdrantUrl === null ? Promise.resolve() : dropCollections({ collection }, qdrantUrl),
    );
    const {
      rows,
      changed,
      deleted,
      queries,
      failed,
      mixed,
      revived,
      wholeMs,
      bought,
      partRatio,
      rollbackMs,
    } = result;
    say(
      `| ${name} | ${rows} | ${changed} | ${deleted} | ${queries} | ${failed} | ${mixed} | ${revived} | ${(wholeMs / 1000).toFixed(1)} | ${bought} | ${partRatio.toFixed(2)} | ${(rollbackMs / 1000).toFixed(2)} |`,
    );
  }
}

async function verify(): Promise<void> {
  const stores: [string, string | undefined, string | null | undefined][] = [
    ['pgvector on Postgres', TEST_PGVECTOR_URL, null],
    ['Qdrant', TEST_DATABASE_URL, TEST_QDRANT_URL],
  ];
  const drop = (collection: string) =>
    TEST_QDRANT_URL ? dropCollections({ collection }, TEST_QDRANT_URL) : Promise.resolve();
  say(`\n## verify, against a bare scroll of the same points with their payload\n`);
  say(
    `| store | points | scroll, points/s | verify, points/s | ratio | --fast, points/s | ratio | peak MB |\n|---|---|---|---|---|---|---|---|`,
  );
  const faults: string[] = [];
  for (const [name, serverUrl, qdrantUrl] of stores) {
    if (!serverUrl || qdrantUrl === undefined) {
      console.log(`left out: verify on ${name}, because its servers are not named`);
      continue;
    }
    for (const result of await benchVerify(serverUrl, qdrantUrl, drop)) {
      const { points, bareScroll, verify: rate, ratio, fast, fastRatio, peakMegabytes } = result;
      say(
        `| ${name} | ${points} | ${round(bareScroll)} | ${round(rate)} | ${ratio.toFixed(2)} | ${round(fast)} | ${fastRatio.toFixed(2)} | ${Math.round(peakMegabytes)} |`,
      );
    }
    const { byKind, wrong, afterRepair } = await benchFaults(serverUrl, qdrantUrl, drop);
    for (const { kind, injected, found } of byKind)
      faults.push(`| ${name} | ${kind} | ${injected} | ${found} |`);
    const invented = wrong.filter((mistake) => mistake.startsWith('invented')).length;
    faults.push(`| ${name} | invented by verify | 0 | ${invented} |`);
    faults.push(`| ${name} | left after --fix | 0 | ${afterRepair} |`);
  }
  say(`\n## Faults in 50,000 rows\n`);
  say(`| store | fault | made | found |\n|---|---|---|---|`);
  for (const line of faults) say(line);
}

async function dropCollections(bench: Pick<Workbench, 'collection'>, qdrantUrl: string): Promise<void> {
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
