import { hash } from 'node:crypto';
import { parse } from 'uuid';
import { POINT_NAMESPACE } from '../pipeline/point-id.ts';

const NAMESPACE_BYTES = 16;

/**
 * Ids of the points of one tenant's entity: the same as `pointId`, at a quarter of the time, since verify computes one
 * for every point that there is.
 */
export class PointIds {
  readonly #prefix: string;
  #input: Buffer;

  constructor(tenant: string, entity: string) {
    this.#prefix = `${JSON.stringify([tenant, entity]).slice(0, -1)},`;
    this.#input = withNamespace(1024);
  }

  of(key: string, chunk: number): string {
    const name = `${this.#prefix}${JSON.stringify(key)},${chunk}]`;
    // UTF-8 takes three bytes a UTF-16 code unit at the most.
    const needed = NAMESPACE_BYTES + name.length * 3;
    if (needed > this.#input.length) this.#input = withNamespace(needed * 2);
    const length = NAMESPACE_BYTES + this.#input.write(name, NAMESPACE_BYTES);
    const digest = hash('sha1', this.#input.subarray(0, length), 'hex');
    const variant = ((Number.parseInt(digest.charAt(16), 16) & 0x3) | 0x8).toString(16);
    return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
  }
}

function withNamespace(bytes: number): Buffer {
  const input = Buffer.alloc(bytes);
  input.set(parse(POINT_NAMESPACE));
  return input;
}
