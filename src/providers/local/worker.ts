import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '../../util/error-message.ts';
import { LocalModel } from './local-model.ts';
import { NativeGuard } from './native-guard.ts';
import type { WorkerAnswer, WorkerData, WorkerRequest } from './worker-protocol.ts';

const data = workerData as WorkerData;
const guard = new NativeGuard(data.guard);

/**
 * The thread that computes: a run of the model blocks the event loop of its thread, so it must not be the main one.
 * Speaks the messages of worker-protocol.ts; it ends when it is told to, or when there is no model.
 */
async function main(): Promise<void> {
  const model = await loadModel();
  if (model === null) {
    parentPort?.close();
    return;
  }
  let last = Promise.resolve();
  parentPort?.on('message', (request: WorkerRequest) => {
    last = last.then(() => (request.type === 'close' ? close(model) : run(model, request)));
  });
  answer({ type: 'ready', ...model.shape });
}

async function loadModel(): Promise<LocalModel | null> {
  let reason: 'package' | 'model' = 'package';
  try {
    const transformers = await guard.run(() => import('@xenova/transformers'));
    if (transformers === null) return null;
    reason = 'model';
    return await guard.run(() => LocalModel.load(transformers, data));
  } catch (error) {
    answer({ type: 'broken', reason, message: errorMessage(error) });
    return null;
  }
}

async function run(model: LocalModel, request: WorkerRequest & { type: 'run' }): Promise<void> {
  try {
    const vectors = await guard.run(() => model.run(request));
    // Nobody waits for an answer any more.
    if (vectors !== null) answer({ type: 'done', vectors }, [vectors.buffer]);
  } catch (error) {
    answer({ type: 'failed', message: errorMessage(error) });
  }
}

async function close(model: LocalModel): Promise<void> {
  try {
    await guard.finish(() => model.release());
  } finally {
    parentPort?.close();
  }
}

function answer(message: WorkerAnswer, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

await main();
