import { describe, expect, test } from 'vitest';
import type { Point } from '../../ports/vector-store.ts';
import { deletionBodies, payloadBodies, upsertBodies } from './qdrant-points.ts';

function makePoint(
  key: string,
  fields: Record<string, string> = {},
  vector = Float32Array.of(0.5, -0.25),
): Point {
  const vecpipe = { tenant: '1', entity: 'projects', key, label: key, chunk: 0, hash: 'h', fingerprint: 'f' };
  return { id: `id of ${key}`, vector, payload: { ...fields, vecpipe } };
}

function parsed(body: Uint8Array): { points: { id: string; vector: number[]; payload: unknown }[] } {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
}

describe('upsertBodies', () => {
  test('are JSON of the points, whatever their payloads hold', () => {
    const points = [makePoint('a', { 'ключ "🦊"': 'line\n \\ \u0000 \ud800 x' }), makePoint('b')];
    const bodies = [...upsertBodies(points)];
    expect(bodies.map(parsed)).toEqual([
      {
        points: points.map(({ id, vector, payload }) => ({
          id,
          vector: [...vector],
          payload: JSON.parse(JSON.stringify(payload)) as unknown,
        })),
      },
    ]);
  });

  test('are cut at 1,000 points and well under 32 MiB', () => {
    expect([
      ...upsertBodies(Array.from({ length: 2001 }, (_, index) => makePoint(String(index)))),
    ]).toHaveLength(3);
    const megabyte = 'x'.repeat(1024 * 1024);
    const bodies = [
      ...upsertBodies(Array.from({ length: 40 }, (_, index) => makePoint(String(index), { megabyte }))),
    ];
    expect(bodies.flatMap((body) => parsed(body).points.map(({ id }) => id))).toEqual(
      Array.from({ length: 40 }, (_, index) => `id of ${index}`),
    );
    for (const body of bodies) expect(body.length).toBeLessThan(17 * 1024 * 1024);
  });

  test('of nothing are nothing', () => {
    expect([...upsertBodies([])]).toEqual([]);
    expect(payloadBodies([])).toEqual([]);
    expect(deletionBodies([])).toEqual([]);
  });

  test('with a vector as large as they come stay inside their buffer', () => {
    const vector = new Float32Array(4096).fill(-1.2345679e20);
    const [body] = upsertBodies([makePoint('a', {}, vector)]);
    expect(parsed(body ?? new Uint8Array()).points[0]?.vector).toHaveLength(4096);
  });
});

test('payloadBodies have one operation a point', () => {
  const [body, ...others] = payloadBodies([makePoint('a'), makePoint('b')]);
  expect(others).toEqual([]);
  expect(body?.operations).toBe(2);
  expect(JSON.parse(body?.text ?? '')).toEqual({
    operations: [makePoint('a'), makePoint('b')].map(({ id, payload }) => ({
      overwrite_payload: { payload, points: [id] },
    })),
  });
});

test('deletionBodies have one operation for the rows that share tenant, entity and first chunk', () => {
  const row = (key: string, fromChunk = 0, tenant = '1') => ({ tenant, entity: 'projects', key, fromChunk });
  const [body] = deletionBodies([row('a'), row('b'), row('c', 2), row('d', 0, '2'), row('a')]);
  const filter = (tenant: string, keys: string[], chunk: object[] = []) => ({
    delete: {
      filter: {
        must: [
          { key: 'vecpipe.tenant', match: { any: [tenant] } },
          { key: 'vecpipe.entity', match: { any: ['projects'] } },
          { key: 'vecpipe.key', match: { any: keys } },
          ...chunk,
        ],
      },
    },
  });
  expect(JSON.parse(body?.text ?? '')).toEqual({
    operations: [
      filter('1', ['a', 'b']),
      filter('1', ['c'], [{ key: 'vecpipe.chunk', range: { gte: 2 } }]),
      filter('2', ['d']),
    ],
  });
});
