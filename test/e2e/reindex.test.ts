import { describe, expect, it } from 'vitest';
import { embedded, projectRecords, quickest, readReport, servers, workspaces } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

const config = (text: string, more = '') => `entities:\n  projects:\n    text: "${text}"\n${more}`;
const OLD_TEXT = '{{ name }}';
const NEW_TEXT = 'project {{ name }}';

async function stored(workspace: Workspace, rows: number): Promise<void> {
  await workspace.write('vecpipe.config.yaml', config(OLD_TEXT));
  await workspace.write('projects.ndjson', projectRecords(rows));
  await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet']);
  expect((await workspace.json(['vectorize', '--entity', 'projects'])).exitCode).toBe(0);
}

const generations = (workspace: Workspace) =>
  workspace.sql<{ generation: number; status: string; isRestored: boolean }>(
    `select generation, status, load_settings is null as "isRestored" from vecpipe.generations
    where status <> 'dropped' order by generation desc`,
  );

/** Random numbers from 0 to 1 that are the same in every run of the tests. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

describe.each(workspaces)('reindex, $name', (variant) => {
  it('rebuilds after the template was changed, and goes back and forth', { timeout: 120_000 }, async () => {
    await using workspace = await variant.create();
    await stored(workspace, 40);
    await workspace.write('vecpipe.config.yaml', config(NEW_TEXT));

    const refused = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(refused).toMatchObject({ exitCode: 2, error: { code: 'fingerprint_changed' } });
    expect(refused.error?.message).toContain('another template');
    expect(refused.error?.hint).toContain(`vecpipe reindex --tenant ${workspace.tenant} --entity projects`);

    const planned = await workspace.json<{ plan: object[] }>([
      'reindex',
      '--entity',
      'projects',
      '--dry-run',
    ]);
    expect(planned).toMatchObject({ exitCode: 0, plan: [{ rows: 40, embed: 40, copied: 0, generation: 2 }] });
    expect(await generations(workspace)).toHaveLength(1);

    const rebuilt = await workspace.json(['reindex', '--entity', 'projects', '--if-needed']);
    expect(rebuilt).toMatchObject({
      exitCode: 0,
      collections: [{ generation: 2, swapped: true }],
      entities: [{ generation: 2, stored: 40, embedded: 40, pending: 0, failed: 0, unchanged: 0 }],
    });
    expect(await workspace.json(['reindex', '--entity', 'projects', '--if-needed'])).toMatchObject({
      exitCode: 0,
      entities: [],
    });
    expect(await workspace.json(['vectorize', '--entity', 'projects'])).toMatchObject({
      exitCode: 0,
      entities: [{ unchanged: 40, stored: 0 }],
    });

    const back = await workspace.json(['reindex', '--entity', 'projects', '--rollback']);
    expect(back).toMatchObject({ exitCode: 0, collections: [{ generation: 1, deleted: 0 }] });
    expect(await workspace.json(['vectorize', '--entity', 'projects'])).toMatchObject({ exitCode: 2 });
    await workspace.json(['reindex', '--entity', 'projects', '--rollback']);
    expect(await workspace.json(['reindex', '--entity', 'projects', '--drop-old'])).toMatchObject({
      exitCode: 0,
      dropped: [{ generation: 1 }],
    });
    expect(await generations(workspace)).toMatchObject([{ generation: 2, status: 'live' }]);
    expect(await workspace.json(['reindex', '--entity', 'projects', '--rollback'])).toMatchObject({
      exitCode: 2,
      error: { code: 'rollback_nothing' },
    });
  });

  it(
    'goes back to an old generation that any other run would drop, and gives up what is not wanted any more',
    { timeout: 120_000 },
    async () => {
      await using workspace = await variant.create();
      await stored(workspace, 10);
      await workspace.write('vecpipe.config.yaml', config(NEW_TEXT));
      expect((await workspace.json(['reindex', '--entity', 'projects', '--keep', '1h'])).exitCode).toBe(0);
      await workspace.sql(
        `update vecpipe.generations set keep_until = now() - interval '1 second' where keep_until is not null`,
      );
      expect(await workspace.json(['reindex', '--entity', 'projects', '--rollback'])).toMatchObject({
        exitCode: 0,
        collections: [{ generation: 1 }],
      });

      // As an interrupted run leaves it behind.
      await workspace.sql(
        `insert into vecpipe.generations (store, collection, generation, fingerprint, settings, dimensions, status)
      select store, collection, 3, 'other', settings, dimensions, 'building' from vecpipe.generations
      where status = 'live'`,
      );
      await workspace.write('vecpipe.config.yaml', config(OLD_TEXT));
      expect(await workspace.json(['reindex', '--entity', 'projects', '--if-needed'])).toMatchObject({
        exitCode: 0,
        entities: [],
      });
      expect(await generations(workspace)).toMatchObject([
        { generation: 2, status: 'retired' },
        { generation: 1, status: 'live' },
      ]);
    },
  );

  it('has nothing to rebuild before the first run, which is no error when nobody is there to read it', async () => {
    await using workspace = await variant.create();
    await workspace.write('vecpipe.config.yaml', config(OLD_TEXT));
    expect(await workspace.json(['reindex', '--entity', 'projects'])).toMatchObject({
      exitCode: 2,
      error: { code: 'nothing_to_reindex' },
    });
    expect(await workspace.json(['reindex', '--entity', 'projects', '--if-needed'])).toMatchObject({
      exitCode: 0,
    });
  });
});

describe.each([embedded, ...(servers === null ? [] : [servers])])(
  'a reindex that is killed, $name',
  (variant) => {
    const kills = variant.isEmbedded ? 3 : 20;

    it(`at ${kills} random moments comes to the same result`, { timeout: 240_000 }, async () => {
      const rows = variant.isEmbedded ? 150 : 400;
      const random = seeded(7);
      await using workspace = await variant.create();
      await stored(workspace, rows);
      const command = [
        'reindex',
        '--entity',
        'projects',
        '--batch-size',
        '5',
        '--concurrency',
        '1',
        '--verbose',
      ];
      let killed = 0;
      let longestMs = 1_000;
      for (let template = 1; killed < kills; template += 1) {
        await workspace.write('vecpipe.config.yaml', config(`${template} {{ name }}`));
        for (let isDone = false; !isDone && killed < kills;) {
          const running = workspace.start(command);
          // Any moment will do, from the start to beyond the end.
          const killer = setTimeout(() => running.kill('SIGKILL'), random() * longestMs);
          const { exitCode } = await running.ended;
          clearTimeout(killer);
          if (exitCode === 137) killed += 1;
          else expect(exitCode).toBe(0);
          // Further each time, so that every part of it is met.
          longestMs = Math.min(longestMs + 300, 2_500);
          isDone = exitCode === 0;
        }
      }
      expect(await workspace.json(['reindex', '--entity', 'projects'])).toMatchObject({ exitCode: 0 });
      expect(await workspace.json(['reindex', '--entity', 'projects', '--drop-old'])).toMatchObject({
        exitCode: 0,
      });
      const [live, ...others] = await generations(workspace);
      expect(live).toMatchObject({ status: 'live', isRestored: true });
      expect(others).toEqual([]);
      const { status } = await workspace.json<{ status: object[] }>(['status', '--entity', 'projects']);
      expect(status).toMatchObject([{ rows, stored: rows, points: rows, recordedPoints: rows, pending: 0 }]);
      expect(await workspace.sql('select from vecpipe.queue')).toEqual([]);
    });
  },
);

describe('a reindex that is under way', () => {
  const SLOW = ['reindex', '--entity', 'projects', '--batch-size', '1', '--concurrency', '1', '--verbose'];

  it('is not joined by a second one; vectorize serves the live generation as it was built; a signal keeps what is done', async () => {
    if (servers === null) return;
    await using workspace = await quickest.create();
    await stored(workspace, 600);
    await workspace.write('vecpipe.config.yaml', config(NEW_TEXT));
    const running = workspace.start(SLOW);
    await running.stderrHas(/^Stored point/m);

    const second = await workspace.json(['reindex', '--entity', 'projects']);
    expect(second).toMatchObject({ exitCode: 4, error: { code: 'reindex_running' } });

    await workspace.write('one.ndjson', '{"id":"1","key":"NEW","name":"changed meanwhile"}\n');
    await workspace.run(['sync', '--from', 'one.ndjson', '--entity', 'projects', '--quiet']);
    const meanwhile = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(meanwhile).toMatchObject({ exitCode: 0, entities: [{ generation: 1, embedded: 1 }] });

    running.kill('SIGTERM');
    const report = await running.ended;
    expect(report.exitCode).toBe(143);
    expect(await generations(workspace)).toMatchObject([
      { generation: 2, status: 'building', isRestored: true },
      { generation: 1, status: 'live' },
    ]);
    const resumed = readReport(await workspace.run(['reindex', '--entity', 'projects', '--json']));
    expect(resumed).toMatchObject({ exitCode: 0, entities: [{ generation: 2 }] });
    expect(resumed.entities[0]?.stored).toBeLessThan(600);
    expect(await workspace.json(['vectorize', '--entity', 'projects'])).toMatchObject({
      entities: [{ unchanged: 600, stored: 0 }],
    });
  });
});
