/** What the terminal says of itself in the environment; these are not settings of vecpipe. */
interface Terminal {
  isTTY: boolean;
  environment: Readonly<Record<string, string | undefined>>;
}

/** Whether marks such as ✔ can be shown: on a terminal alone, since a file is searched for words. */
export function showsSymbols({ isTTY, environment }: Terminal): boolean {
  const { TERM, LC_ALL, LC_CTYPE, LANG } = environment;
  // The console of Linux has at most 512 characters, and these are not among them.
  if (!isTTY || TERM === 'dumb' || TERM === 'linux') return false;
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}
