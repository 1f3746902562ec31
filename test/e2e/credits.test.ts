import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRecords, quickest } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

/** Cells of a printed table, the head included; none of them may hold two spaces in a row. */
function cellsOf(stdout: string): string[][] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));
}

describe(`credits, ${quickest.name}`, () => {
  let workspace: Workspace;
  let tenant: string;

  beforeAll(async () => {
    workspace = await quickest.create();
    ({ tenant } = workspace);
    await workspace.write(
      'vecpipe.config.yaml',
      `tenants:
  "${tenant}": { provider: paid }
  "${tenant}x": { provider: static }
providers:
  paid: { kind: static, creditsPerMillionTokens: 1000000 }
entities: { projects: }
`,
    );
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  const withoutFlag = { tenant: false } as const;

  async function balance(): Promise<Record<string, unknown> | undefined> {
    const { balances } = await workspace.json<{ balances: Record<string, unknown>[] }>([
      'credits',
      'balance',
    ]);
    expect(balances).toHaveLength(1);
    return balances[0];
  }

  it('are without limit until some are granted', async () => {
    const { exitCode, stdout, stderr } = await workspace.run(['credits', 'balance']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(cellsOf(stdout)).toEqual([
      ['tenant', 'granted', 'available', 'reserved', 'spent'],
      [tenant, '-', 'no limit', '-', '-'],
    ]);
    expect(await balance()).toEqual({
      tenant,
      granted: null,
      available: null,
      reserved: null,
      spent: null,
    });
    expect((await workspace.run(['status'])).stdout).not.toContain('available');
  });

  it('are granted, and a dry run only says so', async () => {
    const planned = await workspace.run(['credits', 'grant', '5', '--dry-run']);
    expect(planned).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: `Would grant 5 credits to tenant ${tenant}; available then: 5. The tenant had no limit before; with this account it can spend only what it was granted.\n`,
    });
    expect(await balance()).toMatchObject({ granted: null });
    expect(await workspace.run(['credits', 'grant', '5', '--reason', 'a  start'])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: `Granted 5 credits to tenant ${tenant}; available: 5. The tenant had no limit before; with this account it can spend only what it was granted.\n`,
    });
    expect(await balance()).toEqual({ tenant, granted: 5, available: 5, reserved: 0, spent: 0 });
  });

  it('are granted once under one key', async () => {
    const grant = (amount: string) =>
      workspace.json<{ grants: object[] }>(['credits', 'grant', amount, '--key', '2026-11']);
    expect(await grant('7')).toMatchObject({
      command: 'credits grant',
      exitCode: 0,
      grants: [{ tenant, amount: 7, available: 12, opensAccount: false, isRepeat: false }],
    });
    const repeated = await grant('7');
    expect(repeated).toMatchObject({ exitCode: 0, grants: [{ available: 12, isRepeat: true }] });
    expect(repeated.stderr).toBe(
      `Key 2026-11: granting 7 credits to tenant ${tenant} was entered before, nothing to do; available: 12.\n`,
    );
    expect(await grant('8')).toMatchObject({ exitCode: 2, error: { code: 'credits_key_taken' } });
    expect(await balance()).toMatchObject({ available: 12 });
  });

  it('are taken back as far as they are there', async () => {
    const refused = await workspace.run(['credits', 'grant', '13', '--withdraw']);
    expect(refused).toMatchObject({
      exitCode: 2,
      stderr: `vecpipe credits grant: tenant ${tenant} has 12 credits available, which is less than the 13 to be taken back\n  vecpipe credits balance shows what is available\n`,
    });
    expect(await workspace.run(['credits', 'grant', '2', '--withdraw'])).toMatchObject({
      exitCode: 0,
      stderr: `Took 2 credits back from tenant ${tenant}; available: 10.\n`,
    });
  });

  it('belong to a tenant, not to an entity', async () => {
    const report = await workspace.json(['credits', 'grant', '2', '--entity', 'projects']);
    expect(report).toMatchObject({ exitCode: 2, error: { code: 'wrong_usage' } });
    expect(await balance()).toMatchObject({ available: 10 });
  });

  it('that a run would cost are in its plan, with a word when there are fewer', async () => {
    await workspace.write('projects.ndjson', projectRecords(3));
    expect((await workspace.run(['sync', '--from', 'projects.ndjson'])).exitCode).toBe(0);
    const { plan } = await workspace.json<{
      plan: { tokens: number; credits: number; creditsAvailable: number | null }[];
    }>(['vectorize', '--dry-run']);
    const tokens = plan[0]?.tokens ?? 0;
    expect(tokens).toBeGreaterThan(10);
    expect(plan).toMatchObject([{ credits: tokens, creditsAvailable: 10 }]);
    const shortage = `Tenant ${tenant} has 10 credits, and this would cost ${tokens}: vectorize would stop when they are used up.\n`;
    expect((await workspace.run(['vectorize', '--dry-run'])).stdout).toContain(`\n\n${shortage}`);

    expect((await workspace.run(['credits', 'grant', String(tokens - 10)])).exitCode).toBe(0);
    const enough = await workspace.run(['vectorize', '--dry-run']);
    expect(enough.stdout).not.toContain('would cost');
    const done = await workspace.json(['vectorize']);
    expect(done).toMatchObject({ exitCode: 0, entities: [{ stored: 3, credits: tokens }] });
    expect(done.stderr).toContain(`, ${tokens} credits (`);
    expect(await balance()).toEqual({
      tenant,
      granted: tokens,
      available: 0,
      reserved: 0,
      spent: tokens,
    });
  });

  it('that were moved are in the ledger, a line each', async () => {
    const { stdout } = await workspace.run(['credits', 'ledger', '--limit', '100']);
    const [head, ...rows] = cellsOf(stdout);
    expect(head).toEqual([
      'time',
      'tenant',
      'kind',
      'available',
      'reserved',
      'spent',
      'entity',
      'run',
      'reason',
    ]);
    const times = rows.map(([time = '']) => time);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(rows.map(([, , kind]) => kind)).toEqual([
      ...rows.slice(0, -4).map(() => expect.stringMatching(/^(release|charge|reserve)$/) as string),
      ...rows.slice(-4).map(() => 'grant'),
    ]);
    expect(rows.slice(-4).map((row) => row.slice(1))).toEqual([
      [tenant, 'grant', expect.stringMatching(/^\+\d+$/) as string],
      [tenant, 'grant', '-2'],
      [tenant, 'grant', '+7', '(key 2026-11)'],
      [tenant, 'grant', '+5', 'a start'],
    ]);
    const { transfers } = await workspace.json<{ transfers: Record<string, unknown>[] }>([
      'credits',
      'ledger',
      '--entity',
      'projects',
    ]);
    const spent = transfers.reduce((sum, transfer) => sum + Number(transfer['spent']), 0);
    expect(spent).toBeGreaterThan(10);
    for (const transfer of transfers) {
      expect(transfer).toMatchObject({ tenant, entity: 'projects', runId: expect.any(String) as string });
    }
  });

  it('are shown by status once there is an account', async () => {
    const { stdout } = await workspace.run(['status', '--all-tenants'], withoutFlag);
    const lines = cellsOf(stdout);
    const head = lines.findIndex((cells) => cells.join() === 'tenant,granted,available,reserved,spent');
    expect(lines.slice(head + 1, head + 3)).toEqual([
      [tenant, expect.any(String), '0', '0', expect.any(String)],
      [`${tenant}x`, '-', 'no limit', '-', '-'],
    ]);
  });

  it('that a dead run has reserved are given back', async () => {
    expect((await workspace.run(['credits', 'grant', '100'])).exitCode).toBe(0);
    const [id, transferId] = [randomUUID(), randomUUID()];
    await workspace.sql(
      `update vecpipe.credit_accounts set available = available - 40, reserved = 40 where tenant = '${tenant}'`,
      `insert into vecpipe.credit_reservations (id, tenant, entity, run_id, credits, rows, expires_at)
       values ('${id}', '${tenant}', 'projects', '${randomUUID()}', 40, 3, now() - interval '1 s')`,
      `insert into vecpipe.credit_entries (tenant, transfer_id, kind, account, amount, reservation_id)
       values ('${tenant}', '${transferId}', 'reserve', 'available', -40, '${id}'),
              ('${tenant}', '${transferId}', 'reserve', 'reserved', 40, '${id}')`,
      `insert into vecpipe.receipts (tenant, vector_space, text_hash, lease_token, vector, due_micros)
       values ('${tenant}', 's', 't', '${id}', '', 2500000)`,
    );
    const due = `Still due from tenant ${tenant}: 3 credits for 1 vector bought before; the next vectorize charges what it delivers.\n`;
    expect(await workspace.run(['credits', 'settle', '--dry-run'])).toMatchObject({
      exitCode: 0,
      stderr: `Would give back 40 credits of 1 reservation to tenant ${tenant}.\n${due}`,
    });
    expect(await balance()).toMatchObject({ available: 60, reserved: 40 });
    expect(await workspace.json(['credits', 'settle'])).toMatchObject({
      exitCode: 0,
      settled: [{ tenant, reservations: 1, credits: 40 }],
      due: [{ tenant, vectors: 1, credits: 2.5 }],
      stderr: `Gave back 40 credits of 1 reservation to tenant ${tenant}.\n${due}`,
    });
    expect(await workspace.run(['credits', 'settle'])).toMatchObject({
      exitCode: 0,
      stderr: `No reservation was left behind.\n${due}`,
    });
    expect(await balance()).toMatchObject({ available: 100, reserved: 0 });
  });

  it('are proved to add up, or not', async () => {
    const sound = await workspace.run(['credits', 'check', '--all-tenants'], withoutFlag);
    expect(sound).toMatchObject({ exitCode: 0, stdout: '' });
    expect(sound.stderr).toMatch(
      /^1 account, \d+ entries, 0 open reservations: every balance equals its entries, and all entries sum to zero\.\n$/,
    );
    await workspace.sql(
      `update vecpipe.credit_accounts set available = available + 1, spent = spent - 1 where tenant = '${tenant}'`,
    );
    const forged = await workspace.run(['credits', 'check']);
    expect(forged).toMatchObject({
      exitCode: 3,
      stderr:
        'vecpipe credits check: the credits disagree in 2 places\n' +
        '  vecpipe has not written it like this: somebody changed the tables, or restored a part of them\n',
    });
    expect(cellsOf(forged.stdout)).toEqual([
      ['tenant', 'what disagrees', 'expected', 'found'],
      [tenant, 'available of the account, by its entries', '100', '101'],
      [tenant, 'spent of the account, by its entries', expect.any(String), expect.any(String)],
    ]);
    expect(await workspace.json(['credits', 'check'])).toMatchObject({
      exitCode: 3,
      error: { code: 'credits_mismatch' },
      check: {
        mismatchCount: 2,
        mismatches: [{ tenant, what: 'balance', which: 'available', expected: 100, found: 101 }, {}],
      },
    });
    const other = await workspace.run(['credits', 'check', '--tenant', `${tenant}x`], withoutFlag);
    expect(other).toMatchObject({
      exitCode: 0,
      stderr: 'No account, and no entry: nothing that could disagree.\n',
    });
  });
});
