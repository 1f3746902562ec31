/**
 * What readers notice of a reindex: somebody queries the alias a hundred times a second while rows are changed,
 * deleted and vectorized, and the collection is rebuilt beside. And what a second one costs in which only one text in
 * a hundred is another.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as OpenStore from '../src/stores/open-store.ts';
import type { VectorStore } from '../src/ports/vector-store.ts';
import { built } from './built.ts';
import { measuredRun } from './measured-run.ts';
import type { MeasuredRun } from './measured-run.ts';
import { createWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

const ROWS = 20_000;
const QUERY_EVERY_MS = 10;
const MAX_UNDER_WAY = 4;
const WIDTH = 256;
const REVERSED = '{{ body }}\\n{{ name }}';
/** Prices are 1.5 times the id, so this is one row in a hundred. */
const FOR_ONE_IN_A_HUNDRED = `{% if price <= ${(ROWS / 100) * 1.5} %}cheap {% endif %}`;

export interface ReindexResult {
  rows: number;
  queries: number;
  failed: number;
  /** Answers with points of two generations. */
  mixed: number;
  /** Answers that showed a row after its deletion had been vectorized. */
  revived: number;
  changed: number;
  deleted: number;
  /** Of the reindex under writes and queries. */
  wholeMs: number;
  /** Rows that the second reindex bought. */
  bought: number;
  /** Its time and that of a whole one without queries and writes. */
  partRatio: number;
  rollbackMs: number;
}

export async function benchReindex(
  serverUrl: string,
  qdrantUrl: string | null,
  drop: (collection: string) => Promise<void>,
): Promise<ReindexResult> {
  await using bench = await createWorkbench(ROWS, serverUrl);
  const environment = { ...bench.environment, QDRANT_URL: qdrantUrl ?? '' };
  const run = (...args: string[]) => measuredRun(args, bench.folder, environment);
  try {
    await run('vectorize');
    await setTemplate(bench, REVERSED);
    const watched = await underLoad(
      bench,
      qdrantUrl,
      () => run('reindex'),
      () => run('vectorize'),
    );
    const rollback = await run('reindex', '--rollback');
    await run('reindex', '--rollback');
    await run('vectorize');
    await run('reindex', '--drop-old');
    await setTemplate(bench, `again ${REVERSED}`);
    const whole = await run('reindex');
    await setTemplate(bench, `${FOR_ONE_IN_A_HUNDRED}again ${REVERSED}`);
    const part = await run('reindex');
    const { reindexed, ...counts } = watched;
    return {
      rows: ROWS,
      ...counts,
      wholeMs: reindexed.report.durationMs,
      bought: part.report.entities[0]?.embedded ?? -1,
      partRatio: part.report.durationMs / whole.report.durationMs,
      rollbackMs: rollback.report.durationMs,
    };
  } finally {
    await drop(bench.collection);
  }
}

async function setTemplate(bench: Workbench, template: string): Promise<void> {
  const config = `entities:
  items:
    table: public.items
    text: "${template}"
    payload: [name, price]
    collection: "${bench.collection}_{tenant}_{entity}"
`;
  await writeFile(join(bench.folder, 'vecpipe.config.yaml'), config);
}

type Watched = Pick<ReindexResult, 'queries' | 'failed' | 'mixed' | 'revived' | 'changed' | 'deleted'>;

/** Queries, changes and deletes while `reindex` runs, and vectorizes again and again. */
async function underLoad(
  bench: Workbench,
  qdrantUrl: string | null,
  reindex: () => Promise<MeasuredRun>,
  vectorize: () => Promise<MeasuredRun>,
): Promise<Watched & { reindexed: MeasuredRun }> {
  const counts: Watched = { queries: 0, failed: 0, mixed: 0, revived: 0, changed: 0, deleted: 0 };
  const alias = `${bench.collection}_1_items`;
  const gone: string[] = [];
  const { openStore } = await built<typeof OpenStore>('stores/open-store.js');
  return bench.withDatabase(async (database) => {
    await using store = await openStore(
      qdrantUrl === null
        ? { kind: 'pgvector', origin: 'default' }
        : { kind: 'qdrant', url: qdrantUrl, apiKey: null, origin: 'environment' },
      database,
    );
    const under = new Set<Promise<void>>();
    const asking = setInterval(() => {
      // A store that is slower than that is asked as fast as it answers.
      if (under.size >= MAX_UNDER_WAY) return;
      const asked = query(store, alias, [...gone], counts).finally(() => under.delete(asked));
      under.add(asked);
    }, QUERY_EVERY_MS);
    const done = new AbortController();
    const writing = (async () => {
      for (let next = 1; !done.signal.aborted; next += 10) {
        await bench.withDatabase((own) =>
          own.execute(`update public.items set body = body || ' changed' where id between ${next} and ${next + 8};
            delete from public.items where id = ${next + 9}`),
        );
        counts.changed += 9;
        counts.deleted += 1;
        // Refused before the other generation is begun, and when it becomes live under it: the row is then not gone yet.
        if (
          await vectorize().then(
            () => true,
            () => false,
          )
        )
          gone.push(String(next + 9));
      }
    })();
    try {
      const reindexed = await reindex();
      return { ...counts, reindexed };
    } finally {
      done.abort();
      await writing;
      clearInterval(asking);
      await Promise.all(under);
    }
  });
}

async function query(
  store: VectorStore,
  alias: string,
  gone: readonly string[],
  counts: Watched,
): Promise<void> {
  const vector = Float32Array.from({ length: WIDTH }, () => Math.random() - 0.5);
  const last = gone.at(-1);
  try {
    const found = await store.search(alias, vector, { limit: 20 });
    counts.queries += 1;
    if (found.length < 20) counts.failed += 1;
    if (new Set(found.map(({ payload }) => payload.vecpipe.fingerprint)).size > 1) counts.mixed += 1;
    if (last === undefined) return;
    const filter = { must: [{ field: 'vecpipe.key', anyOf: [last] }] };
    if ((await store.search(alias, vector, { limit: 1, filter })).length > 0) counts.revived += 1;
  } catch {
    counts.failed += 1;
  }
}
