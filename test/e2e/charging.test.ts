import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRecords, quickest } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

/** The static model with a price, so that nothing but the program is needed. */
describe(`tenants that pay with credits, ${quickest.name}`, () => {
  let workspace: Workspace;
  let rich: string;

  beforeAll(async () => {
    workspace = await quickest.create();
    rich = `${workspace.tenant}r`;
    await workspace.write(
      'vecpipe.config.yaml',
      `providers:
  paid: { kind: static, creditsPerMillionTokens: 1000000 }
tenants:
  "${workspace.tenant}": { provider: paid }
  "${rich}": { provider: paid }
`,
    );
    await workspace.write('projects.ndjson', projectRecords(20));
    for (const tenant of [workspace.tenant, rich]) {
      const args = ['sync', '--tenant', tenant, '--from', 'projects.ndjson', '--quiet'];
      expect((await workspace.run(args, { tenant: false })).exitCode).toBe(0);
    }
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  const withoutFlag = { tenant: false } as const;
  const VECTORIZE = ['vectorize', '--entity', 'projects', '--all-tenants'];

  async function balanceOf(tenant: string) {
    const { balances } = await workspace.json<{
      balances: { available: number; spent: number; reserved: number }[];
    }>(['credits', 'balance', '--tenant', tenant], withoutFlag);
    return balances[0];
  }

  it('run out: exit 5, the queue intact, and the other tenant’s run goes on', async () => {
    await workspace.run(['credits', 'grant', '5']);
    await workspace.run(['credits', 'grant', '100000', '--tenant', rich], withoutFlag);
    const report = await workspace.json(VECTORIZE, withoutFlag);
    expect(report).toMatchObject({ exitCode: 5, error: { code: 'out_of_credits' } });
    expect(report.error?.message).toMatch(
      new RegExp(
        `^tenant ${workspace.tenant} has 5 credits left, and the next row of projects may cost \\d+$`,
      ),
    );
    expect(report.error?.hint).toContain(`vecpipe credits grant --tenant ${workspace.tenant}`);
    const [poor, other] = report.entities;
    expect(poor).toMatchObject({ tenant: workspace.tenant, embedded: 0, pending: 20, failed: 0, credits: 0 });
    expect(other).toMatchObject({ tenant: rich, embedded: 20, pending: 0 });
    expect(other?.credits).toBe(other?.tokens);
    expect(await balanceOf(workspace.tenant)).toMatchObject({ available: 5, spent: 0, reserved: 0 });
    expect(await balanceOf(rich)).toMatchObject({ spent: other?.tokens, reserved: 0 });
    expect((await workspace.run(['credits', 'check', '--all-tenants'], withoutFlag)).exitCode).toBe(0);
  });

  it('say so to a person in one sentence and what to do', async () => {
    const { exitCode, stderr } = await workspace.run([...VECTORIZE, '--quiet'], withoutFlag);
    expect(exitCode).toBe(5);
    expect(stderr).toMatch(
      /^vecpipe vectorize: tenant \S+ has 5 credits left, and .*\n {2}grant more with `vecpipe credits grant/m,
    );
  });

  it('go on once there are more, and pay once', async () => {
    await workspace.run(['credits', 'grant', '100000']);
    const report = await workspace.json(VECTORIZE, withoutFlag);
    expect(report).toMatchObject({ exitCode: 0, error: null });
    const [poor, other] = report.entities;
    expect(poor).toMatchObject({ embedded: 20, pending: 0 });
    expect(other).toMatchObject({ embedded: 0, credits: 0 });
    expect(await balanceOf(workspace.tenant)).toMatchObject({
      available: 100_005 - (poor?.credits ?? 0),
      spent: poor?.tokens,
      reserved: 0,
    });
  });

  it('can bound one run', async () => {
    await workspace.write('projects.ndjson', projectRecords(20, 100));
    await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet']);
    const report = await workspace.json(['vectorize', '--entity', 'projects', '--max-credits', '50']);
    expect(report).toMatchObject({ exitCode: 5, error: { code: 'max_credits_reached' } });
    const [entity] = report.entities;
    expect(entity?.credits).toBeGreaterThan(0);
    expect(entity?.credits).toBeLessThanOrEqual(50);
    expect((entity?.stored ?? 0) + (entity?.pending ?? 0)).toBe(20);
    expect(await workspace.json(['vectorize', '--entity', 'projects'])).toMatchObject({ exitCode: 0 });
  });
});
