import { expect, test } from 'vitest';
import { TextQueue, batchRequest } from './text-queue.ts';
import type { QueuedText } from './text-queue.ts';

const text = (call: string, index: number, length: number): QueuedText<string> => ({
  call,
  index,
  ids: new Int32Array(length).fill(index),
});
const WIDE = { texts: 100, paddedTokens: 1000 };
const shown = (batch: QueuedText<string>[] | null) =>
  batch?.map(({ call, index, ids }) => `${call}${index}:${ids.length}`) ?? null;

function filled(lengths: Record<string, number[]>): TextQueue<string> {
  const queue = new TextQueue<string>();
  for (const [call, each] of Object.entries(lengths)) {
    queue.add(
      call,
      each.map((length, index) => text(call, index, length)),
    );
  }
  return queue;
}

test('makes batches of neighbours in length, the longest first', () => {
  const queue = filled({ a: [3, 9, 1, 8, 2] });
  const limits = { texts: 2, paddedTokens: 1000 };
  expect(shown(queue.take(limits))).toEqual(['a3:8', 'a1:9']);
  expect(shown(queue.take(limits))).toEqual(['a4:2', 'a0:3']);
  expect(shown(queue.take(limits))).toEqual(['a2:1']);
  expect(queue.take(limits)).toBeNull();
});

test('counts padding: a batch has no more than so many times its longest text', () => {
  const queue = filled({ a: [10, 1, 1, 1, 1, 5, 5] });
  const limits = { texts: 100, paddedTokens: 12 };
  expect(shown(queue.take(limits))).toEqual(['a0:10']);
  expect(shown(queue.take(limits))).toEqual(['a5:5', 'a6:5']);
  expect(shown(queue.take(limits))).toEqual(['a1:1', 'a2:1', 'a3:1', 'a4:1']);
});

test('takes a text that is longer than a batch by itself', () => {
  expect(shown(filled({ a: [50, 50] }).take({ texts: 9, paddedTokens: 20 }))).toEqual(['a1:50']);
});

test('serves the oldest call first and fills up from the others', () => {
  const queue = filled({ a: [4], b: [9, 3, 2] });
  expect(shown(queue.take({ texts: 2, paddedTokens: 100 }))).toEqual(['b1:3', 'a0:4']);
  expect(shown(queue.take({ texts: 2, paddedTokens: 100 }))).toEqual(['b2:2', 'b0:9']);
});

test('forgets what is left of a call', () => {
  const queue = filled({ a: [1, 2], b: [3] });
  queue.remove('a');
  queue.remove('a');
  expect(queue.size).toBe(1);
  expect(shown(queue.take(WIDE))).toEqual(['b0:3']);
  expect(queue.take(WIDE)).toBeNull();
});

test('puts the ids of a batch behind each other', () => {
  const { ids, lengths } = batchRequest([{ ids: Int32Array.of(1, 2) }, { ids: Int32Array.of(3) }]);
  expect([...ids]).toEqual([1, 2, 3]);
  expect([...lengths]).toEqual([2, 1]);
});
