import { expect, it } from 'vitest';
import { SpilledList } from './spilled-list.ts';

it.each([1, 40, 1_000_000])(
  'gives back all of it, in parts and in groups, with %i bytes of memory',
  async (bytes) => {
    await using list = new SpilledList<{ number: number }>(bytes);
    for (let number = 0; number < 25; number += 1) await list.push({ number });
    async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
      const gathered: Item[] = [];
      for await (const item of items) gathered.push(item);
      return gathered;
    }
    const numbers = async (items: AsyncIterable<{ number: number }>) =>
      (await all(items)).map(({ number }) => number);
    const upTo = (from: number, to: number) =>
      Array.from({ length: to - from }, (_none, index) => from + index);
    expect(await numbers(list.items())).toEqual(upTo(0, 25));
    for (const [from, to] of [
      [0, 0],
      [0, 7],
      [7, 19],
      [19, 25],
      [25, 25],
    ] as const) {
      const part = list.part(from, to);
      expect(part.length).toBe(to - from);
      // More than once.
      for (let time = 0; time < 2; time += 1) expect(await numbers(part.items())).toEqual(upTo(from, to));
      const groups = await all(part.groups(5));
      expect(groups.flat().map(({ number }) => number)).toEqual(upTo(from, to));
      expect(groups.every(({ length }) => length === 5 || length === (to - from) % 5)).toBe(true);
    }
  },
);
