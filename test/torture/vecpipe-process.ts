import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const BINARY = fileURLToPath(new URL('../../bin/vecpipe.js', import.meta.url));
const SIGNAL_NUMBERS: Partial<Record<NodeJS.Signals, number>> = { SIGKILL: 9, SIGTERM: 15 };

export interface EndedProcess {
  /** 128 and the signal's number when a signal ended it, as shells say it. */
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** The built program in a process that may be killed at any time and may run for any time. */
export class VecpipeProcess {
  readonly ended: Promise<EndedProcess>;
  readonly #child: ChildProcess;

  constructor(args: readonly string[], cwd: string, environment: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, [BINARY, ...args], {
      cwd,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    this.ended = once(child, 'close').then(([code, signal]) => ({
      exitCode: (code as number | null) ?? 128 + (SIGNAL_NUMBERS[signal as NodeJS.Signals] ?? 0),
      stdout,
      stderr,
    }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  kill(signal: 'SIGKILL' | 'SIGTERM'): void {
    this.#child.kill(signal);
  }
}
