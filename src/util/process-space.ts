import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

const UNKNOWN = '-';

/**
 * Names the space in which a process id means something: host, boot and pid namespace, separated by `/`. Two
 * containers on one machine have different spaces, and so have one machine before and after a restart. Outside
 * Linux only the host is known and the other parts are `-`.
 */
export function processSpace(): string {
  return [hostname().replaceAll('/', '_'), bootId(), pidNamespace()].join('/');
}

/**
 * When a process started, in clock ticks since boot: together with the id it names one process for good, since
 * ids are used again. Null where that cannot be read (no such process, or not Linux).
 *
 * Field 22 of /proc/<pid>/stat, https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
export function processStartTicks(pid: number = process.pid): number | null {
  const ticks = Number(statFields(pid)?.[19]);
  return Number.isSafeInteger(ticks) ? ticks : null;
}

/**
 * False only when it is certain that the process has ended. A process of another container or machine cannot be
 * looked at from here, so it counts as alive; one of this host before its last restart has ended.
 *
 * @param space what `processSpace()` returned in that process
 * @param startedAtTicks what `processStartTicks()` returned in that process, or null when it is not known
 */
export function isProcessAlive(space: string, pid: number, startedAtTicks: number | null): boolean {
  if (space !== processSpace()) return !isEarlierBoot(space);
  if (!idIsTaken(pid)) return false;
  const fields = statFields(pid);
  // Another user's process may be hidden from /proc; that its id is taken is then all there is to know.
  if (!fields) return true;
  // A zombie runs no more code, it only waits for its parent to look.
  if (fields[0] === 'Z' || fields[0] === 'X') return false;
  return startedAtTicks === null || Number(fields[19]) === startedAtTicks;
}

function isEarlierBoot(space: string): boolean {
  const [host, boot] = space.split('/');
  const [ownHost, ownBoot] = processSpace().split('/');
  return host === ownHost && boot !== UNKNOWN && ownBoot !== UNKNOWN && boot !== ownBoot;
}

function idIsTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The fields of /proc/<pid>/stat from the third (state) on; what stands before may hold spaces and brackets. */
function statFields(pid: number): string[] | null {
  const stat = readText(`/proc/${pid}/stat`);
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id')?.trim() ?? UNKNOWN;
}

function pidNamespace(): string {
  try {
    // Reads as `pid:[4026531836]`.
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
