import { describe, expect, it } from 'vitest';
import { missingServers, openGround } from '../torture/ground.ts';
import type { Check } from '../torture/invariants.ts';
import { terminate } from '../torture/terminate.ts';
import { answerSlowly, torture } from '../torture/torture.ts';

const missing = missingServers('qdrant');
if (missing !== null) console.warn(`skipped: processes that are killed while they work, because ${missing}`);

const TIME_LIMIT_MS = 240_000;
const say = () => {};

/** Of the short runs; `npm run torture` takes another one each time, and is longer. */
const SEED = 5;

function expectAllKept(checks: readonly Check[]): void {
  const broken = checks.filter(({ isKept }) => !isKept);
  expect(broken.map(({ name, numbers }) => `${name}: ${numbers}`)).toEqual([]);
}

describe.skipIf(missing !== null)('processes that share the work', { concurrent: true }, () => {
  it(
    'and are killed again and again lose nothing, and pay nothing twice',
    async () => {
      const checks = await torture({
        seed: SEED,
        store: 'qdrant',
        rows: 1_500,
        workers: 2,
        kills: 12,
        batchSize: 32,
        concurrency: 2,
        inputs: 2,
        requests: 1,
        latencyMs: [25, 100],
        withFaults: false,
        say,
      });
      expectAllKept(checks);
    },
    TIME_LIMIT_MS,
  );

  it(
    'and are asked to stop at any moment end with 143, and hold nothing',
    async () => {
      expectAllKept(await terminate({ seed: SEED, store: 'qdrant', terms: 10, say }));
    },
    TIME_LIMIT_MS,
  );

  it('and are started in the same second do each row once', async () => {
    const rows = 400;
    await using ground = await openGround({
      store: 'qdrant',
      rows,
      credits: 1_000_000,
      inputs: 16,
      requests: 2,
      timeoutSeconds: 60,
    });
    const apiKeys = ['first', 'second'];
    answerSlowly(ground, { seed: SEED, latencyMs: [20, 80] }, null);
    const args = ['vectorize', '--batch-size', '16', '--concurrency', '1', '--json'];
    const jobs = await Promise.all(apiKeys.map((apiKey) => ground.start(args, apiKey).ended));
    for (const { exitCode, stderr } of jobs) expect(exitCode, stderr).toBe(0);
    const { gateway, database, tenant } = ground;
    expect(gateway.requests.flatMap(({ inputs }) => inputs)).toHaveLength(rows);
    expect(gateway.paid.size).toBe(rows);
    // Both had their share of it.
    const keys = new Set(gateway.requests.map(({ headers }) => headers.authorization));
    expect(keys).toEqual(new Set(apiKeys.map((apiKey) => `Bearer ${apiKey}`)));
    const { rows: accounts } = await database.query(
      'select spent, reserved from vecpipe.credit_accounts where tenant = $1',
      [tenant],
    );
    expect(accounts).toEqual([{ spent: gateway.reportedTokens, reserved: 0 }]);
  });
});
