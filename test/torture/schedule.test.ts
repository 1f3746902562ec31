import { expect, test } from 'vitest';
import { makeSchedule } from './schedule.ts';

const OPTIONS = { seed: 7, rows: 20_000, kills: 200 };

test('a seed makes the same decisions again, and another one others', () => {
  expect(makeSchedule(OPTIONS)).toEqual(makeSchedule(OPTIONS));
  expect(makeSchedule({ ...OPTIONS, seed: 8 })).not.toEqual(makeSchedule(OPTIONS));
});

test('kills and changes are spread over the whole work', () => {
  const decisions = makeSchedule(OPTIONS);
  for (const kind of ['kill', 'change']) {
    const moments = decisions.filter((decision) => decision.kind === kind).map(({ at }) => at);
    const tenths = new Set(moments.map((at) => Math.floor(at * 10)));
    expect(tenths.size).toBe(10);
    expect(moments).toEqual(moments.toSorted((left, right) => left - right));
  }
  expect(decisions.filter(({ kind }) => kind === 'kill')).toHaveLength(OPTIONS.kills);
});

test('rows come, change and go', () => {
  const changes = makeSchedule(OPTIONS).filter((decision) => decision.kind === 'change');
  const sum = (count: (change: (typeof changes)[number]) => number) =>
    changes.reduce((total, change) => total + count(change), 0);
  expect(sum(({ inserts }) => inserts)).toBeGreaterThan(100);
  expect(sum(({ updates }) => updates.length)).toBeGreaterThan(100);
  expect(sum(({ deletes }) => deletes.length)).toBeGreaterThan(100);
  // No more than a run deletes without being asked twice.
  expect(sum(({ deletes }) => deletes.length)).toBeLessThan(OPTIONS.rows / 10);
});
