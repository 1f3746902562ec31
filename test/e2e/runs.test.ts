import { describe, expect, it } from 'vitest';
import type { Run } from '../../src/runs/list-runs.ts';
import { createOnServers, projectRecords, quickest, servers } from '../helpers/workspace.ts';

const COMMANDS: { args: string[]; command: string; code: number }[] = [
  { args: ['sync', '--from', 'projects.ndjson'], command: 'sync', code: 0 },
  { args: ['vectorize', '--entity', 'projects'], command: 'vectorize', code: 0 },
  { args: ['search', 'orders', '--entity', 'projects'], command: 'search', code: 0 },
  { args: ['explain', 'nope'], command: 'explain', code: 2 },
  { args: ['status'], command: 'status', code: 0 },
];

interface ListedRuns {
  runs: (Omit<Run, 'startedAt' | 'seenAt' | 'finishedAt'> & { startedAt: string; seenAt: string })[];
}

describe(`runs, ${quickest.name}`, () => {
  it('of every command are listed with who ran it and what came of it, those without effect are not', async () => {
    await using workspace = await quickest.create();
    await workspace.write('projects.ndjson', projectRecords(3));
    for (const { args, code } of COMMANDS) {
      expect((await workspace.run(args)).exitCode).toBe(code);
    }
    expect((await workspace.run(['vectorize', '--dry-run'])).exitCode).toBe(0);

    const { runs } = await workspace.json<ListedRuns>(['status', '--runs']);
    expect(runs.map(({ command, exitCode, state }) => ({ command, code: exitCode, state }))).toEqual(
      COMMANDS.map(({ command, code }) => ({ command, code, state: 'ended' })).toReversed(),
    );
    for (const { who } of runs) expect(who).toMatch(/^[^@\s]+@\S+$/);
    expect(runs.find(({ command }) => command === 'vectorize')).toMatchObject({
      tenants: [workspace.tenant],
      entities: ['projects'],
      counts: { stored: 3 },
      error: null,
    });
    expect(runs.find(({ command }) => command === 'explain')?.error).toContain('nope');

    const { stdout } = await workspace.run(['status', '--runs', '5']);
    const [head, ...lines] = stdout.trimEnd().split('\n');
    expect(head).toMatch(
      /^started +run +command +tenants +who +took +exit +rows +tokens +credits +cost +error$/,
    );
    // The two looks that were not here before come first.
    expect(lines.map((line) => line.split(/ {2,}/)[2])).toEqual([
      'status',
      'status',
      'explain',
      'search',
      'vectorize',
    ]);
    expect(lines.at(-1)).toMatch(/ vectorize +\S+ +\S+@\S+ +\d+\.\d s +0 +3 stored +\d+/);

    // What a person looks at first are the runs that did something.
    const { runs: recent } = await workspace.json<ListedRuns>(['status', '--entity', 'projects']);
    expect(recent.map(({ command }) => command)).toEqual(['vectorize', 'sync']);
  });

  it('that was killed has died, and says when it was last seen', async () => {
    await using workspace = await quickest.create();
    await workspace.run(['init', '--quiet']);
    const running = workspace.start(['sync', '--from', '-', '--entity', 'projects', '--verbose'], {
      keepStdinOpen: true,
    });
    await running.stderrHas(/^Reading standard input$/m);
    running.kill('SIGKILL');
    expect((await running.ended).exitCode).toBe(137);
    const { stdout } = await workspace.run(['status', '--runs', '1']);
    expect(stdout).toMatch(
      / [0-9a-f]{8} +sync +\S+ +\S+@\S+ +died, last seen \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/m,
    );
  });
});

describe.skipIf(servers === null)('a database that is read-only', () => {
  it('can be looked at without a word, and is told to whoever wants to write', async () => {
    await using workspace = await createOnServers();
    await workspace.write('projects.ndjson', projectRecords(3));
    await workspace.run(['sync', '--from', 'projects.ndjson']);
    await workspace.run(['vectorize']);
    const url = new URL(workspace.environment.DATABASE_URL ?? '');
    url.searchParams.set('options', '-c default_transaction_read_only=on');
    const environment = { DATABASE_URL: url.href };
    for (const args of [
      ['status', '--entity', 'projects'],
      ['status', '--runs'],
      ['search', 'orders', '--entity', 'projects'],
      ['explain', '1', '--entity', 'projects'],
    ]) {
      const { exitCode, stdout, stderr } = await workspace.run(args, { environment });
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      expect(stdout).not.toBe('');
    }
    const refused = await workspace.json(['sync'], { environment });
    expect(refused).toMatchObject({ exitCode: 4, error: { code: 'database_read_only' } });
    expect(await workspace.sql('select command from vecpipe.runs order by started_at')).toEqual([
      { command: 'sync' },
      { command: 'vectorize' },
    ]);
  });
});
