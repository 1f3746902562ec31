import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quickest } from '../helpers/workspace.ts';
import type { Report, Workspace } from '../helpers/workspace.ts';

const CONFIG = `
entities:
  notes:
    table: notes
    key: id
    tenant: tenant_id
    label: title
    text: "{{ title }}\\n{{ body }} {{ meta }}"
    payload: [title, meta]
`;

const ROWS = 40;

describe(`a table of the user's own, ${quickest.name}`, () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await quickest.create();
    await workspace.write('vecpipe.config.yaml', CONFIG);
    await workspace.sql(
      'create table notes (id int, tenant_id text, title text, body text, meta jsonb)',
      `insert into notes select n, '${workspace.tenant}', 'Note ' || n, 'What the team decided on day ' || n, null
       from generate_series(1, ${ROWS}) n`,
      // Rows of somebody else, and one that has no key.
      `insert into notes values (1, 'other', 'Not ours', 'Not ours', null), (null, '${workspace.tenant}', 'No key', 'x', null)`,
    );
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  const counts = ({ entities }: Report) => entities[0];
  const pointsAndRecords = async () => {
    const { status } = await workspace.json<{
      status: { points: number | null; recordedPoints: number; stored: number }[];
    }>(['status']);
    const [{ points, recordedPoints, stored } = { points: -1, recordedPoints: -1, stored: -1 }] = status;
    return { points, recordedPoints, stored };
  };

  it('a config that does not fit the table is one sentence that names the entry, and makes no collection', async () => {
    const wrong: [string, string, string, string][] = [
      [
        'table: notes',
        'table: note',
        'relation_missing',
        'table note (entities.notes) does not exist in the database',
      ],
      [
        'label: title',
        'label: titel',
        'column_missing',
        'table notes (entities.notes) has no column titel, which entities.notes.label names',
      ],
      [
        '{{ body }}',
        '{{ bdy }}',
        'column_missing',
        'table notes (entities.notes) has no column bdy, which entities.notes.text names',
      ],
      [
        'key: id',
        'key: [id, language]',
        'column_missing',
        'table notes (entities.notes) has no column language, which entities.notes.key names',
      ],
      [
        'table: notes',
        'query: select * from notes where',
        'query_refused',
        'the query of entities.notes is refused: ',
      ],
    ];
    for (const [right, changed, code, message] of wrong) {
      await workspace.write('wrong.yaml', CONFIG.replace(right, changed));
      const report = await workspace.json(['vectorize', '--config', 'wrong.yaml']);
      expect(report).toMatchObject({ exitCode: 2, entities: [], error: { code } });
      expect(report.error?.message).toContain(message);
      expect(report.stderr).toMatch(/^vecpipe vectorize: .*\n {2}.*\n$/);
    }
    expect(await workspace.sql('select * from vecpipe.generations')).toEqual([]);
  });

  it('a dry run shows the plan and changes nothing', async () => {
    const tables = ['queue', 'vector_state', 'generations', 'runs', 'projects', 'pgvector_collections'];
    const snapshot = () =>
      workspace.sql(
        `select ${tables.map((table) => `(select coalesce(jsonb_agg(to_jsonb(t)), '[]') from vecpipe.${table} t) as ${table}`).join(', ')},
           (select count(*) from pg_class) as relations`,
      );
    const before = await snapshot();
    const planned = await workspace.json<{ plan: Record<string, unknown>[] }>(['vectorize', '--dry-run']);
    // The row without a key can never be stored: it is told before as well as after.
    expect(planned).toMatchObject({ exitCode: 1, failures: [{ key: '*', code: 'key_null' }] });
    expect(planned.plan).toMatchObject([
      { entity: 'notes', rows: ROWS, added: ROWS, changed: 0, vanished: 0, embed: ROWS, requests: 1 },
    ]);
    const { stdout } = await workspace.run(['sync', '--dry-run']);
    expect(stdout).toBe('');
    expect(await snapshot()).toEqual(before);
    await workspace.sql('delete from notes where id is null');
  });

  it('rows that fail rest with their reasons and exit code 1, until they change or are tried again', async () => {
    await workspace.sql(`update notes set meta = '{"a": {"b": 1}}' where id in (7, 8)`);
    const first = await workspace.json(['vectorize']);
    expect(first).toMatchObject({ exitCode: 1, error: null });
    expect(first.failures).toMatchObject([
      { key: '7', code: 'template_value', message: expect.stringContaining('an object') as string },
      { key: '8', code: 'template_value' },
    ]);
    expect(counts(first)).toMatchObject({ queued: ROWS, stored: ROWS - 2, failed: 2, pending: 2 });

    const retried = await workspace.json(['vectorize', '--retry-failed']);
    expect(retried.exitCode).toBe(1);
    expect(counts(retried)).toMatchObject({ stored: 0, unchanged: ROWS - 2, failed: 2 });

    // A changed row is tried without being asked for.
    await workspace.sql(`update notes set meta = '"plain"' where id = 7`);
    const better = await workspace.run(['vectorize']);
    expect(better).toMatchObject({ exitCode: 1, stdout: '' });
    expect(better.stderr).toContain('Queued 1 notes entities for vectorization\n');
    expect(better.stderr).toMatch(/1 stored, 1 embedded, .*1 failed/);
    expect(better.stderr).toMatch(/^Failed notes 8: .* \(template_value\)$/m);

    await workspace.sql(`update notes set meta = null where id = 8`);
    expect(await workspace.json(['vectorize', '--retry-failed'])).toMatchObject({
      exitCode: 0,
      failures: [],
    });
    expect(await pointsAndRecords()).toEqual({ points: ROWS, recordedPoints: ROWS, stored: ROWS });
  });

  it('a few vanished rows are deleted, many only with --yes', async () => {
    await workspace.sql('delete from notes where id in (1, 2)');
    const few = await workspace.json(['vectorize']);
    expect(few.exitCode).toBe(0);
    expect(counts(few)).toMatchObject({ deleted: 2, embedded: 0 });

    await workspace.sql(`delete from notes where id between 3 and 20 and tenant_id = '${workspace.tenant}'`);
    const guarded = await workspace.json(['vectorize']);
    expect(guarded).toMatchObject({
      exitCode: 1,
      error: null,
      failures: [{ key: '*', code: 'delete_guard' }],
    });
    expect(guarded.stderr).toMatch(/^Failed notes: 18 of 38 stored rows are gone .* run again with --yes/m);
    expect(counts(guarded)).toMatchObject({ deleted: 0, pending: 0 });
    const planned = await workspace.run(['sync', '--dry-run', '--quiet']);
    expect(planned).toMatchObject({ exitCode: 1, stdout: '' });
    const confirmed = await workspace.json(['vectorize', '--yes']);
    expect(confirmed).toMatchObject({ exitCode: 0, failures: [] });
    expect(counts(confirmed)).toMatchObject({ deleted: 18 });
    expect(await pointsAndRecords()).toEqual({ points: 20, recordedPoints: 20, stored: 20 });
  });

  it('a truncated table takes no point along until somebody says so', async () => {
    await workspace.sql('truncate notes');
    const guarded = await workspace.json(['sync']);
    expect(guarded).toMatchObject({ exitCode: 1, failures: [{ code: 'delete_guard' }] });
    expect(await workspace.json(['vectorize'])).toMatchObject({
      exitCode: 1,
      failures: [{ code: 'delete_guard' }],
    });
    expect(await pointsAndRecords()).toMatchObject({ points: 20 });

    expect(counts(await workspace.json(['sync', '--yes']))).toMatchObject({ queued: 20, pending: 20 });
    const emptied = await workspace.json(['vectorize', '--queued-only']);
    expect(emptied.exitCode).toBe(0);
    expect(counts(emptied)).toMatchObject({ deleted: 20, pending: 0 });
    expect(await pointsAndRecords()).toEqual({ points: 0, recordedPoints: 0, stored: 0 });
  });

  it('columns may have any name and type', async () => {
    await workspace.sql(
      `create table "Odd ""Table""" (
         "Key" bigint primary key, d text, s text, "select" numeric(6, 2), "with ""quotes""" timestamptz, k0 bytea,
         row jsonb, "emptyList" text[], found interval)`,
      `insert into "Odd ""Table""" values
         (9007199254740993, 'Draws bars', 'in terminals', 1.50, '2026-03-01T09:30:00Z', '\\x00ff', '{"a": [1]}', '{}', '1 day'),
         (-1, null, null, null, null, null, null, null, null)`,
    );
    await workspace.write(
      'odd.yaml',
      `tenants: { "${workspace.tenant}": }
entities:
  odd:
    table: '"Odd ""Table"""'
    key: Key
    text: '{{ d }} {{ s }} {{ select }} {{ row.a }} {{ emptyList | join: ", " }}'
    payload: [d, s, select, 'with "quotes"', k0, row, emptyList, found]
`,
    );
    const stored = await workspace.json(['vectorize', '--config', 'odd.yaml']);
    expect(stored).toMatchObject({ exitCode: 0, error: null });
    expect(stored.entities).toMatchObject([{ queued: 2, stored: 1, empty: 1, failed: 0 }]);
    const { results } = await workspace.json<{ results: object[] }>([
      'search',
      'bars',
      '--config',
      'odd.yaml',
    ]);
    expect(results).toMatchObject([
      {
        key: '9007199254740993',
        payload: {
          d: 'Draws bars',
          s: 'in terminals',
          select: 1.5,
          k0: '\\x00ff',
          row: { a: [1] },
          emptyList: [],
        },
      },
    ]);
    const again = await workspace.json(['vectorize', '--config', 'odd.yaml']);
    expect(again.entities).toMatchObject([{ unchanged: 2, queued: 0, embedded: 0 }]);
    // Text that is no value of the key is the key of no row.
    const explained = await workspace.json(['explain', 'Draws', '--config', 'odd.yaml']);
    expect(explained).toMatchObject({ exitCode: 2, error: { code: 'key_unknown' } });
  });
});
