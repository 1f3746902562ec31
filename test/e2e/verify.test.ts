import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Repairs } from '../../src/verify/repair.ts';
import type { Finding } from '../../src/verify/finding.ts';
import type { Verification } from '../../src/verify/verify.ts';
import { projectRecords, workspaces } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

interface Verify {
  verify: Verification & { repairs: Repairs | null; before: Verification | null };
}

const ENTITY = ['--entity', 'projects'];

describe.each(workspaces)('verify with $name', (variant) => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await variant.create();
    await workspace.write('projects.ndjson', projectRecords(40));
    await workspace.json(['sync', '--from', 'projects.ndjson', ...ENTITY]);
    const { exitCode } = await workspace.json(['vectorize', ...ENTITY]);
    expect(exitCode).toBe(0);
  }, 60_000);
  afterAll(() => workspace[Symbol.asyncDispose]());

  const verify = (...args: string[]) => workspace.json<Verify>(['verify', ...ENTITY, ...args]);
  /** A row whose record says one chunk more than there is, one that is gone, and one that has changed. */
  const spoil = () =>
    workspace.sql(
      `update vecpipe.vector_state set chunks = 2 where key = '1'`,
      `delete from vecpipe.projects where id = '2'`,
      `update vecpipe.projects set name = 'Another name' where id = '3'`,
    );
  const kinds = ({ counts }: Pick<Verification, 'counts'>) =>
    counts.map(({ kind, count }) => `${kind} ${count}`);

  it('ends with 0 and says so where all agrees, whichever way it looks', async () => {
    for (const args of [[], ['--fast'], ['--vectors', '--sample', '5']]) {
      const report = await verify(...args);
      expect(report).toMatchObject({ exitCode: 0, error: null, verify: { findings: 0, counts: [] } });
      expect(report.verify.collections).toMatchObject([{ points: 40, recordedPoints: 40, queuedRows: 0 }]);
      expect(report.stderr).toContain('Rows, record and points agree');
    }
  });

  it('ends with 3, shows what it found, plans, repairs, and proves it', async () => {
    await spoil();
    const found = await verify('--findings', 'findings.ndjson', '--examples', '1');
    expect(found).toMatchObject({ exitCode: 3, error: { code: 'verify_found_drift' } });
    expect(kinds(found.verify)).toEqual(['missing 1', 'stale 1', 'orphan 1']);
    expect(found.verify.examples).toHaveLength(1);
    const lines = (await readFile(join(workspace.folder, 'findings.ndjson'), 'utf8')).trimEnd().split('\n');
    const findings = lines.map((line) => JSON.parse(line) as Finding);
    expect(findings.map(({ kind, key, chunk }) => [kind, key, chunk])).toEqual([
      ['missing', '1', 1],
      ['orphan', '2', null],
      ['stale', '3', null],
    ]);

    const shown = await workspace.run(['verify', ...ENTITY]);
    expect(shown.exitCode).toBe(3);
    expect(shown.stdout).toMatch(/projects +missing +1$/m);
    expect(shown.stdout).not.toContain('Another name');

    const plan = await verify('--fix', '--dry-run');
    expect(plan).toMatchObject({ exitCode: 3, verify: { repairs: { requeuedRows: 1, comparedRows: 2 } } });
    expect(kinds((await verify()).verify)).toEqual(['missing 1', 'stale 1', 'orphan 1']);

    const fixed = await verify('--fix');
    expect(fixed).toMatchObject({ exitCode: 0, error: null, failures: [], verify: { findings: 0 } });
    expect(fixed.verify).toMatchObject({ repairs: { requeuedRows: 1, comparedRows: 2, left: 0 } });
    expect(kinds(fixed.verify.before ?? { counts: [] })).toEqual(['missing 1', 'stale 1', 'orphan 1']);
    expect(await verify()).toMatchObject({ exitCode: 0 });
  });

  it('leaves no trace as a look, and is a run when it repairs', async () => {
    const recorded = await workspace.sql<{ command: string }>(
      `select distinct command from vecpipe.runs where command like 'verify%' order by command`,
    );
    expect(recorded.map(({ command }) => command)).toEqual(['verify', 'verify --fix']);
    const status = await workspace.json<{ runs: { command: string }[] }>(['status', ...ENTITY]);
    expect(status.runs.map(({ command }) => command)).not.toContain('verify');
  });

  it('does not delete more than a fifth of a collection without being told to', async () => {
    await workspace.sql(`delete from vecpipe.projects where id::int > 20`);
    const guarded = await verify('--fix');
    expect(guarded).toMatchObject({ exitCode: 3, failures: [{ code: 'delete_guard' }] });
    expect(await verify('--fix', '--yes')).toMatchObject({ exitCode: 0 });
  });

  it('works off what an interrupted repair has queued, also where nothing else is found', async () => {
    await workspace.sql(
      `insert into vecpipe.queue (tenant, entity, key, operation, unconfirmed) select tenant, entity, key, 'upsert', true from vecpipe.vector_state where key = '5'`,
    );
    const looked = await verify();
    expect(looked).toMatchObject({ exitCode: 0, verify: { findings: 0, collections: [{ queuedRows: 1 }] } });
    expect(looked.stderr).toContain('1 row still queued and passed over');
    const fixed = await verify('--fix');
    expect(fixed).toMatchObject({ exitCode: 0, verify: { findings: 0, collections: [{ queuedRows: 0 }] } });
    expect(fixed.stderr).toContain('Rows, record and points agree');
  });

  it.skipIf(!existsSync('/dev/full'))(
    'shows what it found also when the file of findings takes none of it',
    async () => {
      await workspace.sql(`update vecpipe.vector_state set chunks = 2 where key = '6'`);
      const { exitCode, error, verify: seen } = await verify('--findings', '/dev/full');
      expect([exitCode, error?.code]).toEqual([2, 'findings_file_unwritable']);
      expect(kinds(seen)).toEqual(['missing 1']);
      expect(await verify('--fix')).toMatchObject({ exitCode: 0 });
    },
  );

  it('takes no folder for a file', async () => {
    expect(await verify('--findings', '.')).toMatchObject({
      exitCode: 2,
      error: { code: 'findings_file_unwritable' },
    });
  });
});
