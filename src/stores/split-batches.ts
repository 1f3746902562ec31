/**
 * Cuts a list into runs of at most `maxItems` whose sizes add up to at most `maxBytes`, in order. An item that is
 * larger than `maxBytes` by itself is a run of its own.
 */
export function splitBatches<Item>(
  items: readonly Item[],
  limits: { maxItems: number; maxBytes: number },
  byteLength: (item: Item) => number,
): Item[][] {
  const batches: Item[][] = [];
  let batch: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = byteLength(item);
    if (batch.length > 0 && (batch.length >= limits.maxItems || bytes + size > limits.maxBytes)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
