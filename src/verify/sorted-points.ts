import { TemporaryFile } from './temporary-file.ts';
import type { Place } from './temporary-file.ts';

/** A point that is recorded as stored. */
export interface ExpectedPoint {
  id: string;
  tenant: string;
  key: string;
  chunk: number;
  textHash: string;
}

const BUCKETS = 256;
const ID_BYTES = 36;
/** Tenant, chunk, length of the hash, length of the key. */
const NUMBER_BYTES = 16;
const DEFAULT_MEMORY_BYTES = 8 * 1024 * 1024;

/**
 * Brings expected points into the order of their ids in constant memory. Ids are hashes, so by their first byte they
 * fall into buckets of about equal size; each is sorted when its turn comes. What does not fit into memory waits in a
 * temporary file. The opener disposes.
 */
export class SortedPoints implements AsyncDisposable {
  length = 0;
  readonly #memoryBytes: number;
  #file: TemporaryFile | null = null;
  readonly #buckets = Array.from({ length: BUCKETS }, () => new Bucket());
  #bytes = 0;
  readonly #tenants: string[] = [];
  readonly #tenantNumbers = new Map<string, number>();

  constructor(memoryBytes: number = DEFAULT_MEMORY_BYTES) {
    this.#memoryBytes = memoryBytes;
  }

  /** @returns what has to be awaited before the next one is added, mostly nothing */
  add(point: ExpectedPoint): Promise<void> | undefined {
    const bucket = this.#buckets[Number.parseInt(point.id.slice(0, 2), 16)];
    if (!bucket) throw new Error('a point id that is no UUID');
    this.#bytes += bucket.add(point, this.#numberOf(point.tenant));
    this.length += 1;
    return this.#bytes >= this.#memoryBytes ? this.#spill() : undefined;
  }

  /** In ascending order of their ids; to be read once, when all were added. */
  async *inOrder(): AsyncGenerator<ExpectedPoint[]> {
    for (const bucket of this.#buckets) {
      const points = bucket.parse(await this.#load(bucket), this.#tenants);
      if (points.length > 0) yield points.sort((a, b) => (a.id < b.id ? -1 : 1));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.[Symbol.asyncDispose]();
  }

  #numberOf(tenant: string): number {
    const known = this.#tenantNumbers.get(tenant);
    if (known !== undefined) return known;
    this.#tenantNumbers.set(tenant, this.#tenants.length);
    return this.#tenants.push(tenant) - 1;
  }

  async #spill(): Promise<void> {
    this.#file ??= await TemporaryFile.open();
    for (const bucket of this.#buckets) {
      const bytes = bucket.take();
      if (bytes.length > 0) bucket.places.push(await this.#file.append(bytes));
    }
    this.#bytes = 0;
  }

  async #load(bucket: Bucket): Promise<Buffer> {
    const recent = bucket.take();
    if (this.#file === null) return recent;
    const spilled = bucket.places.reduce((sum, { length }) => sum + length, 0);
    const whole = Buffer.allocUnsafe(spilled + recent.length);
    let at = 0;
    for (const place of bucket.places) {
      await this.#file.read(place, whole.subarray(at));
      at += place.length;
    }
    whole.set(recent, at);
    return whole;
  }
}

class Bucket {
  readonly places: Place[] = [];
  #bytes = Buffer.alloc(0);
  #used = 0;

  /** @returns how many bytes it took */
  add({ id, key, chunk, textHash }: ExpectedPoint, tenantNumber: number): number {
    const hashLength = Buffer.byteLength(textHash);
    const keyLength = Buffer.byteLength(key);
    const length = ID_BYTES + NUMBER_BYTES + hashLength + keyLength;
    if (this.#used + length > this.#bytes.length) this.#grow(length);
    const bytes = this.#bytes;
    let at = this.#used + bytes.write(id, this.#used, 'latin1');
    for (const number of [tenantNumber, chunk, hashLength, keyLength]) at = bytes.writeUInt32LE(number, at);
    at += bytes.write(textHash, at);
    at += bytes.write(key, at);
    this.#used = at;
    return length;
  }

  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#used);
    this.#bytes = Buffer.alloc(0);
    this.#used = 0;
    return taken;
  }

  parse(bytes: Buffer, tenants: readonly string[]): ExpectedPoint[] {
    const points: ExpectedPoint[] = [];
    for (let at = 0; at < bytes.length;) {
      const id = bytes.toString('latin1', at, at + ID_BYTES);
      at += ID_BYTES;
      const tenant = tenants[bytes.readUInt32LE(at)] ?? '';
      const chunk = bytes.readUInt32LE(at + 4);
      const keyStart = at + NUMBER_BYTES + bytes.readUInt32LE(at + 8);
      const end = keyStart + bytes.readUInt32LE(at + 12);
      const textHash = bytes.toString('utf8', at + NUMBER_BYTES, keyStart);
      points.push({ id, tenant, chunk, textHash, key: bytes.toString('utf8', keyStart, end) });
      at = end;
    }
    return points;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafe(Math.max(4096, this.#bytes.length * 2, this.#used + needed));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}
