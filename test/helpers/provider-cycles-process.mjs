// Opens, uses and closes a provider again and again through the public API of the built package, in a process of
// its own, and prints what stayed: `node --expose-gc … <options as JSON> <cycles>`.
import { configureProvider, openProvider } from 'vecpipe';

const [options = '{}', cycles = '1'] = process.argv.slice(2);
const config = configureProvider(JSON.parse(options));
const count = Number(cycles);

async function cycle() {
  const provider = await openProvider(config);
  try {
    const { vectors } = await provider.embed(['a b', 'c']);
    if (!vectors.every((vector) => vector instanceof Float32Array)) throw new Error('a text was refused');
  } finally {
    await provider[Symbol.asyncDispose]();
  }
}

async function measure() {
  // What a collection finds to be finalised is freed by the next one.
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heapUsed, external, handles: process.getActiveResourcesInfo().toSorted() };
}

// The first cycles still compile code and fill Node's own caches.
for (let done = 0; done < Math.ceil(count / 5); done += 1) await cycle();
const before = await measure();
for (let done = Math.ceil(count / 5); done < count; done += 1) await cycle();
const after = await measure();
process.stdout.write(`${JSON.stringify({ before, after })}\n`);
