import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { declareAdopt } from './commands/adopt.ts';
import { declareCompare } from './commands/compare.ts';
import { declareCredits } from './commands/credits.ts';
import { declareDemo } from './commands/demo.ts';
import { declareDoctor } from './commands/doctor.ts';
import { declareExplain } from './commands/explain.ts';
import { declareInit } from './commands/init.ts';
import { declareReindex } from './commands/reindex.ts';
import { declareSearch } from './commands/search.ts';
import { declareStatus } from './commands/status.ts';
import { declareSync } from './commands/sync.ts';
import { declareVectorize } from './commands/vectorize.ts';
import { declareVerify } from './commands/verify.ts';
import { declareWorker } from './commands/worker.ts';
import { EXIT_CODES } from './exit-codes.ts';
import type { Io } from './io.ts';
import { addGlobalOptions } from './options.ts';
import { runCommand } from './run-command.ts';
import type { LoadMain } from './run-command.ts';

/** Adds one subcommand to the program. Light: whatever does the work is loaded by `loadMain` when it runs. */
export type Declare = (program: Command, define: Define) => void;

/** Gives a declared command its action. */
export type Define = (command: Command, loadMain: LoadMain) => void;

const DECLARATIONS: readonly Declare[] = [
  declareInit,
  declareSync,
  declareVectorize,
  declareReindex,
  declareVerify,
  declareAdopt,
  declareSearch,
  declareStatus,
  declareDoctor,
  declareExplain,
  declareCompare,
  declareCredits,
  declareDemo,
  declareWorker,
];

/**
 * Parses the arguments (without node and script) and runs the command.
 * @returns the exit code; never exits the process and never rejects
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT_CODES.done.code;
  const program = createProgram(argv, io);
  const define: Define = (command, loadMain) => {
    addGlobalOptions(command).action(async () => {
      exitCode = await runCommand(fullName(command), command.args, command.opts(), loadMain, io);
    });
  };
  for (const declare of DECLARATIONS) declare(program, define);
  // Settings are copied to subcommands when they are made, so this has to come after all of them.
  for (const command of program.commands) {
    command.copyInheritedSettings(program);
    for (const nested of command.commands) nested.copyInheritedSettings(command);
  }
  try {
    await program.parseAsync(withoutHelpFor(argv, program), { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT_CODES.done.code;
    const misplaced = error.code === 'commander.unknownOption' ? misplacedOption(argv, program) : null;
    if (misplaced !== null) io.stderr.write(`Write options after the command: ${misplaced}\n`);
    if (argv.includes('--json')) io.stdout.write(`${JSON.stringify(usageReport(error, argv, program))}\n`);
    return EXIT_CODES.usage.code;
  }
}

/** Such as `credits grant`. */
function fullName(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${fullName(parent)} ${command.name()}` : command.name();
}

function subcommand(command: Command | undefined, name: string | undefined): Command | undefined {
  return command?.commands.find((each) => each.name() === name);
}

/**
 * `help nope` as `nope`: commander would answer it with the whole help, and no word about the command. `help credits
 * grant` as `credits grant --help`: it would show the help for `credits`.
 */
function withoutHelpFor(argv: readonly string[], program: Command): string[] {
  const [first, second = '', third = ''] = argv;
  if (first !== 'help' || !/^[^-]/.test(second)) return [...argv];
  const command = subcommand(program, second);
  if (!command) return [second];
  if (command.commands.length === 0 || !/^[^-]/.test(third)) return [...argv];
  return [second, third, ...(subcommand(command, third) ? ['--help'] : [])];
}

/** How it is written where an option stands before the command that it is for; null where it does not. */
function misplacedOption(argv: readonly string[], program: Command): string | null {
  const [first = '', second = ''] = argv;
  if (first.startsWith('-')) return argv.length > 1 ? 'vecpipe <command> [options]' : null;
  const isGroup = (subcommand(program, first)?.commands.length ?? 0) > 0;
  return isGroup && second.startsWith('-') ? `vecpipe ${first} <command> [options]` : null;
}

function createProgram(argv: readonly string[], io: Io): Command {
  const meanings = Object.values(EXIT_CODES).map(
    ({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`,
  );
  return new Command('vecpipe')
    .description('Keeps vector collections true to rows in Postgres.')
    .usage('<command> [options]')
    .version(readVersion(), '-V, --version')
    .helpCommand('help [command]', 'help for a command')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) =>
        write(wantsJsonLog(argv) ? jsonError(text) : text.replace(/^error: /, 'vecpipe: ')),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    })
    .addHelpText(
      'after',
      `\nExit codes:\n${meanings.join('\n')}\n\nEvery command has examples: vecpipe <command> --help`,
    );
}

/** Read by hand: the arguments are what could not be parsed. */
function wantsJsonLog(argv: readonly string[]): boolean {
  return argv.some(
    (argument, index) =>
      argument === '--log-format=json' || (argument === 'json' && argv[index - 1] === '--log-format'),
  );
}

function jsonError(text: string): string {
  return `${JSON.stringify({ time: new Date().toISOString(), type: 'error', ...wrongUsage(text) })}\n`;
}

function wrongUsage(text: string) {
  return {
    code: 'wrong_usage',
    message: text
      .replace(/^error: /, '')
      .trim()
      .replaceAll('\n', ' '),
  };
}

function usageReport(error: CommanderError, argv: readonly string[], program: Command) {
  const [first = null, second] = argv.filter((argument) => !argument.startsWith('-'));
  const nested = subcommand(subcommand(program, first ?? ''), second);
  return {
    command: nested ? fullName(nested) : first,
    runId: null,
    exitCode: EXIT_CODES.usage.code,
    durationMs: 0,
    entities: [],
    failures: [],
    error: wrongUsage(error.message),
  };
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
