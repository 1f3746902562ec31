export interface FoundToken {
  start: number;
  end: number;
  id: number;
}

/** Finds the added tokens of a model in a text as it is, leftmost first, the longest where several start. */
export class AddedTokens {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #pattern: RegExp;
  readonly #firstCharacters: string[];

  /** @param ids at least one token, none of them empty */
  constructor(ids: ReadonlyMap<string, number>) {
    this.#ids = ids;
    const longestFirst = [...ids.keys()].sort((one, other) => other.length - one.length);
    this.#pattern = new RegExp(longestFirst.map(escapePattern).join('|'), 'g');
    this.#firstCharacters = [...new Set(longestFirst.map((token) => token.charAt(0)))];
  }

  next(text: string, from: number): FoundToken | undefined {
    // Nearly every text ends here, at the price of a memory search for `[`.
    if (this.#firstCharacters.every((character) => !text.includes(character, from))) return undefined;
    this.#pattern.lastIndex = from;
    const found = this.#pattern.exec(text);
    if (found === null) return undefined;
    const [token] = found;
    return { start: found.index, end: found.index + token.length, id: this.#ids.get(token) as number };
  }
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
