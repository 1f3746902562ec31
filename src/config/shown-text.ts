/** A value in quotes; anything that may be a connection string is left out. */
export function shownText(text: string): string {
  if (text.includes('://')) return 'a URL';
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
