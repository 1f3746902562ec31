const UUID_LENGTH = 36;
/** By the first three hex digits of the id: a bucket of a million points has about 250. */
const DIGITS = 3;
const BUCKETS = 16 ** DIGITS;
/** Count and three sums. */
const WORDS = 4;

/**
 * Says of many ids, in any order, what they are together: per bucket a count and three sums of 32 bits over the hashed
 * ids. Two sides with equal digests hold the same ids, except by a chance of one to 2^96.
 */
export class BucketDigests {
  readonly #words = new Uint32Array(BUCKETS * WORDS);
  /** Ids that are numbers are nothing that a row can have. */
  hasNumbers = false;

  add(id: string): void {
    if (id.length !== UUID_LENGTH) {
      this.hasNumbers = true;
      return;
    }
    const words = this.#words;
    const first = Number.parseInt(id.slice(0, 8), 16);
    const second = Number.parseInt(id.slice(9, 13) + id.slice(14, 18), 16);
    const third = Number.parseInt(id.slice(19, 23) + id.slice(24, 28), 16);
    const fourth = Number.parseInt(id.slice(28), 16);
    const at = (first >>> (32 - 4 * DIGITS)) * WORDS;
    // Typed arrays wrap around by themselves. Each sum depends on two words, so that no two ids can trade parts.
    words[at] = (words[at] ?? 0) + 1;
    words[at + 1] = (words[at + 1] ?? 0) + mix(first ^ Math.imul(second, 0x9e3779b1));
    words[at + 2] = (words[at + 2] ?? 0) + mix(second ^ Math.imul(third, 0x85ebca6b));
    words[at + 3] = (words[at + 3] ?? 0) + mix(fourth ^ Math.imul(first, 0xc2b2ae35));
  }

  /** The numbers of the buckets in which two sides differ, ascending. */
  differing(other: BucketDigests): number[] {
    const differing: number[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const at = bucket * WORDS;
      const isEqual = [0, 1, 2, 3].every((word) => this.#words[at + word] === other.#words[at + word]);
      if (!isEqual) differing.push(bucket);
    }
    return differing;
  }
}

/** The bucket of a UUID. */
export function bucketOf(id: string): number {
  return Number.parseInt(id.slice(0, DIGITS), 16);
}

/** The id before all ids of a bucket; undefined before the first one. */
export function beforeBucket(bucket: number): string | undefined {
  if (bucket === 0) return undefined;
  return `${(bucket - 1).toString(16).padStart(DIGITS, '0')}fffff-ffff-ffff-ffff-ffffffffffff`;
}

/** The finaliser of MurmurHash3. */
function mix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
