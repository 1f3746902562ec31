import { setImmediate as nextPhase } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TurnQueue } from './turn-queue.ts';

test('work runs one at a time, in order, and failures do not stop what follows', async () => {
  const turns = new TurnQueue();
  const log: string[] = [];
  const work = (name: string, failure?: Error) => async () => {
    log.push(`start ${name}`);
    await nextPhase();
    log.push(`end ${name}`);
    if (failure) throw failure;
    return name;
  };
  const failure = new Error('no');
  const results = await Promise.allSettled([
    turns.take(work('a')),
    turns.take(work('b', failure)),
    turns.take(work('c')),
  ]);
  expect(log).toEqual(['start a', 'end a', 'start b', 'end b', 'start c', 'end c']);
  expect(results).toEqual([
    { status: 'fulfilled', value: 'a' },
    { status: 'rejected', reason: failure },
    { status: 'fulfilled', value: 'c' },
  ]);
});

test('work whose wait is aborted never runs, and does not let others overtake', async () => {
  const turns = new TurnQueue();
  const log: string[] = [];
  let release: (() => void) | undefined;
  const first = turns.take(() => new Promise<void>((resolve) => (release = resolve)));
  const controller = new AbortController();
  const aborted = turns.take(async () => log.push('aborted'), controller.signal);
  const last = turns.take(async () => log.push('last'));
  const stopped = new Error('stopped');
  controller.abort(stopped);
  await expect(aborted).rejects.toBe(stopped);
  await nextPhase();
  expect(log).toEqual([]);
  release?.();
  await Promise.all([first, last]);
  expect(log).toEqual(['last']);
});
