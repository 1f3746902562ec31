import { readdir, readFile, rm } from 'node:fs/promises';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runVecpipe } from '../helpers/run-vecpipe.ts';
import { readReport } from '../helpers/workspace.ts';

/** Nothing answers there, and the demo must not even try. */
const OTHERS = {
  DATABASE_URL: 'postgres://nobody:hunter2@127.0.0.1:1/none',
  QDRANT_URL: 'http://127.0.0.1:1',
  VECPIPE_CONFIG: 'missing.yaml',
};

describe('vecpipe demo', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vecpipe-e2e-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('shows the whole way on a new machine, from records to a search that finds commander', async () => {
    const { exitCode, stdout, stderr } = await runVecpipe(['demo'], { cwd: folder });
    expect(exitCode, stderr).toBe(0);
    const commands = stdout.split('\n').filter((line) => line.startsWith('$ '));
    expect(commands.map((line) => /^\$ (?:vecpipe (\w+)|\(filling)/.exec(line)?.[1])).toEqual([
      undefined,
      'sync',
      'vectorize',
      'search',
      'search',
    ]);
    const found = stdout.split('$ vecpipe search "parse command line arguments"')[1]?.split('\n$ ')[0] ?? '';
    const labels = found
      .split('\n')
      .flatMap((line) => /^[1-5] +[\d.]+ +packages +(\S+)/.exec(line)?.[1] ?? []);
    expect(labels).toHaveLength(5);
    expect(labels).toContain('commander');
    expect(stderr).toMatch(/^\d+ packages are in the table demo\.packages$/m);
    expect(stderr).toMatch(/^packages of tenant 1: \d+ stored, \d+ embedded,/m);
    // It touches nothing but its own folder.
    expect(await readdir(folder)).toEqual(['vecpipe-demo']);
    expect(stdout).toContain('Try next:\n');
    expect(stdout).toContain('--config vecpipe-demo/vecpipe.config.yaml');
  });

  it('runs again over what it made, whatever the environment says, and keeps its config', async () => {
    const config = join(folder, 'vecpipe-demo', 'vecpipe.config.yaml');
    const before = await readFile(config, 'utf8');
    const report = readReport<{ folder: string; config: string }>(
      await runVecpipe(['demo', '--json'], { cwd: folder, environment: OTHERS }),
    );
    expect(report).toMatchObject({ command: 'demo', exitCode: 0, error: null, config });
    expect(report.stderr).toContain('leaves DATABASE_URL, QDRANT_URL, VECPIPE_CONFIG alone');
    expect(report.stderr).toMatch(/^packages of tenant 1: \d+ unchanged/m);
    expect(report.stderr).not.toContain('hunter2');
    expect(await readFile(config, 'utf8')).toBe(before);
  });

  it('leaves its config to be used by the other commands', async () => {
    const found = await runVecpipe(
      [
        'search',
        'draw a progress bar',
        '--entity',
        'packages',
        '--limit',
        '3',
        '--config',
        'vecpipe-demo/vecpipe.config.yaml',
      ],
      { cwd: folder },
    );
    expect(found).toMatchObject({ exitCode: 0, stderr: '' });
    expect(found.stdout).toMatch(/cli-progress/);
  });
});
