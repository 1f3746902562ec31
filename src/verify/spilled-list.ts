import { TemporaryFile } from './temporary-file.ts';
import type { Place } from './temporary-file.ts';

const DEFAULT_MEMORY_BYTES = 4 * 1024 * 1024;

/** A list of JSON values that is read once it is complete, and goes to a temporary file when it grows. The opener disposes. */
export class SpilledList<Item> implements AsyncDisposable {
  length = 0;
  readonly #memoryBytes: number;
  #file: TemporaryFile | null = null;
  readonly #pages: Place[] = [];
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
    this.#pages.push(await this.#file.append(Buffer.from(this.#recent.join('\n'))));
    this.#recent = [];
    this.#recentCharacters = 0;
  }

  /** In the order in which they were pushed. */
  async *items(): AsyncGenerator<Item> {
    for (const page of this.#pages) {
      const bytes = Buffer.alloc(page.length);
      await this.#file?.read(page, bytes);
      for (const line of bytes.toString().split('\n')) yield JSON.parse(line) as Item;
    }
    for (const line of this.#recent) yield JSON.parse(line) as Item;
  }

  /** The same in groups. */
  async *groups(size: number): AsyncGenerator<Item[]> {
    let group: Item[] = [];
    for await (const item of this.items()) {
      group.push(item);
      if (group.length < size) continue;
      yield group;
      group = [];
    }
    if (group.length > 0) yield group;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.[Symbol.asyncDispose]();
  }
}
