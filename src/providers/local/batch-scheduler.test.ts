import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
import { VecpipeError } from '../../errors/vecpipe-error.ts';
import { BatchScheduler } from './batch-scheduler.ts';
import type { SchedulerOptions } from './batch-scheduler.ts';

// What a text does to its thread, by its first id; any other is answered by its first id and its length.
const CRASHES = 1001;
const HANGS = 1002;
const FAILS = 1003;
const FILLS_MEMORY = 1004;
const THROWS = 1005;
const IS_INSIDE = 1006;

/** Speaks the messages of worker-protocol.ts. Slots of the shared numbers: 0 opens the gate, 1 counts batches. */
const SCRIPT = `
const { parentPort, workerData } = require('node:worker_threads');
const shared = new Int32Array(workerData.shared);
const guard = new Int32Array(workerData.guard);
parentPort.on('message', (message) => {
  if (message.type === 'close') return parentPort.close();
  Atomics.add(shared, 1, 1);
  if (message.ids[0] === ${IS_INSIDE}) guard[0] = 1;
  parentPort.postMessage({ type: 'busy' });
  Atomics.wait(shared, 0, 0);
  guard[0] = 0;
  const vectors = new Float32Array(message.lengths.length * 2);
  let at = 0;
  message.lengths.forEach((length, text) => {
    const first = message.ids[at];
    if (first === ${CRASHES}) process.exit(7);
    if (first === ${THROWS}) throw new Error('thrown in the thread');
    if (first === ${HANGS}) for (;;);
    if (first === ${FILLS_MEMORY}) for (const kept = [];;) kept.push(new Array(1e5).fill(kept.length));
    vectors.set([first, length], text * 2);
    at += length;
  });
  if (message.ids.includes(${FAILS})) parentPort.postMessage({ type: 'failed', message: 'bad input' });
  else parentPort.postMessage({ type: 'done', vectors }, [vectors.buffer]);
});
if (workerData.start === 'crash') process.exit(3);
if (workerData.start === 'broken') {
  parentPort.postMessage({ type: 'broken', reason: 'model', message: 'no model' });
  parentPort.close();
} else parentPort.postMessage({ type: 'ready', dimensions: 2, isPooled: true, outputName: 'x' });
`;

interface Options extends Partial<SchedulerOptions> {
  /** How each thread starts, in turn; the last one counts for all further ones. */
  starts?: ('ready' | 'crash' | 'broken')[];
  isGateOpen?: boolean;
}

/** A scheduler over threads without a model. */
function createThreads({ starts = ['ready'], isGateOpen = true, ...options }: Options = {}) {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  let started = 0;
  let ended = 0;
  let tellBusy = () => {};
  const busy = new Promise<void>((resolve) => (tellBusy = resolve));
  const scheduler = new BatchScheduler({
    name: 'here',
    workers: 2,
    limits: { texts: 4, paddedTokens: 1000 },
    start: (guard) => {
      const worker = new Worker(SCRIPT, {
        eval: true,
        stdout: true,
        stderr: true,
        workerData: {
          guard: guard.memory,
          shared: shared.buffer,
          start: starts[Math.min(started, starts.length - 1)],
        },
        resourceLimits: { maxOldGenerationSizeMb: 16 },
      });
      started += 1;
      worker.once('exit', () => (ended += 1));
      worker.on('message', ({ type }: { type: string }) => {
        if (type === 'busy') tellBusy();
      });
      return worker;
    },
    ...options,
  });
  const openGate = () => {
    Atomics.store(shared, 0, 1);
    Atomics.notify(shared, 0);
  };
  if (isGateOpen) openGate();
  onTestFinished(async () => {
    openGate();
    await scheduler[Symbol.asyncDispose]().catch(() => {});
  });
  return {
    scheduler,
    openGate,
    batches: () => Atomics.load(shared, 1),
    /** Until a thread works on its first batch. */
    untilBusy: () => busy,
    started: () => started,
    ended: () => ended,
  };
}

async function openThreads(options: Options = {}) {
  const threads = createThreads(options);
  await threads.scheduler.open();
  return threads;
}

const text = (first: number, length = 1) => new Int32Array(length).fill(9).fill(first, 0, 1);
const plain = (vectors: Float32Array[]) => vectors.map((vector) => [...vector]);

async function failure(promise: Promise<unknown>): Promise<VecpipeError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(VecpipeError);
  return error as VecpipeError;
}

test('brings vectors back into the order of the texts, whatever their lengths and however many calls', async () => {
  const { scheduler } = await openThreads();
  const calls = Array.from({ length: 5 }, (_call, number) =>
    Array.from({ length: 40 }, (_text, index) => ({
      first: number * 100 + index,
      length: 1 + ((index * 37 + number * 11) % 23),
    })),
  );
  const answers = await Promise.all(
    calls.map((call) =>
      scheduler.run(
        call.map(({ first, length }) => text(first, length)),
        {},
      ),
    ),
  );
  expect(answers.map(plain)).toEqual(calls.map((call) => call.map(({ first, length }) => [first, length])));
});

test('gives every vector memory of its own', async () => {
  const { scheduler } = await openThreads();
  const vectors = await scheduler.run([text(1), text(2)], {});
  expect(vectors.map(({ buffer }) => buffer.byteLength)).toEqual([8, 8]);
});

test('has nothing to do for no texts', async () => {
  const { scheduler, batches } = await openThreads();
  expect(await scheduler.run([], {})).toEqual([]);
  expect(batches()).toBe(0);
});

test('shares few texts out to all threads', async () => {
  const { scheduler, batches } = await openThreads({ limits: { texts: 100, paddedTokens: 1000 } });
  await scheduler.run(
    Array.from({ length: 8 }, (_each, index) => text(index)),
    {},
  );
  expect(batches()).toBe(2);
});

test('an abort rejects at once with its reason, and what was not begun is never computed', async () => {
  const threads = await openThreads({ workers: 1, isGateOpen: false });
  const controller = new AbortController();
  const listeners = countListeners(controller.signal);
  const call = threads.scheduler.run(
    Array.from({ length: 40 }, (_each, index) => text(index)),
    { signal: controller.signal },
  );
  call.catch(() => {});
  await threads.untilBusy();
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(call).rejects.toBe(reason);
  expect(listeners()).toBe(0);
  threads.openGate();
  expect(plain(await threads.scheduler.run([text(5)], {}))).toEqual([[5, 1]]);
  // One was being computed, one had been sent behind it, and the last is the second call's.
  expect(threads.batches()).toBe(3);
});

test('an abort of one call leaves the others alone', async () => {
  const threads = await openThreads({ isGateOpen: false });
  const controller = new AbortController();
  const texts = Array.from({ length: 30 }, (_each, index) => text(index, 1 + (index % 5)));
  const aborted = threads.scheduler.run(texts, { signal: controller.signal });
  aborted.catch(() => {});
  const other = threads.scheduler.run(texts, {});
  await threads.untilBusy();
  controller.abort(new Error('enough'));
  threads.openGate();
  await expect(aborted).rejects.toThrow('enough');
  expect(plain(await other)).toEqual(texts.map((each, index) => [index, each.length]));
});

test('a batch that the model cannot compute fails its call with a sentence, and the next call works', async () => {
  const { scheduler, started } = await openThreads();
  expect(await failure(scheduler.run([text(FAILS)], {}))).toMatchObject({
    family: 'unavailable',
    code: 'model_run_failed',
    message: 'the model of provider here could not embed a batch: bad input',
  });
  expect(plain(await scheduler.run([text(1)], {}))).toEqual([[1, 1]]);
  expect(started()).toBe(2);
});

test.each([
  ['exits', CRASHES, /it ended with exit code 7$/],
  ['throws', THROWS, /: thrown in the thread$/],
  ['runs out of memory', FILLS_MEMORY, /memory/],
])('a thread that %s fails the call it worked for and is replaced', async (_name, first, message) => {
  const { scheduler, started } = await openThreads({ workers: 1 });
  const error = await failure(scheduler.run([text(first)], {}));
  expect(error).toMatchObject({ family: 'unavailable', code: 'provider_worker_crashed' });
  expect(error.message).toMatch(/^a worker thread of provider here ended unexpectedly: /);
  expect(error.message).toMatch(message);
  expect(plain(await scheduler.run([text(1)], {}))).toEqual([[1, 1]]);
  expect(started()).toBe(2);
});

test('a batch that waited behind the one that crashed goes to the new thread', async () => {
  const threads = await openThreads({ workers: 1, isGateOpen: false });
  const crashing = threads.scheduler.run([text(CRASHES)], {});
  crashing.catch(() => {});
  await threads.untilBusy();
  const behind = threads.scheduler.run([text(1), text(2)], {});
  threads.openGate();
  expect((await failure(crashing)).code).toBe('provider_worker_crashed');
  expect(plain(await behind)).toEqual([
    [1, 1],
    [2, 1],
  ]);
});

test('threads that die again and again are given up, with calls that wait and calls that come', async () => {
  const { scheduler, started, ended } = await openThreads({ workers: 1, starts: ['ready', 'crash'] });
  const crashing = scheduler.run([text(CRASHES)], {});
  crashing.catch(() => {});
  const waiting = scheduler.run([text(1)], {});
  waiting.catch(() => {});
  expect((await failure(crashing)).code).toBe('provider_worker_crashed');
  expect((await failure(waiting)).code).toBe('provider_worker_crashed');
  expect((await failure(scheduler.run([text(1)], {}))).code).toBe('provider_worker_crashed');
  expect([started(), ended()]).toEqual([3, 3]);
});

test('a crash now and then is no reason to give up', async () => {
  const { scheduler } = await openThreads({ workers: 1 });
  for (let round = 0; round < 5; round++) {
    await failure(scheduler.run([text(CRASHES)], {}));
    expect(plain(await scheduler.run([text(round)], {}))).toEqual([[round, 1]]);
  }
});

test.each(['crash', 'broken'] as const)(
  'opening fails when one thread does (%s), and ends all',
  async (start) => {
    const threads = createThreads({ workers: 3, starts: ['ready', 'ready', start] });
    await expect(threads.scheduler.open()).rejects.toThrow(start === 'crash' ? 'exit code 3' : 'no model');
    await threads.scheduler[Symbol.asyncDispose]();
    // No thread is started again.
    expect([threads.started(), threads.ended()]).toEqual([3, 3]);
  },
);

test('disposal rejects what is under way, ends the threads and may be repeated', async () => {
  const { scheduler, ended } = await openThreads();
  const call = scheduler.run(
    Array.from({ length: 50 }, (_each, index) => text(index)),
    {},
  );
  call.catch(() => {});
  await Promise.all([scheduler[Symbol.asyncDispose](), scheduler[Symbol.asyncDispose]()]);
  await expect(call).rejects.toThrow('the local provider here has been disposed');
  await expect(scheduler.run([text(1)], {})).rejects.toThrow('has been disposed');
  expect(ended()).toBe(2);
});

test('disposal ends a thread that hangs', async () => {
  const { scheduler, ended, untilBusy } = await openThreads({ workers: 1, closeMs: 20 });
  const call = scheduler.run([text(HANGS)], {});
  call.catch(() => {});
  await untilBusy();
  await scheduler[Symbol.asyncDispose]();
  await expect(call).rejects.toThrow('has been disposed');
  expect(ended()).toBe(1);
});

test('disposal does not break into native code, which would end the process, but says that it left a thread', async () => {
  const threads = await openThreads({ workers: 1, closeMs: 20, isGateOpen: false });
  const call = threads.scheduler.run([text(IS_INSIDE)], {});
  call.catch(() => {});
  await threads.untilBusy();
  await expect(threads.scheduler[Symbol.asyncDispose]()).rejects.toThrow(
    /still computing and was left behind$/,
  );
  expect(threads.ended()).toBe(0);
  threads.openGate();
  // By itself, as it was told to.
  await vi.waitFor(() => expect(threads.ended()).toBe(1));
});

function countListeners(signal: AbortSignal): () => number {
  let count = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    count += 1;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    count -= 1;
    remove(...args);
  };
  return () => count;
}
