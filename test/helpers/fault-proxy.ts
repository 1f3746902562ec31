import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../contract/vector-store-points.ts';

/** What may be wrong with a connection. */
export const CONNECTION_FAULTS = ['latency', 'reset', 'half_open', 'slicing', 'cut'] as const;

export type ConnectionFault =
  /** Everything comes late. */
  | 'latency'
  /** Ends at some point of an answer as a crash of the server ends it. */
  | 'reset'
  /** Is accepted, and nothing is ever answered. */
  | 'half_open'
  /** Everything comes in pieces of a few bytes. */
  | 'slicing'
  /** Ends at some point of an answer as if that were its end. */
  | 'cut';

export interface FaultProxyOptions {
  /** The same seed makes the same decisions. */
  seed: number;
  /** One of them is taken for each connection that is to have one. */
  faults: readonly ConnectionFault[];
  /** Of the connections that are to have one, from 0 to 1. */
  share: number;
}

/** Stands before a server and makes some connections to it go wrong. */
export interface FaultProxy extends AsyncDisposable {
  /** The given URL with the proxy's address in it. */
  readonly url: string;
  /** Connections that went wrong. */
  readonly faulty: number;
  /** New connections have no faults any more, and those that have one are ended. */
  calm(): void;
}

const LATENCY_MS = 60;
const LONGEST_SLICE_BYTES = 64;
/** A connection that is to end does so after this many bytes of answers at the latest. */
const LAST_ANSWER_BYTES = 20_000;

export async function openFaultProxy(target: string, options: FaultProxyOptions): Promise<FaultProxy> {
  const { hostname, port } = new URL(target);
  const random = seededRandom(options.seed);
  const sockets = new Set<Socket>();
  const faultySockets = new Set<Socket>();
  let isCalm = false;
  let faulty = 0;
  const own = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      faultySockets.delete(socket);
    });
  };
  const decide = (): ConnectionFault | null => {
    const place = Math.floor(random() * options.faults.length);
    return random() < options.share && !isCalm ? (options.faults[place] ?? null) : null;
  };

  const server = createServer((client) => {
    own(client);
    const fault = decide();
    if (fault !== null) {
      faulty += 1;
      faultySockets.add(client);
    }
    if (fault === 'half_open') {
      client.resume();
      return;
    }
    const upstream = connect(Number(port), hostname);
    own(upstream);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.end());
    const isEnding = fault === 'reset' || fault === 'cut';
    let left = isEnding ? Math.floor(random() * LAST_ANSWER_BYTES) : Infinity;
    const carry = (from: Socket, to: Socket, isAnswer: boolean) => {
      let carried = Promise.resolve();
      from.on('data', (chunk: Buffer) => {
        from.pause();
        carried = carried
          .then(async () => {
            const part = isAnswer ? chunk.subarray(0, left) : chunk;
            if (isAnswer) left -= part.length;
            await pass(part, to, fault, random);
            if (isAnswer && left <= 0) {
              if (fault === 'reset') client.resetAndDestroy();
              else client.end();
              upstream.destroy();
            }
          })
          .finally(() => from.resume());
      });
    };
    carry(client, upstream, false);
    carry(upstream, client, true);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href.replace(/\/$/, ''),
    get faulty() {
      return faulty;
    },
    calm: () => {
      isCalm = true;
      for (const socket of faultySockets) socket.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function pass(
  chunk: Buffer,
  to: Socket,
  fault: ConnectionFault | null,
  random: () => number,
): Promise<void> {
  if (fault === 'latency') await delay(random() * LATENCY_MS);
  if (fault !== 'slicing') {
    if (!to.destroyed) to.write(chunk);
    return;
  }
  for (let start = 0; start < chunk.length;) {
    const end = start + 1 + Math.floor(random() * LONGEST_SLICE_BYTES);
    if (to.destroyed) return;
    to.write(chunk.subarray(start, end));
    start = end;
    // Each piece in a packet of its own.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
