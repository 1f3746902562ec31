import { expect, test, vi } from 'vitest';
import { Scope } from './scope.ts';

function openScope(timeLimitMs?: number) {
  const warnings: string[] = [];
  const scope = new Scope((message) => warnings.push(message), timeLimitMs);
  return { scope, warnings };
}

test('releases last in, first out, one after another', async () => {
  const order: string[] = [];
  {
    const { scope: opened } = openScope();
    await using scope = opened;
    for (const name of ['pool', 'provider', 'lease']) {
      scope.defer(name, async () => {
        order.push(`${name} begins`);
        await Promise.resolve();
        order.push(`${name} ends`);
      });
    }
  }
  expect(order).toEqual([
    'lease begins',
    'lease ends',
    'provider begins',
    'provider ends',
    'pool begins',
    'pool ends',
  ]);
});

test('owns what it is given, and gives it back', async () => {
  const { scope } = openScope();
  const closed: string[] = [];
  const asynchronous = { [Symbol.asyncDispose]: async () => void closed.push('asynchronous') };
  const synchronous = { [Symbol.dispose]: () => void closed.push('synchronous') };
  expect(scope.use('a', asynchronous)).toBe(asynchronous);
  expect(scope.use('b', synchronous)).toBe(synchronous);
  await scope[Symbol.asyncDispose]();
  expect(closed).toEqual(['synchronous', 'asynchronous']);
});

test('a cleanup that fails is a warning and stops no other', async () => {
  const { scope, warnings } = openScope();
  const closed: string[] = [];
  scope.defer('first', () => void closed.push('first'));
  scope.defer('second', () => {
    throw new Error('at once');
  });
  scope.defer('third', async () => Promise.reject(new Error('later')));
  scope.defer('fourth', () => void closed.push('fourth'));
  await scope[Symbol.asyncDispose]();
  expect(closed).toEqual(['fourth', 'first']);
  expect(warnings).toEqual(['closing third failed: later', 'closing second failed: at once']);
});

test('a cleanup that hangs is left behind after its time, and stops no other', async () => {
  const { scope, warnings } = openScope(20);
  const closed: string[] = [];
  scope.defer('first', () => void closed.push('first'));
  scope.defer('second', () => new Promise(() => {}));
  scope.defer('third', () => void closed.push('third'));
  await scope[Symbol.asyncDispose]();
  expect(closed).toEqual(['third', 'first']);
  expect(warnings).toEqual(['closing second took longer than 20 ms and was left behind']);
});

test('a cleanup that fails after it was left behind is nobody’s rejection', async () => {
  const { scope, warnings } = openScope(1);
  let fail: (error: Error) => void = () => {};
  scope.defer('late', () => new Promise((_resolve, reject) => (fail = reject)));
  await scope[Symbol.asyncDispose]();
  fail(new Error('too late'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual(['closing late took longer than 1 ms and was left behind']);
});

test('a cleanup that is quick leaves no timer behind', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const { scope } = openScope(60_000);
  scope.defer('quick', () => {});
  scope.defer('failing', () => Promise.reject(new Error('broken')));
  await scope[Symbol.asyncDispose]();
  expect(timers()).toBe(before);
});

test('releases once, however often it is disposed', async () => {
  const { scope } = openScope();
  const close = vi.fn<() => void>();
  scope.defer('a', close);
  await Promise.all([scope[Symbol.asyncDispose](), scope[Symbol.asyncDispose]()]);
  await scope[Symbol.asyncDispose]();
  expect(close).toHaveBeenCalledTimes(1);
});

test('does not hide the error that ended the block', async () => {
  const { scope: opened, warnings } = openScope();
  const body = async () => {
    await using scope = opened;
    scope.defer('a', () => {
      throw new Error('of the cleanup');
    });
    throw new Error('of the body');
  };
  await expect(body()).rejects.toThrow(/^of the body$/);
  expect(warnings).toEqual(['closing a failed: of the cleanup']);
});

test('takes nothing more once it has ended', async () => {
  const { scope } = openScope();
  await scope[Symbol.asyncDispose]();
  expect(() => scope.defer('late', () => {})).toThrow(/the scope has ended; late cannot be added/);
});
