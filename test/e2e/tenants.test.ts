import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quickest } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

describe(`several tenants, ${quickest.name}`, () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await quickest.create();
    await workspace.write(
      'vecpipe.config.yaml',
      `tenants:
  "1": {}
  "2": {}
entities:
  projects:
    collection: "client_${workspace.tenant}_{tenant}_{entity}"
  wits:
    collection: "client_${workspace.tenant}_shared_{entity}"
`,
    );
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  const withoutFlag = { tenant: false } as const;

  it('get the records that name them, and no others', async () => {
    const records = [
      { id: 1, tenant_id: 1, key: 'ONE', name: 'Invoices of the first tenant' },
      { id: 1, tenant_id: '2', key: 'TWO', name: 'Invoices of the second tenant' },
      { id: 2, key: 'NOBODY', name: 'Says no tenant' },
      { id: 3, tenant_id: 3, key: 'THREE', name: 'Says a tenant that is not there' },
    ];
    const wits = [
      { id: 'bug', tenant_id: 1, name: 'Defect', description: 'Something is broken' },
      { id: 'bug', tenant_id: 2, name: 'Mistake', description: 'Something is broken' },
    ];
    const lines = (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    await workspace.write('projects.ndjson', lines(records));
    await workspace.write('wits.ndjson', lines(wits));
    const report = await workspace.json(
      ['sync', '--all-tenants', '--from', 'projects.ndjson', 'wits.ndjson'],
      withoutFlag,
    );
    expect(report).toMatchObject({ exitCode: 1, error: null });
    expect(report.failures.map(({ key, code }) => [key, code])).toEqual([
      ['projects.ndjson:3', 'tenant_missing'],
      ['projects.ndjson:4', 'tenant_mismatch'],
    ]);
    const inserted = report.entities.map((each) => [each.tenant, each.entity, each.inserted]);
    expect(inserted.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
      ['1', 'projects', 1],
      ['1', 'wits', 1],
      ['2', 'projects', 1],
      ['2', 'wits', 1],
    ]);
  });

  it('are worked on only when they are meant', async () => {
    const unsaid = await workspace.json(['vectorize'], withoutFlag);
    expect(unsaid).toMatchObject({ exitCode: 2, error: { code: 'tenant_required' } });
    const one = await workspace.json(['vectorize', '--tenant', '2'], withoutFlag);
    expect(one.entities.map(({ tenant, stored }) => [tenant, stored])).toEqual([
      ['2', 1],
      ['2', 1],
    ]);
    const all = await workspace.json(['vectorize', '--all-tenants'], withoutFlag);
    expect(all.entities.map(({ tenant, stored, unchanged }) => [tenant, stored, unchanged])).toEqual([
      ['1', 1, 0],
      ['1', 1, 0],
      ['2', 0, 1],
      ['2', 0, 1],
    ]);
  });

  it('never find each other, also where they share a collection', async () => {
    const find = async (tenant: string, entity: string) => {
      const { results } = await workspace.json<{
        results: { tenant: string; key: string; payload: object }[];
      }>(['search', 'broken invoices', '--tenant', tenant, '--entity', entity], withoutFlag);
      return results;
    };
    expect(await find('1', 'wits')).toMatchObject([{ tenant: '1', key: 'bug', payload: { name: 'Defect' } }]);
    expect(await find('2', 'wits')).toMatchObject([
      { tenant: '2', key: 'bug', payload: { name: 'Mistake' } },
    ]);
    expect(await find('2', 'projects')).toMatchObject([{ tenant: '2', key: '1', payload: { key: 'TWO' } }]);
  });

  it('lose nothing when a row of another one vanishes', async () => {
    await workspace.sql(`delete from vecpipe.wits where tenant = '1'`);
    const guarded = await workspace.json(['vectorize', '--all-tenants'], withoutFlag);
    expect(guarded).toMatchObject({
      exitCode: 1,
      failures: [{ tenant: '1', entity: 'wits', code: 'delete_guard' }],
    });
    const deleted = await workspace.json(['vectorize', '--all-tenants', '--yes'], withoutFlag);
    expect(deleted.exitCode).toBe(0);
    const { status } = await workspace.json<{ status: { tenant: string; entity: string; points: number }[] }>(
      ['status', '--all-tenants', '--entity', 'wits'],
      withoutFlag,
    );
    expect(status).toMatchObject([
      { tenant: '1', rows: 0, points: 0 },
      { tenant: '2', rows: 1, points: 1 },
    ]);
  });
});
