import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EXIT_CODES } from './cli/exit-codes.ts';
import { run } from './cli/program.ts';

import { armExitWatchdog } from './lifetime/exit-watchdog.ts';
import { StopRequest } from './lifetime/stop-request.ts';
import { errorMessage } from './util/error-message.ts';
import { openParentLink } from './workers/parent-link.ts';

/** What is under way when a stop is asked for may take this long to finish; `--grace` says otherwise. */
const GRACE_MS = 20_000;
/** Giving back leases and closing connections may take this long on top. */
const RELEASE_MS = 10_000;
/** Everything is released by then; a process that still lives holds something that it should not. */
const WATCHDOG_MS = 3_000;

/** `timeout` sends the same signal to the process and to its group, which is one wish and not two. */
const SAME_SIGNAL_MS = 300;

const SIGNALS = {
  SIGHUP: EXIT_CODES.hangup.code,
  SIGINT: EXIT_CODES.interrupted.code,
  SIGTERM: EXIT_CODES.terminated.code,
} as const;

using stop = new StopRequest(GRACE_MS);

function askToStop(name: string, exitCode: number): void {
  stop.request({ name, exitCode });
  // A database that does not answer at all must not outlive the wish to stop; leases then end by time.
  setTimeout(() => process.exit(exitCode), stop.graceMs + RELEASE_MS).unref();
}

/** Null in a process that no run has started as its worker. */
const parent = openParentLink(process);

let first = { name: '', at: -Infinity };
for (const [name, exitCode] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    const now = performance.now();
    const isSecond = stop.reason && stop.reason.exitCode !== EXIT_CODES.pipeClosed.code;
    if (!isSecond) first = { name, at: now };
    // The second signal ends at once: the user has waited long enough. A worker leaves that to its run, which the
    // same signal reaches when it is sent to the group.
    else if (parent === null && (name !== first.name || now - first.at > SAME_SIGNAL_MS))
      process.exit(exitCode);
    askToStop(name, exitCode);
  });
}

// A worker does not outlive its run, however that ended.
parent?.onGone(() => askToStop('the end of its run', EXIT_CODES.terminated.code));

let outputFailed = false;
// Without a listener the error event would be a crash.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // `| head` has read enough: a request to stop.
    stop.request({ name: 'closed output', exitCode: EXIT_CODES.pipeClosed.code });
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED' || outputFailed) return;
    outputFailed = true;
    process.exitCode = EXIT_CODES.unavailable.code;
    if (stream === process.stdout)
      process.stderr.write(`vecpipe: cannot write the output: ${errorMessage(error)}\n`);
  });
}

process.on('uncaughtException', (error) => {
  process.stderr.write(`vecpipe: a bug in vecpipe, please report it: ${error.stack ?? error.message}\n`);
  process.exit(EXIT_CODES.bug.code);
});

const exitCode = await runIn(workingDirectory());
// An output that could not be written has set its own code.
if (!outputFailed) process.exitCode = exitCode;

armExitWatchdog(WATCHDOG_MS, (resources) => {
  process.stderr.write(
    `vecpipe: a bug: the run is over, but ${resources.join(', ')} keeps the process alive\n`,
  );
  process.exit(EXIT_CODES.bug.code);
});

/** Null when the folder that the process was started in has been deleted meanwhile. */
function workingDirectory(): string | null {
  try {
    return process.cwd();
  } catch {
    return null;
  }
}

async function runIn(folder: string | null): Promise<number> {
  if (folder === null) {
    process.stderr.write('vecpipe: the working directory does not exist any more\n  change to another one\n');
    return EXIT_CODES.usage.code;
  }
  return run(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    workingDirectory: folder,
    stop,
    startWorker: (args) =>
      fork(fileURLToPath(new URL('../bin/vecpipe.js', import.meta.url)), args, {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      }),
    parent,
  });
}
