import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** Stands before a server, so that a test can take it away and bring it back under the same address. */
export interface TcpProxy extends AsyncDisposable {
  /** The given URL with the proxy's address in it. */
  readonly url: string;
  /** Passes nothing on any more and keeps every connection open, as a server does that hangs. */
  stall(): void;
  /** Resolves when somebody connects. */
  connection(): Promise<void>;
  /** Ends every connection and refuses new ones, as a server does that has died. */
  cut(): Promise<void>;
  restore(): Promise<void>;
}

export async function openTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let isStalled = false;
  const own = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  const listen = async (at: number): Promise<Server> => {
    const server = createServer((client) => {
      const upstream = connect(Number(port), hostname);
      own(client);
      own(upstream);
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
      client.on('data', (chunk) => isStalled || upstream.write(chunk));
      upstream.on('data', (chunk) => isStalled || client.write(chunk));
      for (const resolve of waiting.splice(0)) resolve();
    });
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  let server: Server | null = await listen(0);
  const address = server.address() as AddressInfo;
  const cut = async () => {
    const closing = server;
    server = null;
    if (!closing) return;
    const closed = once(closing, 'close');
    closing.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const url = new URL(target);
  url.host = `127.0.0.1:${address.port}`;
  return {
    url: url.href.replace(/\/$/, ''),
    stall: () => {
      isStalled = true;
    },
    connection: () => new Promise((resolve) => waiting.push(resolve)),
    cut,
    restore: async () => {
      isStalled = false;
      server ??= await listen(address.port);
    },
    [Symbol.asyncDispose]: cut,
  };
}

/** A port of the loopback interface on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
