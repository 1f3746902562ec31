import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { execa } from 'execa';

const BINARY = fileURLToPath(new URL('../../bin/vecpipe.js', import.meta.url));

/** A process that has not ended by then is killed, and the test fails. */
const PATIENCE_MS = 50_000;
/** What a process may take to end once it has said its last word. */
const LINGER_MS = 5_000;
/** All that a process gets of the environment that the tests run in. */
const PASSED_ON = ['PATH', 'HOME', 'TMPDIR', 'TMP', 'TEMP', 'SystemRoot', 'NODE_V8_COVERAGE'];

export type Environment = Readonly<Record<string, string | undefined>>;

export interface SpawnOptions {
  cwd: string;
  environment?: Environment;
  /** What standard input holds; nothing when left out. */
  stdin?: string | Uint8Array;
  /** Makes standard input a pipe that nobody closes. */
  keepStdinOpen?: boolean;
}

/** How a process ended. */
export interface Ended {
  /** 128 and the signal's number when a signal ended it, as shells say it. */
  exitCode: number;
  stdout: string;
  stderr: string;
  durationMs: number;
}

export interface Running {
  readonly pid: number;
  /** Resolves when stderr holds a match, or rejects when the process ends without one. */
  stderrHas(pattern: RegExp): Promise<void>;
  /** The same for stdout. */
  stdoutHas(pattern: RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Writes to standard input, which has to be kept open. */
  write(text: string): void;
  /** Resolves when the process is gone; rejects when it did not behave, see {@link startVecpipe}. */
  readonly ended: Promise<Ended>;
}

const SIGNAL_NUMBERS: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGTERM: 15,
};

/**
 * Starts the built program. Whatever the test is about, it fails when the process hangs, goes on for five seconds
 * after its last output, prints a stack, a process warning, control characters or a warning about its own
 * clean-up, or ends with the code for a bug.
 */
export function startVecpipe(args: readonly string[], options: SpawnOptions): Running {
  return start(process.execPath, [BINARY, ...args], options);
}

export function runVecpipe(args: readonly string[], options: SpawnOptions): Promise<Ended> {
  return startVecpipe(args, options).ended;
}

/**
 * Runs a bash script in which `vecpipe` is the built program, for what only a shell can do to a process's streams.
 * With `pipefail`: the script's exit code is vecpipe's own unless the script says otherwise.
 */
export function runInShell(script: string, options: SpawnOptions): Promise<Ended> {
  const prelude = `set -o pipefail; vecpipe() { ${JSON.stringify(process.execPath)} ${JSON.stringify(BINARY)} "$@"; }`;
  return start('bash', ['-c', `${prelude}\n${script}`], options).ended;
}

/**
 * Starts it in a terminal of its own, all of whose output is given as stdout; `write` is what somebody types there.
 * @param size as `stty` takes it, such as `cols 80 rows 24`
 */
export function startInTerminal(args: readonly string[], size: string, options: SpawnOptions): Running {
  const command = [process.execPath, BINARY, ...args].map((word) => `'${word}'`).join(' ');
  return start('script', ['-qec', `stty ${size}; exec ${command}`, '/dev/null'], {
    ...options,
    keepStdinOpen: true,
    isTerminal: true,
  });
}

interface StartOptions extends SpawnOptions {
  isTerminal?: boolean;
}

function start(file: string, args: readonly string[], options: StartOptions): Running {
  const { cwd, environment = {}, stdin, keepStdinOpen = false, isTerminal = false } = options;
  const startedAt = performance.now();
  const child = execa(file, args, {
    cwd,
    env: { ...passedOn(), NODE_OPTIONS: '--trace-warnings', ...environment },
    extendEnv: false,
    ...(stdin === undefined ? { stdin: keepStdinOpen ? 'pipe' : 'ignore' } : { input: stdin }),
    reject: false,
    stripFinalNewline: false,
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  });
  const seen = { stdout: '', stderr: '' };
  let lastOutputAt: number | null = null;
  const watchers = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer | string) => {
      lastOutputAt = performance.now();
      seen[name] += String(chunk);
      for (const watcher of watchers) watcher();
    });
  }

  const ended = child.then((result): Ended => {
    const endedAt = performance.now();
    const outcome: Ended = {
      exitCode: result.exitCode ?? 128 + (SIGNAL_NUMBERS[result.signal as NodeJS.Signals] ?? 0),
      stdout: result.stdout,
      stderr: result.stderr,
      durationMs: endedAt - startedAt,
    };
    if (result.timedOut) throw new Error(misbehaved(args, `did not end within ${PATIENCE_MS} ms`, outcome));
    const lingeredMs = lastOutputAt === null ? 0 : Math.round(endedAt - lastOutputAt);
    const problem =
      misbehaviour(outcome, isTerminal) ??
      (lingeredMs > LINGER_MS && !result.isTerminated
        ? `went on for ${lingeredMs} ms after its last output`
        : null);
    if (problem !== null) throw new Error(misbehaved(args, problem, outcome));
    return outcome;
  });
  // A test that fails before it waits must not be followed by an unhandled rejection.
  ended.catch(() => {});

  const has = (name: 'stdout' | 'stderr', pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(seen[name])) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
      ended.then(
        () => reject(new Error(`the process ended without ${String(pattern)}:\n${seen[name]}`)),
        reject,
      );
    });

  return {
    pid: child.pid ?? 0,
    ended,
    kill: (signal) => void child.kill(signal),
    write: (text) => void child.stdin?.write(text),
    stdoutHas: (pattern) => has('stdout', pattern),
    stderrHas: (pattern) => has('stderr', pattern),
  };
}

function passedOn(): Record<string, string | undefined> {
  return Object.fromEntries(PASSED_ON.map((name) => [name, process.env[name]]));
}

/** What no run of vecpipe may do, however it ends; null when it did nothing of the kind. */
function misbehaviour({ exitCode, stdout, stderr }: Ended, isTerminal: boolean): string | null {
  const output = stdout + stderr;
  if (/^\(node:\d+\)/m.test(stderr)) return 'printed a process warning';
  if (/^\s+at .*[:(]/m.test(output)) return 'printed a stack';
  if (!isTerminal && stripVTControlCharacters(output) !== output)
    return 'printed control characters without a terminal';
  if (/Warning: closing /.test(output)) return 'did not close what it opened';
  if (exitCode === 70) return 'ended with the code for a bug';
  return null;
}

function misbehaved(args: readonly string[], problem: string, { exitCode, stdout, stderr }: Ended): string {
  const shown = (text: string) =>
    text.length > 4_000 ? `${text.slice(0, 2_000)}\n…\n${text.slice(-2_000)}` : text;
  return `${args.slice(-12).join(' ')} ${problem} (exit code ${exitCode})\n--- stdout\n${shown(stdout)}\n--- stderr\n${shown(stderr)}`;
}
