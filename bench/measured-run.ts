import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const BINARY = fileURLToPath(new URL('../bin/vecpipe.js', import.meta.url));

export interface MeasuredRun {
  /** Of the whole process, start and end included. */
  wallMs: number;
  peakMegabytes: number;
  /** What `--json` printed. */
  report: {
    exitCode: number;
    durationMs: number;
    entities: { embedded: number; stored: number; unchanged: number }[];
  };
}

/** Runs the built binary with `--json` and reads its peak resident memory when it ends. */
export async function measuredRun(
  args: readonly string[],
  folder: string,
  environment: Record<string, string | undefined>,
): Promise<MeasuredRun> {
  const peakFile = join(tmpdir(), `vecpipe-peak-${randomUUID()}`);
  // Both in kilobytes. What the process was forked from counts into `maxRSS` on Linux, but not into VmHWM
  // (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
  const peak = `process.platform==='linux'?require('fs').readFileSync('/proc/self/status','utf8').match(/VmHWM:\\s*(\\d+)/)[1]:process.resourceUsage().maxRSS`;
  const writePeak = `process.on('exit',()=>require('fs').writeFileSync(${JSON.stringify(peakFile)},String(${peak})))`;
  const preload = `data:text/javascript,import{createRequire}from'module';const require=createRequire('/');${encodeURIComponent(writePeak)}`;
  const startedAt = performance.now();
  const { stdout } = await execa(
    process.execPath,
    ['--import', preload, BINARY, ...args, '--json', '--quiet'],
    {
      cwd: folder,
      env: { DATABASE_URL: '', QDRANT_URL: '', VECPIPE_CONFIG: '', VECPIPE_HOME: '', ...environment },
      stderr: 'inherit',
    },
  );
  const wallMs = performance.now() - startedAt;
  const peakMegabytes = Number(await readFile(peakFile, 'utf8')) / 1024;
  await rm(peakFile, { force: true });
  return { wallMs, peakMegabytes, report: JSON.parse(stdout) as MeasuredRun['report'] };
}
