import { getEventListeners } from 'node:events';
import { expect, test, vi } from 'vitest';
import { usageError, unavailableError } from '../errors/vecpipe-error.ts';
import { Scope } from '../lifetime/scope.ts';
import { DatabaseError } from '../ports/database.ts';
import type { RunEvent } from '../ports/run-events.ts';
import { CheckList } from './check-list.ts';
import { ok, warn } from './check.ts';

function openList(signal = new AbortController().signal) {
  const events: RunEvent[] = [];
  const scope = new Scope(() => {}, 1_000);
  const checks = new CheckList({ signal, scope, report: (event) => events.push(event) });
  return { checks, events, scope };
}

test('keeps what checks come to in their order, each on one line', async () => {
  const { checks, events } = openList();
  await checks.run({ id: 'a', subject: 'first' }, () => ok('all\nis \u0007well.'));
  await checks.run({ id: 'b', subject: 'second' }, async () => warn('slow', 'Wait…'));
  expect(checks.results).toEqual([
    {
      id: 'a',
      subject: 'first',
      status: 'ok',
      found: 'all is well',
      fix: null,
      durationMs: expect.any(Number) as number,
    },
    {
      id: 'b',
      subject: 'second',
      status: 'warn',
      found: 'slow',
      fix: 'Wait…',
      durationMs: expect.any(Number) as number,
    },
  ]);
  expect(events).toEqual([
    { type: 'step', message: 'Checking: first' },
    { type: 'step', message: 'Checking: second' },
  ]);
});

test('one that is blocked is listed with the reason, and not run', async () => {
  const { checks } = openList();
  const work = vi.fn<() => never>();
  const finding = await checks.run({ id: 'a', subject: 'x', blockedBy: 'there is no database' }, work);
  expect(work).not.toHaveBeenCalled();
  expect(finding.status).toBe('skip');
  expect(checks.results).toMatchObject([{ status: 'skip', found: 'there is no database', fix: null }]);
});

test.each([
  [usageError('a', 'it is wrong', 'Correct it.'), 'it is wrong', 'Correct it'],
  [unavailableError('a', 'it is away'), 'it is away', 'see that it runs, then try again'],
  [
    new DatabaseError('no such function', '42883'),
    'the database refused to answer: no such function (SQLSTATE 42883)',
    'look into the log of the database',
  ],
  [
    new TypeError('x is undefined'),
    'this check has a bug: x is undefined',
    'please report it with this line; the other checks do not depend on it',
  ],
])('one that throws %o fails with what to do, and the others go on', async (error, found, fix) => {
  const { checks } = openList();
  await checks.run({ id: 'a', subject: 'x' }, () => {
    throw error;
  });
  await checks.run({ id: 'b', subject: 'y' }, () => ok('well'));
  expect(checks.results).toMatchObject([{ status: 'fail', found, fix }, { status: 'ok' }]);
});

test('one that hangs fails when its time is over, and is told to stop', async () => {
  const { checks, scope } = openList();
  let given: AbortSignal | undefined;
  let end = () => {};
  await checks.run({ id: 'a', subject: 'x', timeLimitMs: 10 }, (signal) => {
    given = signal;
    return new Promise((resolve) => (end = () => resolve(ok('too late'))));
  });
  expect(given?.aborted).toBe(true);
  expect(checks.results).toMatchObject([{ status: 'fail', found: 'no result within 0.01 s' }]);
  // The scope waits for what is still under way: its connections are closed by then.
  const order: string[] = [];
  const ended = scope[Symbol.asyncDispose]().then(() => order.push('scope'));
  order.push('work');
  end();
  await ended;
  expect(order).toEqual(['work', 'scope']);
  expect(checks.results).toHaveLength(1);
});

test('a stop ends the list with its reason, and keeps what there is', async () => {
  const controller = new AbortController();
  const { checks } = openList(controller.signal);
  await checks.run({ id: 'a', subject: 'x' }, () => ok('well'));
  const reason = new Error('stopped by SIGINT');
  const running = checks.run({ id: 'b', subject: 'y' }, async (signal) => {
    controller.abort(reason);
    signal.throwIfAborted();
    return ok('never');
  });
  await expect(running).rejects.toBe(reason);
  await expect(checks.run({ id: 'c', subject: 'z' }, () => ok('never'))).rejects.toBe(reason);
  expect(checks.results).toMatchObject([{ id: 'a' }]);
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
});
