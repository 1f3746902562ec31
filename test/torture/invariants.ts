import { ownPoints } from '../../src/pipeline/own-points.ts';
import { pointId } from '../../src/pipeline/point-id.ts';
import type { StoredPoint } from '../../src/ports/vector-store.ts';
import { shortHash } from '../../src/util/hash.ts';
import { gatewayTokens, unitGatewayVector } from '../helpers/gateway-server.ts';
import { DIMENSIONS } from './ground.ts';
import type { Ground } from './ground.ts';

/** One promise, whether it was kept, and the numbers that show it. */
export interface Check {
  name: string;
  isKept: boolean;
  numbers: string;
}

/** Of all texts that the gateway has answered at the most, over those that it had to. */
const MAX_PAID_RATIO = 1.02;

const PAGE = 1_000;

export interface InvariantOptions {
  /** Answers that were lost may have been paid: then how much was paid is told, and not judged. */
  isPaidOnce: boolean;
}

/** Looks at everything once nobody is at work any more. */
export async function checkInvariants(ground: Ground, options: InvariantOptions): Promise<Check[]> {
  return [
    ...(await checkPoints(ground)),
    await checkQueue(ground),
    await checkReservations(ground),
    await checkLedger(ground),
    await checkCharges(ground),
    checkPaid(ground, options),
  ];
}

async function checkPoints({ store, table, tenant, collection }: Ground): Promise<Check[]> {
  const texts = await table.texts();
  const physical = await store.resolveAlias(collection);
  let points = 0;
  let orphans = 0;
  const wrong: string[] = [];
  const current = new Set<string>();
  for (let after: string | undefined; physical !== null;) {
    const page = await store.scroll(physical, {
      limit: PAGE,
      filter: ownPoints(tenant, 'articles'),
      withVectors: true,
      ...(after !== undefined && { after }),
    });
    for (const point of page) {
      points += 1;
      const { key } = point.payload.vecpipe;
      const text = texts.get(key);
      if (text === undefined) orphans += 1;
      else if (isPointOf(point, tenant, text)) current.add(key);
      else wrong.push(key);
    }
    after = page.at(-1)?.id;
    if (page.length < PAGE) break;
  }
  const missing = texts.size - current.size - wrong.length;
  return [
    {
      name: 'every row has exactly its current point',
      isKept: current.size === texts.size && points - orphans === texts.size,
      numbers: `${texts.size} rows, ${points} points, ${current.size} current, ${wrong.length} of another state, ${missing} missing`,
    },
    { name: 'no point without a row', isKept: orphans === 0, numbers: `${orphans} orphans` },
  ];
}

/** Whether id, payload, hash and vector are those of the row as it is now. */
function isPointOf({ id, payload, vector }: StoredPoint, tenant: string, text: string): boolean {
  const { key, chunk, hash } = payload.vecpipe;
  const wanted = unitGatewayVector(text, DIMENSIONS);
  const cosine = vector?.reduce((sum, value, index) => sum + value * (wanted[index] ?? 0), 0) ?? 0;
  return (
    chunk === 0 &&
    id === pointId(tenant, 'articles', key, 0) &&
    payload['body'] === text &&
    hash === shortHash(text) &&
    cosine > 0.999
  );
}

async function checkQueue({ database, tenant }: Ground): Promise<Check> {
  const { rows } = await database.query<{ queued: number; leased: number; failed: number }>(
    `select count(*) as queued, count(lease_token) as leased, count(error_code) as failed
    from vecpipe.queue where tenant = $1`,
    [tenant],
  );
  const { queued = -1, leased = -1, failed = -1 } = rows[0] ?? {};
  return {
    name: 'the queue is empty and no lease is left',
    isKept: queued === 0,
    numbers: `${queued} queued, ${leased} leased, ${failed} failed`,
  };
}

async function checkReservations({ database, tenant }: Ground): Promise<Check> {
  const { rows } = await database.query<{ open: number }>(
    'select count(*) as open from vecpipe.credit_reservations where tenant = $1',
    [tenant],
  );
  const open = rows[0]?.open ?? -1;
  return { name: 'no reservation is left open', isKept: open === 0, numbers: `${open} open` };
}

async function checkLedger(ground: Ground): Promise<Check> {
  const { exitCode, stdout, stderr } = await ground.start(['credits', 'check']).ended;
  const [said = ''] = `${stdout}${stderr}`.trim().split('\n').slice(-1);
  return {
    name: 'the ledger is balanced',
    isKept: exitCode === 0,
    numbers: `credits check ends with ${exitCode}: ${said}`,
  };
}

/** Each text once at the most, and those of the rows for certain. */
async function checkCharges({ database, tenant, table, gateway }: Ground): Promise<Check> {
  const { rows } = await database.query<{ spent: number }>(
    'select spent from vecpipe.credit_accounts where tenant = $1',
    [tenant],
  );
  const spent = rows[0]?.spent ?? -1;
  const tokensOf = (texts: Iterable<string>) =>
    [...new Set(texts)].reduce((sum, text) => sum + gatewayTokens(text), 0);
  const least = tokensOf((await table.texts()).values());
  const most = tokensOf(gateway.requests.flatMap(({ inputs }) => inputs));
  return {
    name: 'no text is charged twice, and every delivered one is charged',
    isKept: least <= spent && spent <= most,
    numbers: `${least} tokens in the rows <= ${spent} credits spent <= ${most} tokens in all texts ever sent`,
  };
}

function checkPaid({ gateway }: Ground, { isPaidOnce }: InvariantOptions): Check {
  const needed = new Set(gateway.requests.flatMap(({ inputs }) => inputs)).size;
  const paid = sumOf(gateway.paid.values());
  const sent = sumOf(gateway.requests.map(({ inputs }) => inputs.length));
  const ratio = paid / needed;
  return {
    name: `texts paid / needed${isPaidOnce ? ` <= ${MAX_PAID_RATIO}` : ''}`,
    isKept: !isPaidOnce || ratio <= MAX_PAID_RATIO,
    numbers: `${paid} answered / ${needed} needed = ${ratio.toFixed(4)} (received, answered or not: ${sent} = ${(sent / needed).toFixed(4)})`,
  };
}

function sumOf(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}
