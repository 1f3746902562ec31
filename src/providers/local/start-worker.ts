import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { WorkerOptions } from 'node:worker_threads';
import type { WorkerData } from './worker-protocol.ts';

/** Starts the script of worker.ts, built or as it is. */
export function startWorker(workerData: WorkerData): Worker {
  // Output is not piped on: a library that writes would do so into that of the program. Flags are not handed down:
  // some, such as --input-type, are for the main script alone and would keep the thread from starting.
  const options: WorkerOptions = { workerData, stdout: true, stderr: true, execArgv: [] };
  if (import.meta.url.endsWith('.ts')) return new Worker(sourceLoader(), { ...options, eval: true });
  return new Worker(new URL('./worker.js', import.meta.url), options);
}

/**
 * Tests run the source, from which Node 20 cannot take the types away. Registering the loader would start one more
 * thread beside each of these and take four times as long.
 */
function sourceLoader(): string {
  const jiti = JSON.stringify(createRequire(import.meta.url).resolve('jiti'));
  const script = JSON.stringify(fileURLToPath(new URL('./worker.ts', import.meta.url)));
  return `require(${jiti}).createJiti(${script}).import(${script});`;
}
