import { Connection, type Client } from 'pg';

/** What the driver has but its type declarations leave out. */
interface CancelConnection extends Connection {
  connect(portOrSocket: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

interface RunningClient extends Client {
  readonly processID: number | null;
  readonly secretKey: number | null;
}

/**
 * Asks the server to cancel what a connection is running, by a CancelRequest on a connection of its own: it needs
 * no login and no free connection slot, and a connection pooler passes it on to the right backend, which
 * pg_cancel_backend() with the number that the pooler gave out would not.
 * Best effort: resolves when the server has taken it, when it failed, or after the time limit.
 *
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export async function cancelQuery(client: Client, timeLimitMs: number): Promise<void> {
  const { processID, secretKey, host, port, ssl } = client as RunningClient;
  if (processID === null || secretKey === null) return;
  const connection = new Connection({ ssl }) as CancelConnection;
  await new Promise<void>((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      connection.stream.destroy();
      resolve();
    };
    const timer = setTimeout(finish, timeLimitMs);
    const send = () => connection.cancel(processID, secretKey);
    connection.on('error', finish);
    connection.on('end', finish);
    connection.on('connect', () => (ssl ? connection.requestSsl() : send()));
    connection.on('sslconnect', send);
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
  });
}
