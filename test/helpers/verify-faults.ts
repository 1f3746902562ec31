import { randomUUID } from 'node:crypto';
import { pointId } from '../../src/pipeline/point-id.ts';
import type { Database } from '../../src/ports/database.ts';
import type { Payload, VectorStore } from '../../src/ports/vector-store.ts';
import { slices } from '../../src/util/slices.ts';
import type { Finding } from '../../src/verify/finding.ts';

/** A collection of one tenant's entity whose every row has one point, with rows in a table (id, name). */
export interface FaultGround {
  database: Database;
  store: VectorStore;
  physical: string;
  tenant: string;
  entity: string;
  fingerprint: string;
  dimensions: number;
  /** Quoted name of the table. */
  table: string;
  /** Keys of rows that are stored. */
  keys: readonly string[];
}

/** What was made wrong, and what verify should say of it. */
export interface Fault {
  /** In the words of the promise. */
  name: string;
  kind: Finding['kind'];
  key: string | null;
  pointId: string | null;
}

/** Small and the same on every machine, for a seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Makes so many faults of every kind, each in another row, drawn by the seed. Rows must be more than eleven times as
 * many.
 */
export async function injectFaults(ground: FaultGround, each: number, seed: number): Promise<Fault[]> {
  const { database, store, physical, tenant, entity, table } = ground;
  const random = seededRandom(seed);
  const drawn = shuffled(ground.keys, random);
  const take = () => drawn.splice(0, each);
  const faults: Fault[] = [];
  const expect = (name: string, kind: Finding['kind'], key: string | null, id: string | null) =>
    void faults.push({ name, kind, key, pointId: id });
  const idOf = (key: string, chunk = 0) => pointId(tenant, entity, key, chunk);

  const deleted = take();
  await eachSlice(deleted, (keys) =>
    store.deletePoints(
      physical,
      keys.map((key) => idOf(key)),
    ),
  );
  for (const key of deleted) expect('deleted point', 'missing', key, idOf(key));

  const respond: [string, Finding['kind'], (payload: Payload) => Payload][] = [
    ['changed hash', 'stale', (payload) => changed(payload, { hash: 'f'.repeat(32) })],
    ['swapped tenant', 'wrong_tenant', (payload) => changed(payload, { tenant: `${tenant}x` })],
    [
      'other fingerprint',
      'wrong_fingerprint',
      (payload) => changed(payload, { fingerprint: '0'.repeat(32) }),
    ],
  ];
  for (const [name, kind, spoil] of respond) {
    const keys = take();
    await eachSlice(keys, async (slice) => {
      const points = await store.retrieve(
        physical,
        slice.map((key) => idOf(key)),
      );
      await store.setPayload(
        physical,
        points.map(({ id, payload }) => ({ id, payload: spoil(payload) })),
      );
    });
    for (const key of keys) expect(name, kind, key, idOf(key));
  }

  const strays: { id: string; key: string; chunk: number; strip?: true }[] = [];
  for (const key of take()) {
    const id = randomId(random);
    strays.push({ id, key, chunk: 0 });
    expect('second point of a chunk', 'duplicate_chunk', key, id);
  }
  for (const key of take()) {
    const id = idOf(key, 7);
    strays.push({ id, key, chunk: 7 });
    expect('surplus chunk', 'orphan', key, id);
  }
  for (let number = 0; number < each; number += 1) {
    const key = `nobody-${number}`;
    strays.push({ id: idOf(key), key, chunk: 0 });
    expect('point of no row', 'orphan', key, idOf(key));
    const id = randomId(random);
    strays.push({ id, key: `stray-${number}`, chunk: 0 });
    expect('point of no row under another id', 'orphan', `stray-${number}`, id);
    const nameless = randomId(random);
    strays.push({ id: nameless, key: `nameless-${number}`, chunk: 0, strip: true });
    expect('point without identity', 'orphan', null, nameless);
  }
  await eachSlice(strays, (slice) =>
    store.upsert(
      physical,
      slice.map(({ id, key, chunk }) => ({
        id,
        vector: new Float32Array(ground.dimensions).fill(1),
        payload: {
          vecpipe: { tenant, entity, key, chunk, label: key, hash: 'x', fingerprint: ground.fingerprint },
        },
      })),
    ),
  );
  await stripIdentity(
    ground,
    strays.flatMap(({ id, strip }) => (strip ? id : [])),
  );

  const vanished = take();
  await database.query(`delete from ${table} where id = any ($1::text[])`, [vanished]);
  for (const key of vanished) expect('vanished row', 'orphan', key, null);
  const edited = take();
  await database.query(`update ${table} set name = name || ' edited' where id = any ($1::text[])`, [edited]);
  for (const key of edited) expect('changed row', 'stale', key, null);
  const added = Array.from({ length: each }, (_none, number) => `added-${number}`);
  await database.query(
    `insert into ${table} (id, name) select id, 'new ' || id from unnest($1::text[]) as id`,
    [added],
  );
  for (const key of added) expect('added row', 'missing', key, null);
  return faults;
}

/** Makes points look like those of somebody who knows nothing of vecpipe. */
export async function stripIdentity(
  { database, store, physical }: Pick<FaultGround, 'database' | 'store' | 'physical'>,
  ids: readonly string[],
): Promise<void> {
  if (store.kind === 'pgvector') {
    await database.query(
      `update ${await pointsTable(database, physical)} set payload = payload - 'vecpipe' where id = any ($1::uuid[])`,
      [ids],
    );
    return;
  }
  await eachSlice(ids, async (slice) => {
    const payload = { color: 'blue' } as unknown as Payload;
    await store.setPayload(
      physical,
      slice.map((id) => ({ id, payload })),
    );
  });
}

/** The table of a pgvector collection. */
export async function pointsTable(database: Database, physical: string): Promise<string> {
  const { rows } = await database.query<{ id: number }>(
    'select id from vecpipe.pgvector_collections where name = $1',
    [physical],
  );
  return `vecpipe.points_${rows[0]?.id}`;
}

/** What was missed, named wrong, or invented; empty when verify said what is true. By name or kind, with examples. */
export function mistakes(faults: readonly Fault[], findings: readonly Finding[]): string[] {
  const nameOf = (each: Pick<Finding, 'kind' | 'key' | 'pointId'>) =>
    `${each.kind} ${each.key ?? '-'} ${each.pointId ?? '-'}`;
  const found = new Map<string, number>();
  for (const finding of findings) found.set(nameOf(finding), (found.get(nameOf(finding)) ?? 0) + 1);
  const problems: string[] = [];
  for (const fault of faults) {
    const name = nameOf(fault);
    const count = found.get(name) ?? 0;
    if (count === 0) problems.push(`missed ${fault.name}: ${name}`);
    else found.set(name, count - 1);
  }
  for (const [name, count] of found) if (count > 0) problems.push(`invented ${name}`);
  return problems;
}

function changed(payload: Payload, changes: Partial<Payload['vecpipe']>): Payload {
  return { ...payload, vecpipe: { ...payload.vecpipe, ...changes } };
}

async function eachSlice<Item>(items: readonly Item[], work: (slice: readonly Item[]) => Promise<unknown>) {
  for (const slice of slices(items, 250)) await work(slice);
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const list = [...items];
  for (let index = list.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    [list[index], list[other]] = [list[other]!, list[index]!];
  }
  return list;
}

function randomId(random: () => number): string {
  const digits = randomUUID().split('');
  return digits
    .map((digit, at) =>
      digit === '-' || at === 14 || at === 19 ? digit : Math.floor(random() * 16).toString(16),
    )
    .join('');
}
