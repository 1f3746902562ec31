const LONGEST_REASON = 200;
/** Fewer characters in common are words that anybody uses. */
const LONGEST_ECHO = 20;
const SHORTEST_TEXT = 8;

/**
 * An endpoint's reason as it may be shown: white space collapsed, cut, and nothing at all when it repeats a piece of
 * the texts or a secret.
 *
 * @param secrets parts that must not be shown, such as the API key
 */
export function shownReason(reason: string, texts: readonly string[], secrets: readonly string[]): string {
  const collapsed = collapse(reason);
  const shown =
    collapsed.length > LONGEST_REASON ? `${collapsed.slice(0, LONGEST_REASON - 1).trimEnd()}…` : collapsed;
  if (secrets.some((secret) => secret !== '' && reason.includes(secret))) return '';
  const lowerCase = shown.toLowerCase();
  return texts.some((text) => isEchoed(lowerCase, collapse(text).toLowerCase())) ? '' : shown;
}

function isEchoed(reason: string, text: string): boolean {
  if (text.length >= SHORTEST_TEXT && text.length <= LONGEST_ECHO) return reason.includes(text);
  if (text.length < LONGEST_ECHO) return false;
  for (let start = 0; start + LONGEST_ECHO <= reason.length; start += 1) {
    if (text.includes(reason.slice(start, start + LONGEST_ECHO))) return true;
  }
  return false;
}

function collapse(text: string): string {
  // Control characters, too: the reason ends up on a terminal.
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
}
