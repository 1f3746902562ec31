import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quickest } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

const CONFIG = `
entities:
  notes:
    table: notes
    tenant: tenant_id
    text: "{{ title }}"
    payload: [title]
  titles:
    query: select id, tenant_id, title from notes
    tenant: tenant_id
    text: "{{ title }}"
  projects:
`;

interface TriggerFields {
  triggers: { entity: string; table: string | null; action: string }[];
}

describe(`triggers, ${quickest.name}`, () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await quickest.create();
    await workspace.write('vecpipe.config.yaml', CONFIG);
    await workspace.sql(
      'create table notes (id int primary key, tenant_id text, title text, seen int)',
      `insert into notes select n, '${workspace.tenant}', 'Note ' || n, 0 from generate_series(1, 20) n`,
    );
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  const init = (...flags: string[]) => workspace.run(['init', ...flags], { tenant: false });
  const notes = ['--entity', 'notes'];
  const vectorize = async (...flags: string[]) => {
    const report = await workspace.json(['vectorize', ...notes, ...flags]);
    const [counts] = report.entities;
    // Only a comparison counts rows by what it finds them to be.
    const { inserted = 0, updated = 0, unchanged = 0 } = counts ?? {};
    return { ...report, counts, compared: inserted + updated + unchanged > 0 };
  };

  it('are made where they can be, are left alone the second time, and doctor tells of them', async () => {
    await init();
    const before = await workspace.run(['doctor', ...notes]);
    expect(before.stdout).toMatch(/triggers of notes: not used/);
    const plan = await init('--triggers', '--dry-run');
    expect(plan.stdout).toContain('triggers of notes: would be created on notes');
    const first = await init('--triggers');
    expect(first.exitCode).toBe(0);
    expect(first.stdout).toContain('triggers of notes: created on notes');
    expect(first.stderr).toContain('No triggers for titles: titles is read by a query');
    expect(first.stdout + first.stderr).not.toContain('projects: ');
    const again = await workspace.json<TriggerFields>(['init', '--triggers'], { tenant: false });
    expect(again.triggers).toEqual([{ entity: 'notes', table: 'notes', action: 'kept' }]);
    const doctor = await workspace.run(['doctor', ...notes]);
    expect(doctor.stdout).toMatch(/triggers of notes: notes has them, and they are up to date/);
  });

  it('say what changed, so that no run compares after the first', async () => {
    expect(await vectorize()).toMatchObject({ exitCode: 0, compared: true, counts: { stored: 20 } });
    expect(await vectorize()).toMatchObject({ exitCode: 0, compared: false, counts: { stored: 0 } });
    await workspace.sql(
      'update notes set seen = seen + 1',
      `update notes set title = 'Changed' where id = 3`,
      'delete from notes where id = 4',
      `insert into notes values (21, '${workspace.tenant}', 'Added', 0)`,
    );
    expect(await vectorize()).toMatchObject({
      exitCode: 0,
      compared: false,
      counts: { stored: 2, deleted: 1, pending: 0 },
    });
  });

  it('do not let more than a fifth of the rows be deleted unasked', async () => {
    await workspace.sql('delete from notes where id > 10', `update notes set title = 'Again' where id = 5`);
    const held = await vectorize();
    expect(held).toMatchObject({
      exitCode: 1,
      compared: false,
      counts: { stored: 1, deleted: 0, pending: 11 },
    });
    expect(held.failures).toMatchObject([
      {
        code: 'delete_guard',
        message: expect.stringMatching(/^11 of 20 stored rows are gone from table notes .*--yes/) as string,
      },
    ]);
    expect(await vectorize('--queued-only')).toMatchObject({ exitCode: 1, counts: { deleted: 0 } });
    expect(await vectorize('--yes')).toMatchObject({ exitCode: 0, counts: { deleted: 11, pending: 0 } });
    await workspace.sql('truncate notes');
    const emptied = await vectorize();
    expect(emptied).toMatchObject({ exitCode: 1, counts: { deleted: 0 } });
    expect(emptied.failures).toMatchObject([{ code: 'delete_guard' }]);
    expect(await vectorize()).toMatchObject({ exitCode: 1 });
    expect(await vectorize('--yes')).toMatchObject({ exitCode: 0, counts: { deleted: 9 } });
    await workspace.sql(`insert into notes values (30, '${workspace.tenant}', 'New', 0)`);
    expect(await vectorize()).toMatchObject({ exitCode: 0, counts: { stored: 1 } });
    expect(await vectorize()).toMatchObject({ exitCode: 0, compared: false });
  });

  it('are replaced when the config changes, and not used until then', async () => {
    await workspace.write('vecpipe.config.yaml', CONFIG.replace('[title]', '[title, seen]'));
    const doctor = await workspace.run(['doctor', ...notes]);
    expect(doctor.stdout).toMatch(/triggers of notes: those on notes were made for another config/);
    expect(await vectorize()).toMatchObject({ exitCode: 0, compared: true });
    expect((await init('--triggers')).stdout).toContain('triggers of notes: replaced on notes');
    expect(await vectorize()).toMatchObject({ compared: true });
    expect(await vectorize()).toMatchObject({ compared: false });
  });

  it('are refused by name where they cannot be', async () => {
    for (const [entity, code] of [
      ['titles', 'triggers_unsupported'],
      ['projects', 'triggers_unsupported'],
      ['notse', 'entity_unknown'],
    ]) {
      const report = await workspace.json(['init', '--triggers', '--entity', entity ?? ''], {
        tenant: false,
      });
      expect(report).toMatchObject({ exitCode: 2, error: { code } });
    }
    expect((await init('--triggers', '--drop-triggers')).exitCode).toBe(2);
  });

  it('are dropped, also when the config does not have the entity any more', async () => {
    await workspace.write('vecpipe.config.yaml', 'entities: { projects: }\n');
    const dropped = await workspace.json<TriggerFields>(['init', '--drop-triggers', ...notes], {
      tenant: false,
    });
    expect(dropped.triggers).toEqual([{ entity: 'notes', table: 'notes', action: 'dropped' }]);
    expect((await init('--drop-triggers')).stdout).toContain('triggers: there are none');
    expect((await init('--drop-triggers', ...notes)).exitCode).toBe(2);
    expect(
      await workspace.sql(
        "select tgname from pg_trigger where not tgisinternal and tgrelid = 'notes'::regclass",
      ),
    ).toEqual([]);
  });
});
