import type { Ground } from './ground.ts';
import { Tally } from './tally.ts';
import type { VecpipeProcess } from './vecpipe-process.ts';

export interface CrewOptions {
  workers: number;
  /** Arguments of each worker's `vecpipe vectorize`. */
  args: readonly string[];
}

interface Worker {
  /** What the gateway knows it by. */
  name: string;
  process: VecpipeProcess;
  /** Has sent a request since it was started. */
  isWorking: boolean;
}

/** Keeps so many processes at work: whoever ends, by itself or because it was killed, is started again at once. */
export class Crew implements AsyncDisposable {
  /** How processes have ended. */
  readonly exitCodes = new Tally();
  /** What those said that ended otherwise than well and were not killed. */
  readonly complaints: { exitCode: number; stderr: string }[] = [];
  readonly #ground: Ground;
  readonly #options: CrewOptions;
  readonly #workers: Worker[] = [];
  readonly #lives = new Set<Promise<void>>();
  #isDismissed = false;
  #started = 0;

  constructor(ground: Ground, options: CrewOptions) {
    this.#ground = ground;
    this.#options = options;
    for (let place = 0; place < options.workers; place += 1) this.#start(place);
  }

  get working(): number {
    return this.#workers.filter(({ isWorking }) => isWorking).length;
  }

  /** To be told of every request. */
  requested(authorization: string | undefined): void {
    for (const worker of this.#workers) {
      if (authorization === `Bearer ${worker.name}`) worker.isWorking = true;
    }
  }

  /** Kills one of those at work and starts it again. @returns its process id, or null when none is at work */
  kill(victim: number): number | null {
    const working = this.#workers.filter(({ isWorking, process }) => isWorking && !process.isOver);
    const worker = working[Math.floor(victim * working.length)];
    if (!worker) return null;
    worker.isWorking = false;
    worker.process.kill('SIGKILL');
    return worker.process.pid;
  }

  /** Starts nobody any more, and resolves when all have ended by themselves. */
  async dismiss(): Promise<void> {
    this.#isDismissed = true;
    await Promise.all(this.#lives);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDismissed = true;
    for (const { process } of this.#workers) process.kill('SIGKILL');
    await Promise.all(this.#lives);
  }

  #start(place: number): void {
    this.#started += 1;
    const name = `worker-${this.#started}`;
    const process = this.#ground.start(this.#options.args, name);
    this.#workers[place] = { name, process, isWorking: false };
    const life = process.ended.then(({ exitCode, stderr }) => {
      this.#lives.delete(life);
      this.exitCodes.add(exitCode);
      if (exitCode !== 0 && exitCode !== 137) this.complaints.push({ exitCode, stderr });
      if (!this.#isDismissed) this.#start(place);
    });
    this.#lives.add(life);
  }
}
