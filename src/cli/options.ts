import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';

/** Flags that every command takes. */
export interface GlobalOptions {
  config?: string;
  tenant?: string[];
  allTenants?: boolean;
  entity?: string[];
  json?: boolean;
  logFormat: 'pretty' | 'json';
  quiet?: boolean;
  verbose?: boolean;
  progress: boolean;
  dryRun?: boolean;
}

export function addGlobalOptions(command: Command): Command {
  return command
    .optionsGroup('Options of every command:')
    .addOption(
      new Option('--config <file>', 'config file (default: vecpipe.config.* found upwards from here)'),
    )
    .addOption(
      new Option('--tenant <id>', 'tenant to work for; may be repeated')
        .argParser(collect)
        .conflicts('allTenants'),
    )
    .option('--all-tenants', 'every tenant of the config')
    .option(
      '--entity <name>',
      'entity to work on; may be repeated (default: every entity of the config)',
      collect,
    )
    .option('--json', 'print one JSON object to stdout at the end, also when the run fails')
    .addOption(
      new Option('--log-format <format>', 'what stderr shows').choices(['pretty', 'json']).default('pretty'),
    )
    .addOption(new Option('--quiet', 'show warnings and errors only').conflicts('verbose'))
    .option('--verbose', 'show every row')
    .option('--no-progress', 'no spinner and no progress bar')
    .option('--dry-run', 'say what would be done, and do nothing');
}

/** For `--limit` and its like. Digits only: `1e6` and `0x10` would be numbers, too. */
export function positiveInteger(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1) throw new InvalidArgumentError('It must be a whole number from 1.');
  if (!Number.isSafeInteger(number))
    throw new InvalidArgumentError(`It must be at most ${Number.MAX_SAFE_INTEGER}.`);
  return number;
}

/** For `--sample` and its like, of which only so many fit into memory. */
export function integerUpTo(most: number): (text: string) => number {
  return (text) => {
    const number = positiveInteger(text);
    if (number > most) throw new InvalidArgumentError(`It must be at most ${most}.`);
    return number;
  };
}

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
/** Timers of Node wait for 596 hours at most, and some time is added to what is given. */
const LONGEST_MS = 500 * UNIT_MS.h;

/** For `--grace 20s` and its like: `500ms`, `1.5s`, `5m`, `2h` or `0s`, as whole milliseconds. */
export function duration(text: string): number {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  if (amount === undefined || unit === undefined || !(unit in UNIT_MS))
    throw new InvalidArgumentError('It must be a number with a unit, such as 500ms, 20s, 5m or 1h.');
  const durationMs = Math.round(Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]);
  if (durationMs > LONGEST_MS) throw new InvalidArgumentError('It must be at most 500h.');
  return durationMs;
}

const DAY_MS = 24 * UNIT_MS.h;

/** For `--keep 2d` and its like, as whole milliseconds: nothing waits for it, so days are allowed. */
export function keepDuration(text: string): number {
  const [, days] = /^(\d+(?:\.\d+)?)d$/.exec(text) ?? [];
  if (days === undefined) return duration(text);
  if (Number(days) > 3650) throw new InvalidArgumentError('It must be at most 3650d.');
  return Math.round(Number(days) * DAY_MS);
}

/** For options that may be given several times. */
export function collect(text: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), text];
}
