import { statfs } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { unavailableError, usageError, VecpipeError } from '../../errors/vecpipe-error.ts';
import type { BoundValue, QueryResult } from '../../ports/database.ts';
import { isErrorResponse } from '../sql-error.ts';
import { valueParsers } from '../value-parsers.ts';
import { toValueText } from '../value-text.ts';
import { displayPath } from './folder-error.ts';
import { firstLine, pgliteError } from './pglite-error.ts';

/** Four files of the log, each 16 MB: a batch writes less than three. */
const MINIMUM_FREE_BYTES = 64 * 1024 * 1024;

const TURN_MS = 20;

/** Asking costs as much as a small statement does. */
const ROOM_CHECK_MS = 100;

/**
 * PGlite on a folder, with translated values and errors. Not safe for statements at once: the callers take turns.
 *
 * After a PANIC (such as a full disk) PGlite does not answer again, it spins; so a broken engine runs nothing
 * more, and is dropped instead of closed. The next opening recovers from the log, as after a crash.
 */
export class PgliteEngine {
  readonly #pglite: PGlite;
  readonly #folder: string;
  readonly #minimumFreeBytes: number;
  #roomCheckedAt = -Infinity;
  #turnEndsAt = 0;
  #breakdown: { error: unknown } | undefined;

  private constructor(pglite: PGlite, folder: string, minimumFreeBytes: number) {
    this.#pglite = pglite;
    this.#folder = folder;
    this.#minimumFreeBytes = minimumFreeBytes;
  }

  /**
   * Starts the engine; creates the database when the folder does not exist. pgvector can be created in it.
   * @param shownAs the folder to name in messages, where it is not the one with the files
   * @throws {VecpipeError} `usage` when the folder does not hold a sound database, `unavailable` when the disk is full
   */
  static async start(
    folder: string,
    shownAs: string = folder,
    minimumFreeBytes: number = MINIMUM_FREE_BYTES,
  ): Promise<PgliteEngine> {
    let complaint: string | undefined;
    const onStderr = (line: string): boolean => {
      complaint = /(?:FATAL|PANIC|postgres):\s+(.*)/.exec(line)?.[1] ?? complaint;
      return false;
    };
    try {
      const pglite = await PGlite.create(folder, { extensions: { vector }, onStderr });
      // The driver parses more types than the other adapter, and array types only if they existed when it
      // started; values must not depend on that.
      pglite.parsers = valueParsers();
      pglite.serializers = {};
      return new PgliteEngine(pglite, shownAs, minimumFreeBytes);
    } catch (error) {
      throw openingError(error, complaint, shownAs);
    }
  }

  async query<Row>(sql: string, values: readonly BoundValue[] = []): Promise<QueryResult<Row>> {
    const { rows, fields, affectedRows } = await this.#run(() =>
      this.#pglite.query<Row>(sql, values.map(toValueText)),
    );
    return {
      rows,
      columns: fields.map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID })),
      changed: affectedRows ?? 0,
    };
  }

  /**
   * To be awaited before anything that may write. A log file that cannot be extended makes PGlite spin in the very
   * statement, where neither a signal nor an error can reach it; so there must be room for some before.
   * @throws {VecpipeError} `unavailable` when the disk is nearly full
   */
  async assertRoom(): Promise<void> {
    const now = performance.now();
    if (now < this.#roomCheckedAt + ROOM_CHECK_MS) return;
    this.#roomCheckedAt = now;
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize >= this.#minimumFreeBytes) return;
    this.#roomCheckedAt = -Infinity;
    const megabytes = Math.round(this.#minimumFreeBytes / 1024 / 1024);
    throw unavailableError(
      'database_disk_full',
      `the embedded database in ${displayPath(this.#folder)} has less than ${megabytes} MB of disk space left`,
      'Free some space; the same command goes on where this one stopped.',
    );
  }

  async execute(script: string): Promise<void> {
    await this.#run(() => this.#pglite.exec(script));
  }

  /** Calls `listener` with the channel of every notification on those that a LISTEN has named. */
  onNotification(listener: (channel: string) => void): void {
    this.#pglite.onNotification((channel) => listener(channel));
  }

  /** Never throws: there is nothing left to do about a database that cannot be closed. */
  async close(): Promise<void> {
    if (!this.#breakdown) await this.#pglite.close().catch(() => {});
  }

  /** Its statements are promises that never wait: without this, signals and heartbeats would, for seconds. */
  async #letOthersRun(): Promise<void> {
    if (performance.now() < this.#turnEndsAt) return;
    await setImmediate();
    this.#turnEndsAt = performance.now() + TURN_MS;
  }

  async #run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#breakdown) throw this.#breakdown.error;
    try {
      const result = await work();
      await this.#letOthersRun();
      return result;
    } catch (error) {
      const translated = pgliteError(error, this.#folder);
      if (!isErrorResponse(error) || error.severity === 'PANIC' || error.severity === 'FATAL') {
        this.#breakdown = { error: translated };
      }
      throw translated;
    }
  }
}

function openingError(error: unknown, complaint: string | undefined, folder: string): unknown {
  const translated = pgliteError(error, folder);
  if (translated instanceof VecpipeError && translated.code !== 'database_failed') return translated;
  if (complaint?.includes('No space left on device')) {
    return pgliteError(Object.assign(new Error(complaint), { code: 'ENOSPC', syscall: 'write' }), folder);
  }
  return usageError(
    'database_folder_unusable',
    `cannot open the embedded database in ${displayPath(folder)}: ${complaint ?? firstLine(error)}`,
    'If it is damaged, move the folder away, then sync and vectorize again.',
  );
}
