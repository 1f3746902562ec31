import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runInShell } from '../helpers/run-vecpipe.ts';
import { FIXTURES, quickest } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

describe.skipIf(process.platform === 'win32')(`an output that is closed or full, ${quickest.name}`, () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await quickest.create();
    await workspace.run(['sync', '--from', join(FIXTURES, 'projects.ndjson'), '--quiet']);
    await workspace.run(['vectorize', '--entity', 'projects', '--quiet']);
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  const shell = (script: string) =>
    runInShell(script.replaceAll('TENANT', `--tenant ${workspace.tenant}`), {
      cwd: workspace.folder,
      environment: workspace.environment,
    });

  it.each([
    'search payments --entity projects --limit 25 TENANT | head -n 1',
    'search payments --entity projects TENANT | true',
    'search payments --entity projects TENANT --json | true',
    'status TENANT --json 2>&1 | true',
    'help | true',
  ])('vecpipe %s ends quietly', async (command) => {
    const { exitCode, stderr } = await shell(`vecpipe ${command}`);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });

  it('a run whose log nobody reads any more stops, and the same command resumes', async () => {
    const stopped = await shell(
      'vecpipe vectorize --entity projects --refresh --batch-size 1 --concurrency 1 --verbose TENANT 2>&1 | head -n 4',
    );
    expect(stopped.exitCode).toBe(141);
    expect(stopped.stdout.split('\n')).toHaveLength(5);
    const resumed = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(resumed).toMatchObject({ exitCode: 0, entities: [{ pending: 0 }] });
    expect(resumed.entities[0]?.unchanged).toBeGreaterThan(0);
  });

  it('closed from the beginning is no reason to fail', async () => {
    const { exitCode } = await shell('vecpipe search payments --entity projects TENANT >&- 2>&-');
    expect(exitCode).toBe(0);
  });

  it.skipIf(!existsSync('/dev/full')).each(['', ' --json'])(
    'a full disk is told, and is not success (%s)',
    async (flag) => {
      const { exitCode, stderr } = await shell(
        `vecpipe search payments --entity projects TENANT${flag} >/dev/full`,
      );
      expect(exitCode).toBe(4);
      expect(stderr).toMatch(/^vecpipe: cannot write the output: ENOSPC\b.*\n$/);
    },
  );

  it.skipIf(!existsSync('/dev/full'))('a log that cannot be written is not success either', async () => {
    const { exitCode, stdout } = await shell('vecpipe status --entity nothing TENANT --json 2>/dev/full');
    expect(exitCode).not.toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'entity_unknown' } });
  });

  it('a working directory that was deleted is one sentence', async () => {
    const { exitCode, stdout, stderr } = await shell(
      'mkdir gone && cd gone && rmdir ../gone && vecpipe status TENANT',
    );
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toBe('vecpipe: the working directory does not exist any more\n  change to another one\n');
  });
});
