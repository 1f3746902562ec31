import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { RequestListener, Server as HttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

/** A server that says no. Disposal closes it. */
export interface RefusingServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Asks every client for its password and then refuses it, in Postgres' protocol:
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export function openRefusingPostgres(): Promise<RefusingServer> {
  const message = (type: string, body: Buffer) => {
    const head = Buffer.alloc(5);
    head.write(type, 'latin1');
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const askForPassword = message('R', Buffer.from([0, 0, 0, 3]));
  const fields = ['SFATAL', 'VFATAL', 'C28P01', 'Mpassword authentication failed for user "app"', ''];
  const refusal = message('E', Buffer.from(fields.map((field) => `${field}\0`).join('')));
  return listening(
    createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => {
        socket.write(askForPassword);
        socket.once('data', () => socket.end(refusal));
      });
    }),
  );
}

/** Tells its version to everybody, as Qdrant does, and nothing else to anybody. */
export function openRefusingQdrant(): Promise<RefusingServer> {
  return openHttpServer((request, response) => {
    if (request.url === '/') {
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ title: 'qdrant - vector search engine', version: '1.18.2', commit: 'x' }),
      );
    } else {
      response.statusCode = 401;
      response.end('Invalid API key or JWT');
    }
  });
}

/** Some other program: a web page for every request. */
export function openWebServer(): Promise<RefusingServer> {
  return openHttpServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<html><body>Welcome</body></html>');
  });
}

function openHttpServer(answer: RequestListener): Promise<RefusingServer> {
  return listening(createHttpServer(answer));
}

async function listening(server: Server | HttpServer): Promise<RefusingServer> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
    },
  };
}
