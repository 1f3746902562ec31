import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openPostgresDatabase } from './postgres-database.ts';
import { connectError } from './postgres-error.ts';

describe('opening', () => {
  test.each([
    ['28P01', 'usage', 'database_login_refused', 'refused the password'],
    ['28000', 'usage', 'database_login_refused', 'does not let this user in from here'],
    ['3D000', 'usage', 'database_missing', 'does not exist on Postgres at'],
    ['42501', 'usage', 'database_login_refused', 'does not allow this user to connect'],
    ['57P03', 'unavailable', 'database_unreachable', 'cannot reach Postgres at'],
    ['08004', 'unavailable', 'database_unreachable', 'cannot reach Postgres at'],
    ['53300', 'unavailable', 'database_too_many_connections', 'accepts no more connections'],
  ])('refused with %s is %s %s', async (sqlState, family, code, message) => {
    await using server = await fakeServer((socket) => {
      socket.once('data', () => socket.end(errorResponse(sqlState, 'no "alice" with s3cret here')));
    });
    const error = await openFailure(server.url);
    expect(error).toMatchObject({ family, code, message: expect.stringContaining(message) });
    expect((error as Error).message).toContain(server.location);
    if (code !== 'database_unreachable') expectNoCredentials(error);
  });

  test('refuses a server that is too old', async () => {
    await using server = await fakeServer((socket) => socket.on('data', answerAsVersion('130009', socket)));
    const error = await openFailure(server.url);
    expect(error).toMatchObject({
      family: 'usage',
      code: 'database_too_old',
      message: `vecpipe needs Postgres 14 or newer, and the server at ${server.location} is Postgres 13`,
    });
  });

  test('takes one that is new enough', async () => {
    await using server = await fakeServer((socket) => socket.on('data', answerAsVersion('140000', socket)));
    await using database = await openPostgresDatabase({ url: server.url, maxConnections: 1 });
    expect(database).toMatchObject({ kind: 'postgres', exclusive: false, location: server.location });
  });

  test('fails in one sentence when nothing listens', async () => {
    const server = await fakeServer(() => {});
    await server[Symbol.asyncDispose]();
    const error = await openFailure(server.url);
    expect(error).toMatchObject({
      family: 'unavailable',
      code: 'database_unreachable',
      message: `cannot reach Postgres at ${server.location} (DATABASE_URL): connection refused`,
    });
    expectNoCredentials(error);
  });

  test('fails in one sentence when there is no such socket', async () => {
    const error = await openFailure('postgres://alice:s3cret@/app?host=/nonexistent');
    expect(error).toMatchObject({
      message: 'cannot reach Postgres at /nonexistent:5432/app (DATABASE_URL): there is no such socket',
    });
  });

  test('fails when the server accepts and then says nothing', async () => {
    await using server = await fakeServer(() => {});
    const error = await openFailure(server.url, { connectDeadlineMs: 50 });
    expect(error).toMatchObject({
      code: 'database_unreachable',
      message: `cannot reach Postgres at ${server.location} (DATABASE_URL): no answer in time`,
    });
  });

  test('fails when the server hangs up', async () => {
    await using server = await fakeServer((socket) => socket.once('data', () => socket.destroy()));
    expect(await openFailure(server.url)).toMatchObject({
      family: 'unavailable',
      code: 'database_unreachable',
    });
  });

  test('fails when the server has no TLS and the URL wants it', async () => {
    await using server = await fakeServer((socket) => socket.once('data', () => socket.write('N')));
    const error = await openFailure(`${server.url}?sslmode=require`);
    expect(error).toMatchObject({
      family: 'usage',
      code: 'database_connection_refused',
      message: expect.stringContaining('The server does not support SSL connections'),
    });
    expectNoCredentials(error);
  });

  test('asks for the password that is missing', async () => {
    await using server = await fakeServer((socket) => {
      // AuthenticationSASL with SCRAM-SHA-256, then AuthenticationSASLContinue.
      const answers = [
        message('R', int32(10), cString('SCRAM-SHA-256'), Buffer.of(0)),
        message('R', int32(11), Buffer.from('r=nonce,s=c2FsdA==,i=4096')),
      ];
      socket.on('data', () => socket.write(answers.shift() ?? ''));
    });
    const error = await openFailure(server.url.replace(':s3cret', ''));
    expect(error).toMatchObject({
      family: 'usage',
      code: 'database_login_refused',
      message: expect.stringContaining('asks for a password'),
    });
  });

  test('aborted, it rejects with the reason at once and hangs up', async () => {
    const connected = new AbortController();
    const closed = new AbortController();
    await using server = await fakeServer((socket) => {
      socket.once('data', () => connected.abort());
      socket.on('close', () => closed.abort());
    });
    const stopped = new Error('stopped');
    const controller = new AbortController();
    const opening = openPostgresDatabase(
      { url: server.url, maxConnections: 1 },
      { signal: controller.signal },
    );
    await once(connected.signal, 'abort');
    controller.abort(stopped);
    await expect(opening).rejects.toBe(stopped);
    if (!closed.signal.aborted) await once(closed.signal, 'abort');
  });
});

describe('a server that stops answering', () => {
  const stopped = new Error('stopped');

  test('is taken for dead by a statement with a time limit, and its connection is not used again', async () => {
    const asked = new AbortController();
    const closed = new AbortController();
    await using server = await fakeServer((socket) => {
      fallSilent(socket, asked);
      socket.on('close', () => closed.abort());
    });
    await using database = await openPostgresDatabase({ url: server.url, maxConnections: 1 });
    await expect(database.query('select 1', [], { timeLimitMs: 30 })).rejects.toMatchObject({
      family: 'unavailable',
      code: 'database_connection_lost',
    });
    if (!closed.signal.aborted) await once(closed.signal, 'abort');
  });

  test('does not keep an aborted statement, nor closing', async () => {
    const asked = new AbortController();
    await using server = await fakeServer((socket) => fallSilent(socket, asked));
    const database = await openPostgresDatabase({ url: server.url, maxConnections: 1, cancelDeadlineMs: 50 });
    const controller = new AbortController();
    const aborted = expect(database.query('select 1', [], { signal: controller.signal })).rejects.toBe(
      stopped,
    );
    await once(asked.signal, 'abort');
    controller.abort(stopped);
    await aborted;
    await database[Symbol.asyncDispose]();
  });

  test('cannot hold up closing while a statement runs', async () => {
    const asked = new AbortController();
    await using server = await fakeServer((socket) => fallSilent(socket, asked));
    const database = await openPostgresDatabase({ url: server.url, maxConnections: 1, cancelDeadlineMs: 50 });
    const closed = expect(database.query('select 1')).rejects.toThrow('the database has been closed');
    await once(asked.signal, 'abort');
    await database[Symbol.asyncDispose]();
    await closed;
  });
});

test.each([
  ['ENOTFOUND', 'the host name is not known'],
  ['EAI_AGAIN', 'the host name could not be looked up'],
  ['ETIMEDOUT', 'timed out'],
  ['EHOSTUNREACH', 'no route to the host'],
])('%s is one sentence', (code, reason) => {
  const error = Object.assign(new Error(`getaddrinfo ${code} db.example`), { code, syscall: 'getaddrinfo' });
  expect(connectError(error, { location: 'db.example:5432/app', source: 'DATABASE_URL' })).toMatchObject({
    family: 'unavailable',
    message: `cannot reach Postgres at db.example:5432/app (DATABASE_URL): ${reason}`,
  });
});

test('a certificate that is not trusted is one sentence', () => {
  const error = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  expect(connectError(error, { location: 'db.example:5432/app', source: 'DATABASE_URL' })).toMatchObject({
    family: 'usage',
    code: 'database_certificate_refused',
  });
});

async function openFailure(url: string, options: { connectDeadlineMs?: number } = {}): Promise<unknown> {
  try {
    await using database = await openPostgresDatabase({ url, maxConnections: 1, ...options });
    return new Error(`opened ${database.location}`);
  } catch (error) {
    return error;
  }
}

function expectNoCredentials(error: unknown): void {
  expect(inspect(error, { depth: 9 })).not.toMatch(/s3cret|alice/);
}

interface FakeServer extends AsyncDisposable {
  url: string;
  location: string;
}

/** Speaks as much of the protocol as a test wants, https://www.postgresql.org/docs/current/protocol-flow.html */
async function fakeServer(onConnection: (socket: Socket) => void): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgres://alice:s3cret@127.0.0.1:${port}/app`,
    location: `127.0.0.1:${port}/app`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

/** Lets everybody in and answers every statement with one row that holds the version. */
function answerAsVersion(version: string, socket: Socket): (data: Buffer) => void {
  const ready = message('Z', Buffer.from('I'));
  let hasStarted = false;
  return (data) => {
    if (!hasStarted) {
      hasStarted = true;
      socket.write(Buffer.concat([message('R', int32(0)), message('K', int32(1), int32(2)), ready]));
      return;
    }
    // The last message is Sync, or Terminate when the client leaves.
    if (data.at(-5) !== 'S'.charCodeAt(0)) return;
    const field = Buffer.concat([
      cString('server_version'),
      int32(0),
      int16(0),
      int32(23),
      int16(4),
      int32(-1),
      int16(0),
    ]);
    const value = Buffer.from(version);
    socket.write(
      Buffer.concat([
        message('1'),
        message('2'),
        message('T', int16(1), field),
        message('D', int16(1), int32(value.length), value),
        message('C', cString('SELECT 1')),
        ready,
      ]),
    );
  };
}

/** Answers the login and the settings of the session, and then nothing more. */
function fallSilent(socket: Socket, asked: AbortController): void {
  const answer = answerAsVersion('160000', socket);
  let received = 0;
  socket.on('data', (data: Buffer) => {
    received += 1;
    if (received <= 2) answer(data);
    else asked.abort();
  });
}

function errorResponse(sqlState: string, text: string): Buffer {
  return message('E', cString('SFATAL'), cString(`C${sqlState}`), cString(`M${text}`), Buffer.of(0));
}

function message(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}
