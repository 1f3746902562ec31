import type { Report } from '../../ports/run-events.ts';

const REPORT_EVERY_MS = 100;

/** Adds up the bytes of a model's files and tells of them, not more often than anybody can see. */
export function downloadProgress(model: string, report: Report | undefined) {
  let done = 0;
  let total = 0;
  let reportedAt = -Infinity;
  const tell = () => {
    reportedAt = performance.now();
    report?.({ type: 'download', model, done, total: Math.max(done, total) });
  };
  return {
    /** The size of one more file. */
    found(bytes: number): void {
      total += bytes;
    },
    arrived(bytes: number): void {
      done += bytes;
      if (performance.now() - reportedAt >= REPORT_EVERY_MS) tell();
    },
    finish: tell,
  };
}
