/**
 * Commands that change neither rows nor what is stored of them; those of `credits` are written with both words.
 * `verify` is one, and what it is with `--fix` is recorded as `verify --fix`, which is none.
 */
export const LOOKING_COMMANDS: readonly string[] = [
  'status',
  'search',
  'explain',
  'compare',
  'doctor',
  'verify',
  'credits balance',
  'credits ledger',
  'credits check',
];

/** Whether a command only looks, so that a database in which nothing can be written serves it as well. */
export function onlyLooks(command: string): boolean {
  return LOOKING_COMMANDS.includes(command);
}
