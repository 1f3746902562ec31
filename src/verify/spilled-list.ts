import { TemporaryFile } from './temporary-file.ts';
import type { Place } from './temporary-file.ts';

const DEFAULT_MEMORY_BYTES = 4 * 1024 * 1024;

interface Page {
  place: Place;
  /** Items in it. */
  length: number;
}

/** A list or a part of it, to be read any number of times. */
export type ReadableList<Item> = Pick<SpilledList<Item>, 'length' | 'items' | 'groups'>;

/** A list of JSON values that is read once it is complete, and goes to a temporary file when it grows. The opener disposes. */
export class SpilledList<Item> implements AsyncDisposable {
  length = 0;
  readonly #memoryBytes: number;
  #file: TemporaryFile | null = null;
  readonly #pages: Page[] = [];
  #recent: string[] = [];
  #recentCharacters = 0;

  constructor(memoryBytes: number = DEFAULT_MEMORY_BYTES) {
    this.#memoryBytes = memoryBytes;
  }

  /** @throws {VecpipeError} unavailable `temporary_file_failed` */
  async push(item: Item): Promise<void> {
    const text = JSON.stringify(item);
    this.length += 1;
    this.#recent.push(text);
    this.#recentCharacters += text.length;
    if (this.#recentCharacters < this.#memoryBytes) return;
    this.#file ??= await TemporaryFile.open();
    const place = await this.#file.append(Buffer.from(this.#recent.join('\n')));
    this.#pages.push({ place, length: this.#recent.length });
    this.#recent = [];
    this.#recentCharacters = 0;
  }

  /** In the order in which they were pushed. */
  items(): AsyncGenerator<Item> {
    return this.#between(0, this.length);
  }

  /** The same in groups. */
  groups(size: number): AsyncGenerator<Item[]> {
    return inGroups(this.items(), size);
  }

  /** What was pushed from one length of the list to another, so that many can share one file and its memory. */
  part(from: number, to: number): ReadableList<Item> {
    const items = () => this.#between(from, to);
    return { length: to - from, items, groups: (size) => inGroups(items(), size) };
  }

  async *#between(from: number, to: number): AsyncGenerator<Item> {
    let first = 0;
    for (const { place, length } of this.#pages) {
      const [start, end] = [Math.max(from - first, 0), Math.min(to - first, length)];
      first += length;
      if (start >= end) continue;
      const bytes = Buffer.alloc(place.length);
      await this.#file?.read(place, bytes);
      for (const line of bytes.toString().split('\n').slice(start, end)) yield JSON.parse(line) as Item;
    }
    const recent = this.#recent.slice(Math.max(from - first, 0), Math.max(to - first, 0));
    for (const line of recent) yield JSON.parse(line) as Item;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.[Symbol.asyncDispose]();
  }
}

async function* inGroups<Item>(items: AsyncIterable<Item>, size: number): AsyncGenerator<Item[]> {
  let group: Item[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
