/** Consecutive parts of at most `size` items; a list that fits is given as it is. */
export function* slices<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  if (items.length > 0 && items.length <= size) {
    yield items;
    return;
  }
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
