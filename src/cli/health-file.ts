import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { usageError } from '../errors/vecpipe-error.ts';
import type { Report } from '../ports/run-events.ts';
import { fileErrorReason } from '../util/file-error.ts';

/** `waiting`: as `idle`, but not everything can be worked on, and is tried again. */
export type HealthState = 'starting' | 'working' | 'idle' | 'waiting' | 'stopping';

/** What the file holds, as JSON. */
export interface Health {
  state: HealthState;
  pid: number;
  runId: string;
  /** When this was written, ISO 8601. */
  at: string;
  /** When the last pass ended; null before. */
  lastPassAt: string | null;
  /** One sentence about what cannot be worked on now, or null. */
  lastError: string | null;
}

export interface HealthFileOptions {
  runId: string;
  workingDirectory: string;
  /** From then on it says `stopping`. */
  stop: AbortSignal;
  report: Report;
  /** How often it is written where nothing changes; 5 s when left out. */
  beatMs?: number;
}

type Changes = Partial<Pick<Health, 'state' | 'lastPassAt' | 'lastError'>>;

const DEFAULT_BEAT_MS = 5_000;

/**
 * A file by which a supervisor sees that the process lives and what it does. Replaced whole at every change and every
 * few seconds; removed when the run ends in order, so that one which is there and old means that the process hangs
 * or died. The opener disposes.
 */
export class HealthFile implements AsyncDisposable {
  readonly #path: string;
  readonly #draft: string;
  readonly #options: HealthFileOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #onStop = () => this.set({ state: 'stopping' });
  #health: Omit<Health, 'at'>;
  #writing: Promise<void> | undefined;
  #isStale = false;
  #failure: string | null = null;
  #hasEnded = false;

  private constructor(path: string, options: HealthFileOptions) {
    const { runId, stop, beatMs = DEFAULT_BEAT_MS } = options;
    this.#path = path;
    this.#draft = `${path}.${process.pid}.tmp`;
    this.#options = options;
    this.#health = { state: 'starting', pid: process.pid, runId, lastPassAt: null, lastError: null };
    this.#timer = setInterval(() => this.set({}), beatMs);
    stop.addEventListener('abort', this.#onStop, { once: true });
  }

  /** @throws {VecpipeError} usage `health_file_unwritable`; then nothing is left behind */
  static async open(path: string, options: HealthFileOptions): Promise<HealthFile> {
    const file = new HealthFile(resolve(options.workingDirectory, path), options);
    try {
      await refuseForeign(file.#path);
      await file.#write();
      return file;
    } catch (error) {
      file.#end();
      await rm(file.#draft, { force: true }).catch(() => {});
      throw usageError(
        'health_file_unwritable',
        `the health file ${path} (--health-file) cannot be written: ${fileErrorReason(error)}`,
        'name a file in a folder that exists and may be written to',
        error,
      );
    }
  }

  /** Takes over what has changed; it is written soon. */
  set(changes: Changes): void {
    if (this.#hasEnded) return;
    const state = this.#options.stop.aborted ? 'stopping' : (changes.state ?? this.#health.state);
    this.#health = { ...this.#health, ...changes, state };
    this.#isStale = true;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Never throws. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    this.#isStale = false;
    await this.#writing;
    for (const path of [this.#path, this.#draft]) await rm(path, { force: true }).catch(() => {});
  }

  #end(): void {
    this.#hasEnded = true;
    clearInterval(this.#timer);
    this.#options.stop.removeEventListener('abort', this.#onStop);
  }

  /** What changes while it is being written is written afterwards, once. */
  async #writeAll(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      try {
        await this.#write();
        this.#failure = null;
      } catch (error) {
        this.#warn(fileErrorReason(error));
      }
    }
  }

  /** A reader sees all of it or what was there before. */
  async #write(): Promise<void> {
    const { state, pid, runId, ...rest } = this.#health;
    const health: Health = { state, pid, runId, at: new Date().toISOString(), ...rest };
    await writeFile(this.#draft, `${JSON.stringify(health)}\n`);
    await rename(this.#draft, this.#path);
  }

  #warn(reason: string): void {
    if (reason === this.#failure) return;
    this.#failure = reason;
    this.#options.report({ type: 'warning', message: `the health file could not be written: ${reason}` });
  }
}

/** A slip of the hand must not cost anybody a file: only one that a run has left behind is replaced. */
async function refuseForeign(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null || (found.isFile() && found.size === 0)) return;
  const text = found.isFile() ? await readFile(path, 'utf8') : '';
  if (!/^\{"state":"[a-z]+","pid":\d+,"runId":"/.test(text)) {
    throw new Error(found.isDirectory() ? 'it is a folder' : 'it is there already and is no health file');
  }
}
