import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { unavailableError, type VecpipeError } from '../../errors/vecpipe-error.ts';
import { pause } from '../../lifetime/abort.ts';
import { isProcessAlive, processSpace, processStartTicks } from '../../util/process-space.ts';
import { displayPath, folderError } from './folder-error.ts';

export interface FolderLockOptions {
  /** What this process is doing, for the message that another one gets, such as `vecpipe vectorize`. */
  command: string;
  signal?: AbortSignal | undefined;
}

/** Who holds a folder. */
interface Owner {
  /** Unique for each time that a lock was taken. */
  token: string;
  space: string;
  pid: number;
  startedAtTicks: number | null;
  command: string;
  /** ISO 8601. */
  since: string;
}

/**
 * Takes `<folder>.lock`, so that one process at a time uses the folder. Dispose to give it back; a process that
 * dies leaves its file behind, and the next one takes over.
 *
 * A lock file appears with its whole content at once (it is linked into place) and is never changed. The lock of a
 * dead owner with token T is not deleted, which could hit the lock of somebody who was faster: it is succeeded
 * by `<folder>.lock.T`, and only one process can link that name. The owner is the end of the chain that begins
 * at `<folder>.lock`. A successor that finds itself there moves its file to the front of the chain; one that does
 * not was too late and withdraws.
 *
 * @throws {VecpipeError} `unavailable` when another process is using the folder, `usage` when the lock cannot be
 *   written
 */
export async function lockFolder(folder: string, options: FolderLockOptions): Promise<AsyncDisposable> {
  const lock = `${folder}.lock`;
  const own: Owner = {
    token: randomUUID(),
    space: processSpace(),
    pid: process.pid,
    startedAtTicks: processStartTicks(),
    command: options.command,
    since: new Date().toISOString(),
  };
  try {
    await mkdir(dirname(lock), { recursive: true });
    await claim(folder, own, options.signal);
    await removeLeftovers(lock);
  } catch (error) {
    throw folderError(error, folder);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      if ((await endOfChain(lock)).owner?.token === own.token) await rm(lock, { force: true });
    },
  };
}

async function claim(folder: string, own: Owner, signal?: AbortSignal): Promise<void> {
  const lock = `${folder}.lock`;
  for (;;) {
    signal?.throwIfAborted();
    const { owner, successor } = await endOfChain(lock);
    if (owner && isAlive(owner)) throw inUse(folder, owner);
    if (!(await createWhole(successor, own))) continue;
    if (successor === lock) return;
    if ((await endOfChain(lock)).owner?.token === own.token) {
      await rename(successor, lock);
      return;
    }
    await rm(successor, { force: true });
  }
}

function isAlive(owner: Owner): boolean {
  return owner !== UNREADABLE && isProcessAlive(owner.space, owner.pid, owner.startedAtTicks);
}

/** The last owner of the chain, null when the folder is free, and the name that its successor has to create. */
async function endOfChain(lock: string): Promise<{ owner: Owner | null; successor: string }> {
  let owner: Owner | null = null;
  let successor = lock;
  for (;;) {
    const next = await readOwner(successor);
    if (!next) return { owner, successor };
    owner = next;
    successor = `${lock}.${next.token}`;
  }
}

/** How long a file may stay without its content before it counts as left behind by a process that died. */
const PARTIAL_LIMIT_MS = 2_000;

/** Stands for whoever died before the content of the lock was written. */
const UNREADABLE: Owner = {
  token: 'unreadable',
  space: '',
  pid: 0,
  startedAtTicks: null,
  command: '',
  since: '',
};

async function readOwner(file: string): Promise<Owner | null> {
  for (const giveUpAt = Date.now() + PARTIAL_LIMIT_MS; ; await pause(20)) {
    try {
      const owner = JSON.parse(await readFile(file, 'utf8')) as Partial<Owner> | null;
      if (typeof owner?.token === 'string') return { ...UNREADABLE, ...owner };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      if (!(error instanceof SyntaxError)) throw error;
    }
    // Only on a file system without hard links can a file be seen before its content.
    if (Date.now() > giveUpAt) return UNREADABLE;
  }
}

/** Creates the file with its content in one step. False when it exists already. */
async function createWhole(file: string, owner: Owner): Promise<boolean> {
  const content = `${JSON.stringify(owner)}\n`;
  const draft = `${file}.draft-${owner.token}`;
  await writeFile(draft, content, { flag: 'wx' });
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') return false;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
    return createWithoutLink(file, content);
  } finally {
    await rm(draft, { force: true });
  }
}

/** For file systems without hard links, such as exFAT. */
async function createWithoutLink(file: string, content: string): Promise<boolean> {
  try {
    await writeFile(file, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** A draft older than this was left behind by a process that died. */
const DRAFT_LIMIT_MS = 60_000;

/** Removes what dead processes left beside the lock. A live claimant whose claim goes was too late anyway. */
async function removeLeftovers(lock: string): Promise<void> {
  const prefix = `${basename(lock)}.`;
  for (const name of await readdir(dirname(lock))) {
    if (!name.startsWith(prefix)) continue;
    const file = join(dirname(lock), name);
    if (name.includes('.draft-') && !(await isOlderThan(file, DRAFT_LIMIT_MS))) continue;
    await rm(file, { force: true });
  }
}

async function isOlderThan(file: string, ageMs: number): Promise<boolean> {
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }));
  return Date.now() - mtimeMs > ageMs;
}

function inUse(folder: string, owner: Owner): VecpipeError {
  const who =
    owner.pid === process.pid && owner.space === processSpace() ? 'this process' : `process ${owner.pid}`;
  const isElsewhere = owner.space !== processSpace();
  const place = isElsewhere ? ` of another container or machine, ${owner.space.split('/', 1)[0]}` : '';
  return unavailableError(
    'database_in_use',
    `the embedded database in ${displayPath(folder)} is in use by ${who}${place} (${owner.command}, since ${clockTime(owner.since)})`,
    'Wait for it to end, or set DATABASE_URL to a Postgres server, which several processes can share.' +
      (isElsewhere ? ` If that process is gone, delete ${displayPath(folder)}.lock.` : ''),
  );
}

/** Local time, with the date when it was not today. */
function clockTime(iso: string): string {
  const moment = new Date(iso);
  const time = moment.toTimeString().slice(0, 8);
  return moment.toDateString() === new Date().toDateString() ? time : `${moment.toDateString()} ${time}`;
}
