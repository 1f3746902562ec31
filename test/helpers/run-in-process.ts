import { PassThrough, Writable } from 'node:stream';
import { run } from '../../src/cli/program.ts';
import { StopRequest } from '../../src/lifetime/stop-request.ts';
import type { Environment } from './run-vecpipe.ts';

export interface Said {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** `run(argv, io)` in this process with captured streams: for what ends before anything is opened. */
export async function runInProcess(
  argv: readonly string[],
  { cwd = '/', environment = {} }: { cwd?: string; environment?: Environment } = {},
): Promise<Said> {
  using stop = new StopRequest(1_000);
  const stdout = new Capture();
  const stderr = new Capture();
  const stdin = new PassThrough();
  stdin.end();
  const exitCode = await run(argv, {
    stdin,
    stdout,
    stderr,
    environment,
    workingDirectory: cwd,
    stop,
    startWorker: () => {
      throw new Error('a worker process needs the built binary');
    },
    parent: null,
  });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

class Capture extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
