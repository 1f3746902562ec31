/** Commands that change neither rows nor what is stored of them; those of `credits` are written with both words. */
export const LOOKING_COMMANDS: readonly string[] = [
  'status',
  'search',
  'explain',
  'compare',
  'doctor',
  'credits balance',
  'credits ledger',
  'credits check',
];

/** Whether a command only looks, so that a database in which nothing can be written serves it as well. */
export function onlyLooks(command: string): boolean {
  return LOOKING_COMMANDS.includes(command);
}
