import { randomUUID } from 'node:crypto';
import { usageError, VecpipeError } from '../errors/vecpipe-error.ts';
import { DatabaseError } from '../ports/database.ts';
import { Scope } from '../lifetime/scope.ts';
import type { Counts, Failure } from '../pipeline/counts.ts';
import type { Report } from '../ports/run-events.ts';
import { EXIT_CODES, FAMILY_EXIT_CODES } from './exit-codes.ts';
import type { Io } from './io.ts';
import type { GlobalOptions } from './options.ts';

export interface EntityReport extends Counts {
  tenant: string;
  entity: string;
  /** The alias. */
  collection: string;
  /** Null while no generation exists. */
  generation: number | null;
}

/** What a command found or did, for `--json` and for people. */
export interface CommandResult {
  entities?: EntityReport[];
  failures?: Failure[];
  /** More fields of the JSON object. */
  json?: Record<string, unknown>;
  /** What the command was asked to show; goes to stdout without `--json`. */
  text?: string;
  /** What was done, for people; goes to stderr and is left out by `--quiet`. */
  summary?: string[];
}

/** How a run ended. */
export interface Outcome {
  exitCode: number;
  result: CommandResult;
  error: { code: string; message: string; hint?: string } | null;
  /** Only of a bug. */
  stack: string | null;
}

/** Everything a command's main gets. Whatever it opens it gives to `scope`. */
export interface CommandContext<Options> {
  command: string;
  args: readonly string[];
  options: Options & GlobalOptions;
  io: Io;
  runId: string;
  scope: Scope;
  report: Report;
  /** Called with the outcome while everything in the scope is still open. Its failure is a warning. */
  beforeEnd: (listener: (outcome: Outcome) => Promise<void>) => void;
  /** Set by a main that has something to show when it throws half way. */
  partial?: () => CommandResult;
}

export type Main<Options> = (context: CommandContext<Options>) => Promise<CommandResult>;

/** Loads a command's main when it is needed, so that `--help` stays fast. */
// The options of a main are what its declaration declared; commander does not know their type.
export type LoadMain = () => Promise<Main<never>>;

/**
 * The one frame of every command: a scope around the main, errors into exit codes, one report at the end.
 * Never rejects.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: GlobalOptions,
  loadMain: LoadMain,
  io: Io,
): Promise<number> {
  const startedAt = performance.now();
  const runId = randomUUID();
  const { openReporter } = await import('./reporter.ts');
  const { renderOutcome } = await import('./render-outcome.ts');
  let outcome: Outcome;
  {
    await using reporter = openReporter(options, io);
    const report: Report = (event) => reporter.report(event);
    await using scope = new Scope((message) => report({ type: 'warning', message }));
    const endings: ((outcome: Outcome) => Promise<void>)[] = [];
    const context: CommandContext<unknown> = {
      command,
      args,
      options,
      io,
      runId,
      scope,
      report,
      beforeEnd: (listener) => endings.push(listener),
    };
    outcome = await settle(loadMain, context, io);
    for (const ending of endings) {
      await ending(outcome).catch((error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        report({ type: 'warning', message: `the end of the run could not be recorded: ${message}` });
      });
    }
  }
  renderOutcome({
    command,
    runId,
    durationMs: Math.round(performance.now() - startedAt),
    outcome,
    options,
    io,
  });
  return outcome.exitCode;
}

async function settle(loadMain: LoadMain, context: CommandContext<unknown>, io: Io): Promise<Outcome> {
  try {
    const main = (await loadMain()) as Main<unknown>;
    const result = await main(context);
    const failed = (result.failures?.length ?? 0) > 0 || result.entities?.some((entity) => entity.failed > 0);
    const exitCode = io.stop.reason?.exitCode ?? (failed ? EXIT_CODES.rowsFailed.code : EXIT_CODES.done.code);
    return { exitCode, result, error: stopError(io), stack: null };
  } catch (thrown) {
    const { error, failures } = unwrap(thrown);
    const result = { ...context.partial?.(), ...(failures && { failures: [...failures] }) };
    return { ...failureOf(error, io), result };
  }
}

function failureOf(error: unknown, io: Io): Omit<Outcome, 'result'> {
  const stopped = io.stop.reason;
  // Whatever breaks while a stop is under way broke because of it.
  if (stopped) return { exitCode: stopped.exitCode, error: stopError(io), stack: null };
  if (error instanceof VecpipeError) {
    const { code, message, hint } = error;
    return {
      exitCode: FAMILY_EXIT_CODES[error.family],
      error: { code, message, ...(hint && { hint }) },
      stack: null,
    };
  }
  if (error instanceof DatabaseError && error.sqlState === INSUFFICIENT_PRIVILEGE)
    return failureOf(rightsMissing(error), io);
  const message = error instanceof Error ? error.message : String(error);
  return {
    exitCode: EXIT_CODES.bug.code,
    error: { code: 'bug', message: `a bug in vecpipe, please report it: ${message}` },
    stack: error instanceof Error ? (error.stack ?? null) : null,
  };
}

const INSUFFICIENT_PRIVILEGE = '42501';

function rightsMissing({ message }: DatabaseError): VecpipeError {
  return usageError(
    'database_rights_missing',
    `the database user may not do what this command has to: ${message}`,
    'grant it the rights over the schema vecpipe and what is in it; `vecpipe doctor` says which are missing',
  );
}

function stopError(io: Io): Outcome['error'] {
  const { reason } = io.stop;
  if (!reason) return null;
  return { code: 'interrupted', message: `stopped by ${reason.name}`, hint: 'the same command resumes' };
}

/** An error that carries row failures along stands for its cause. */
function unwrap(thrown: unknown): { error: unknown; failures?: readonly Failure[] } {
  if (thrown instanceof Error && 'failures' in thrown && thrown.cause !== undefined) {
    return { error: thrown.cause, failures: thrown.failures as Failure[] };
  }
  return { error: thrown };
}
