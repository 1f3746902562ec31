import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openGatewayServer } from '../helpers/gateway-server.ts';
import type { GatewayServer } from '../helpers/gateway-server.ts';
import { projectRecords, quickest } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

const KEY = 'sk-hunter2-hunter2';
const ROWS = 30;

describe(`a gateway, ${quickest.name}`, () => {
  let workspace: Workspace;
  let gateway: GatewayServer;
  beforeEach(async () => {
    gateway = await openGatewayServer({ dimensions: 16, apiKey: KEY });
    workspace = await quickest.create({ CLOUD_KEY: KEY });
  });
  afterEach(async () => {
    await workspace[Symbol.asyncDispose]();
    await gateway[Symbol.asyncDispose]();
  });

  /** A config with one provider for the workspace's tenant, and the records to embed. */
  async function configure(provider: string, more = '', route = 'provider: cloud'): Promise<void> {
    await workspace.write(
      'vecpipe.config.yaml',
      `providers:
  cloud: { kind: gateway, baseURL: "${gateway.url}", apiKeyEnv: CLOUD_KEY, model: m, ${provider} }
${more}tenants:
  "${workspace.tenant}": { ${route} }
`,
    );
    await workspace.write('projects.ndjson', projectRecords(ROWS));
    expect((await workspace.run(['sync', '--from', 'projects.ndjson'])).exitCode).toBe(0);
  }

  const vectorize = (...flags: string[]) => workspace.json(['vectorize', '--entity', 'projects', ...flags]);
  const timesPaid = () => [...new Set(gateway.paid.values())];

  it('embeds what changed, once, says what it cost, and never shows the key', async () => {
    await configure('dimensions: 16, maxInputs: 8, pricePerMillionTokens: 1000');
    const plan = await workspace.json<{ plan: { tokens: number; cost: number; requests: number }[] }>([
      'vectorize',
      '--dry-run',
      '--entity',
      'projects',
    ]);
    expect(plan.plan[0]).toMatchObject({ embed: ROWS, requests: 4 });
    expect(plan.plan[0]?.cost).toBeCloseTo(((plan.plan[0]?.tokens ?? 0) * 1000) / 1e6);
    expect(gateway.requests).toHaveLength(0);

    const run = await workspace.run(['vectorize', '--entity', 'projects', '--verbose', '--json']);
    const report = JSON.parse(run.stdout) as Awaited<ReturnType<typeof vectorize>>;
    expect(report).toMatchObject({ exitCode: 0, error: null });
    const [entity] = report.entities;
    expect(entity).toMatchObject({
      embedded: ROWS,
      stored: ROWS,
      tokens: gateway.reportedTokens,
      fallback: 0,
    });
    expect(entity?.cost).toBeCloseTo((gateway.reportedTokens * 1000) / 1e6);
    expect(timesPaid()).toEqual([1]);
    expect(gateway.requests.every(({ headers }) => headers.authorization === `Bearer ${KEY}`)).toBe(true);
    expect(run.stdout + run.stderr).not.toContain('hunter2');

    const requests = gateway.requests.length;
    expect((await vectorize()).entities[0]).toMatchObject({ embedded: 0, tokens: 0, cost: 0 });
    expect(gateway.requests).toHaveLength(requests);
    const status = await workspace.run(['status']);
    expect(status.stdout).toMatch(/vectorize +\S+ +\S+ +\d+ s? *.*\d/);
    expect(status.stdout).toContain(String(gateway.reportedTokens));
  });

  it('finds the one text that is refused, sets its row aside with the reason, and stores the rest', async () => {
    await configure('dimensions: 16');
    const refused = /(?<![0-9])7(?![0-9])/;
    gateway.options = {
      ...gateway.options,
      refuse: (text) => (refused.test(text) ? `input not allowed: ${text}` : null),
    };
    const report = await vectorize();
    expect(report).toMatchObject({ exitCode: 1, error: null });
    expect(report.entities[0]).toMatchObject({ stored: ROWS - 1, failed: 1 });
    expect(report.failures).toMatchObject([{ key: '7', code: 'provider_rejected_text' }]);
    expect(JSON.stringify(report)).not.toMatch(/Project number|project 7/i);
    expect(timesPaid()).toEqual([1]);
  });

  it('stores nothing of another width, and says what to set', async () => {
    await configure('dimensions: 32');
    const report = await vectorize();
    expect(report).toMatchObject({ exitCode: 4, error: { code: 'provider_contract' } });
    expect(report.error?.message).toContain('width 16 instead of 32');
    expect(report.error?.hint).toContain('dimensions');
    expect(report.entities[0]).toMatchObject({ stored: 0, pending: ROWS });
  });

  it('waits for a limit, and no row fails for it', async () => {
    await configure('dimensions: 16, maxInputs: 8');
    let refusals = 0;
    gateway.options = {
      ...gateway.options,
      behave: () => {
        refusals += 1;
        return refusals <= 3 ? { status: 429, headers: { 'retry-after': '0.1' }, body: {} } : null;
      },
    };
    expect(await vectorize()).toMatchObject({ exitCode: 0, error: null, failures: [] });
    expect(gateway.statuses.get(429)).toBeGreaterThan(0);
    expect(timesPaid()).toEqual([1]);
  });

  it('that is down makes its rows wait and ends with 4, and the next run does them', async () => {
    await configure('dimensions: 16, retrySeconds: 0');
    gateway.options = { ...gateway.options, behave: () => ({ status: 503, body: {} }) };
    const down = await vectorize();
    expect(down).toMatchObject({ exitCode: 4, error: { code: 'provider_unavailable' } });
    expect(down.entities[0]).toMatchObject({ stored: 0, failed: 0, pending: ROWS });
    gateway.options = { dimensions: 16, apiKey: KEY };
    expect(await vectorize()).toMatchObject({ exitCode: 0, error: null });
  });

  it('without its key, or with a wrong one, is one sentence that names the variable', async () => {
    await configure('dimensions: 16');
    const missing = await workspace.json(['vectorize', '--entity', 'projects'], {
      environment: { CLOUD_KEY: '' },
    });
    expect(missing).toMatchObject({ exitCode: 2, error: { code: 'api_key_missing' } });
    expect(missing.error?.message).toContain('CLOUD_KEY');
    const wrong = await workspace.json(['vectorize', '--entity', 'projects'], {
      environment: { CLOUD_KEY: 'sk-wrong-wrong' },
    });
    expect(wrong).toMatchObject({ exitCode: 4, error: { code: 'provider_auth' } });
    expect(wrong.error?.message).toContain('CLOUD_KEY');
    expect(JSON.stringify(wrong) + wrong.stderr).not.toContain('sk-wrong');
  });

  it('is told what a search text is', async () => {
    await configure('dimensions: 16, queryPrefix: "query: ", passagePrefix: "passage: "');
    await vectorize();
    expect(
      gateway.requests.flatMap(({ inputs }) => inputs).every((text) => text.startsWith('passage: ')),
    ).toBe(true);
    expect((await workspace.run(['search', 'numbers', '--entity', 'projects'])).exitCode).toBe(0);
    expect(gateway.requests.at(-1)?.inputs).toEqual(['query: numbers']);
    await configure('dimensions: 16, queryPrefix: "query: "');
    const mixed = await vectorize();
    expect(mixed).toMatchObject({ exitCode: 2, error: { code: 'fingerprint_changed' } });
    expect(mixed.error?.message).toContain('variant');
  });

  describe('with a fallback', () => {
    let twin: GatewayServer;
    beforeEach(async () => {
      twin = await openGatewayServer({ dimensions: 16 });
    });
    afterEach(() => twin[Symbol.asyncDispose]());

    const configureTwins = () =>
      configure(
        'dimensions: 16, retrySeconds: 0, pricePerMillionTokens: 1000',
        `  twin: { kind: gateway, baseURL: "${twin.url}", model: other, modelId: m, dimensions: 16, pricePerMillionTokens: 1 }\n`,
        'provider: cloud, fallback: twin',
      );

    it('goes on while it is down, counts what the fallback served, and says so', async () => {
      await configureTwins();
      gateway.options = { ...gateway.options, behave: () => ({ status: 503, body: {} }) };
      const report = await vectorize();
      expect(report).toMatchObject({ exitCode: 0, error: null });
      expect(report.entities[0]).toMatchObject({ stored: ROWS, embedded: ROWS, fallback: ROWS });
      expect(report.entities[0]?.cost).toBeCloseTo(twin.reportedTokens / 1e6);
      expect(report.stderr).toMatch(/Warning: provider twin steps in for cloud, which is unavailable: .*503/);
    });

    it('does not ask it while all is well', async () => {
      await configureTwins();
      expect(await vectorize()).toMatchObject({ exitCode: 0, error: null });
      expect(twin.requests).toHaveLength(0);
    });
  });
});

describe(`one tenant's gateway that is down, ${quickest.name}`, () => {
  it('does not stop another tenant’s rows in the same command', async () => {
    await using gateway = await openGatewayServer({ dimensions: 16, behave: () => 'hang' });
    await using workspace = await quickest.create();
    const other = `${workspace.tenant}b`;
    await workspace.write(
      'vecpipe.config.yaml',
      `providers:
  cloud: { kind: gateway, baseURL: "${gateway.url}", model: m, dimensions: 16, timeoutSeconds: 3, retrySeconds: 0 }
tenants:
  "${workspace.tenant}": { provider: cloud }
  "${other}": {}
`,
    );
    await workspace.write('projects.ndjson', projectRecords(600));
    for (const tenant of [workspace.tenant, other]) {
      const synced = await workspace.run(['sync', '--from', 'projects.ndjson', '--tenant', tenant], {
        tenant: false,
      });
      expect(synced.exitCode).toBe(0);
    }
    const flags = ['--all-tenants', '--entity', 'projects', '--batch-size', '50'];
    const report = await workspace.json(['vectorize', ...flags], { tenant: false });
    expect(report).toMatchObject({ exitCode: 4, error: { code: 'provider_unavailable' } });
    expect(report.entities).toMatchObject([
      { tenant: workspace.tenant, stored: 0, failed: 0, pending: 600 },
      { tenant: other, stored: 600, failed: 0, pending: 0 },
    ]);
  });
});
