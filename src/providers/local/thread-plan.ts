import { availableParallelism } from 'node:os';

/** Worker threads, each with a copy of the model, and the threads that each of them computes with. */
export interface ThreadPlan {
  workers: number;
  threads: number;
}

/**
 * More copies of a model cost memory and gain little: beyond this, cores go into threads. On two cores, two workers
 * of one thread are 1.13 times as fast as one worker of two.
 */
const MAX_CHOSEN_WORKERS = 4;
/** What a loaded model takes, by the size of its weights: the weights, packed again for the CPU, and room to work. */
const MEMORY_BY_WEIGHTS = 3;

/**
 * Divides the cores: one worker a core up to four, the remaining cores as threads of them, and no more copies of the
 * model than fit into half of the free memory. What the config says is taken as it is, and the other number follows.
 *
 * @param weightsBytes size of the file that each worker loads
 * @param freeBytes memory that can be had without swapping
 */
export function planThreads(
  config: { workers: number | null; threads: number | null },
  weightsBytes: number,
  cores: number = availableParallelism(),
  freeBytes: number = process.availableMemory(),
): ThreadPlan {
  const affordable = Math.max(1, Math.floor(freeBytes / 2 / (weightsBytes * MEMORY_BY_WEIGHTS)));
  const wanted = Math.floor(cores / (config.threads ?? 1));
  const workers = config.workers ?? Math.max(1, Math.min(wanted, MAX_CHOSEN_WORKERS, affordable));
  return { workers, threads: config.threads ?? Math.max(1, Math.floor(cores / workers)) };
}
