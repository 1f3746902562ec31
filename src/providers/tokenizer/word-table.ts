export const HASH_SEED = 0x811c9dc5 | 0;

/** One step of FNV-1a over UTF-16 code units. */
export function hashStep(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193);
}

/**
 * A set of words that numbers them in the order they were added, keyed by code units in a caller's buffer: a
 * look-up makes no string, and no string of a row is kept alive by the table. Memory is fixed at construction.
 */
export class WordTable {
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #hashes: Int32Array;
  /** Where the units of entry n start; those of n end where n + 1 starts. */
  readonly #starts: Int32Array;
  readonly #units: Uint16Array;
  #size = 0;

  constructor(maxWords: number, maxUnits: number) {
    // At least four slots a word: most look-ups of an absent word end at the first, empty slot.
    const slots = 2 ** Math.ceil(Math.log2(Math.max(maxWords, 1) * 4));
    this.#slots = new Int32Array(slots);
    this.#mask = slots - 1;
    this.#hashes = new Int32Array(maxWords);
    this.#starts = new Int32Array(maxWords + 1);
    this.#units = new Uint16Array(maxUnits);
  }

  get size(): number {
    return this.#size;
  }

  hasRoomFor(units: number): boolean {
    return this.#size < this.#hashes.length && (this.#starts[this.#size] ?? 0) + units <= this.#units.length;
  }

  /** The number of the word `buffer[from, to)` with that hash, or -1. */
  find(buffer: Uint16Array, from: number, to: number, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = spread(hash) & mask;
    for (let held = slots[slot] as number; held !== 0; held = slots[slot] as number) {
      if (this.#hashes[held - 1] === hash && this.#equals(held - 1, buffer, from, to)) return held - 1;
      slot = (slot + 1) & mask;
    }
    return -1;
  }

  /** Adds a word that is not in the table yet and returns its number. Ask `hasRoomFor` first. */
  add(buffer: Uint16Array, from: number, to: number, hash: number): number {
    const word = this.#size;
    const start = this.#starts[word] as number;
    for (let at = from; at < to; at++) this.#units[start + at - from] = buffer[at] as number;
    this.#hashes[word] = hash;
    this.#starts[word + 1] = start + to - from;
    let slot = spread(hash) & this.#mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = word + 1;
    this.#size = word + 1;
    return word;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
  }

  #equals(word: number, buffer: Uint16Array, from: number, to: number): boolean {
    const start = this.#starts[word] as number;
    const length = to - from;
    if ((this.#starts[word + 1] as number) - start !== length) return false;
    for (let at = 0; at < length; at++) {
      if (this.#units[start + at] !== buffer[from + at]) return false;
    }
    return true;
  }
}

/** FNV's high bits are the better mixed ones; the mask takes the low ones. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15);
}
