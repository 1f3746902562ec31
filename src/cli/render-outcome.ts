import { EXIT_CODES } from './exit-codes.ts';
import type { Io } from './io.ts';
import type { GlobalOptions } from './options.ts';
import type { Outcome } from './run-command.ts';

export interface Ended {
  command: string;
  runId: string;
  durationMs: number;
  outcome: Outcome;
  options: GlobalOptions;
  io: Io;
}

/** Failures shown to people at the most; `--json` lists more. */
const SHOWN_FAILURES = 10;

/** Says how a run ended: the one JSON object or the text on stdout, summary and errors on stderr. */
export function renderOutcome(ended: Ended): void {
  const { outcome, options, io } = ended;
  const { result } = outcome;
  if (options.json) io.stdout.write(`${JSON.stringify(jsonReport(ended))}\n`);
  else if (result.text !== undefined && result.text !== '') io.stdout.write(`${result.text}\n`);
  if (options.logFormat === 'json') writeJsonError(outcome, io);
  else writeForPeople(ended);
}

function jsonReport({ command, runId, durationMs, outcome }: Ended) {
  const { exitCode, result, error } = outcome;
  return {
    command,
    runId,
    exitCode,
    durationMs,
    entities: result.entities ?? [],
    failures: result.failures ?? [],
    ...result.json,
    error,
  };
}

function writeJsonError({ error, stack }: Outcome, io: Io): void {
  if (!error) return;
  const event = { time: new Date().toISOString(), type: 'error', ...error, ...(stack !== null && { stack }) };
  io.stderr.write(`${JSON.stringify(event)}\n`);
}

function writeForPeople({ command, outcome, options, io }: Ended): void {
  const { error, result, stack, exitCode } = outcome;
  const lines: string[] = [];
  if (!options.quiet) lines.push(...(result.summary ?? []));
  const failures = result.failures ?? [];
  for (const failure of failures.slice(0, SHOWN_FAILURES)) {
    const where = failure.key === '*' ? failure.entity : `${failure.entity} ${failure.key}`;
    lines.push(`Failed ${where}: ${failure.message} (${failure.code})`);
  }
  const count = Math.max(
    failures.length,
    (result.entities ?? []).reduce((sum, entity) => sum + entity.failed, 0),
  );
  if (count > SHOWN_FAILURES) lines.push(`… and ${count - SHOWN_FAILURES} more failures`);
  if (error) {
    lines.push(`vecpipe ${command}: ${error.message}`);
    if (error.hint !== undefined) lines.push(`  ${error.hint}`);
  }
  if (stack !== null && exitCode === EXIT_CODES.bug.code) lines.push(stack);
  if (lines.length > 0) io.stderr.write(`${lines.join('\n')}\n`);
}
