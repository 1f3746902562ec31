import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embedded, FIXTURES, quickest, servers, workspaces } from '../helpers/workspace.ts';
import type { Report, Workspace } from '../helpers/workspace.ts';

const ROWS = { projects: 25, wits: 14, statuses: 14 } as const;
const ENTITIES = Object.keys(ROWS) as (keyof typeof ROWS)[];

/** What each variant reported for the same commands over the same input. */
const reports = new Map<string, Report[]>();

describe.each(workspaces)('a first user, $name', (variant) => {
  /** What cannot depend on the variant is proved on one. */
  const once = (name: string, test: () => Promise<void>) => {
    if (variant === quickest) it(name, test);
  };
  const reported: Report[] = [];
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await variant.create();
    reports.set(variant.name, reported);
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  it('is told by init --dry-run what would be chosen, and nothing is written', async () => {
    const { exitCode, stdout, stderr } = await workspace.run(['init', '--dry-run'], {
      tenant: false,
      environment: { VECPIPE_HOME: undefined },
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('Would write vecpipe.config.yaml\nconfig: no file, the defaults hold\n');
    expect(await readdir(workspace.folder)).toEqual([]);
  });

  it('has a config written by init, which says what was chosen and why', async () => {
    const { exitCode, stdout, stderr } = await workspace.run(['init'], { tenant: false });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('Wrote vecpipe.config.yaml\nconfig: vecpipe.config.yaml\n');
    expect(stdout).toMatch(
      variant.isEmbedded
        ? /^database: embedded Postgres in .* because DATABASE_URL is not set$/m
        : /^database: Postgres at \S+, because DATABASE_URL is set$/m,
    );
    expect(stdout).toMatch(
      variant === servers
        ? /^store: Qdrant at http:\S+ without an API key, because QDRANT_URL is set$/m
        : /^store: pgvector in the same database, because QDRANT_URL is not set$/m,
    );
    expect(stdout).toMatch(/^provider: the static model .* because no tenant is configured$/m);
    expect(stdout).toMatch(/^tables: up to date /m);
    expect(await readdir(workspace.folder)).toEqual(['vecpipe.config.yaml']);
  });

  once('keeps that config when init runs again', async () => {
    const config = join(workspace.folder, 'vecpipe.config.yaml');
    const changed = `${await readFile(config, 'utf8')}\n# mine\n`;
    await workspace.write('vecpipe.config.yaml', changed);
    const report = await workspace.json<{ file: string }>(['init'], { tenant: false });
    expect(report).toMatchObject({ exitCode: 0, error: null, stderr: '', file: config });
    expect(await readFile(config, 'utf8')).toBe(changed);
  });

  once('is told what to do next before anything was stored', async () => {
    const { exitCode, stderr } = await workspace.run(['search', 'payments', '--entity', 'projects']);
    expect(exitCode).toBe(2);
    expect(stderr).toBe(
      `vecpipe search: there is no collection ${workspace.collection('projects')} yet\n  run \`vecpipe vectorize\` first\n`,
    );
  });

  it('syncs records from a glob: NDJSON, CSV and gzipped JSON', async () => {
    for (const name of ['projects.ndjson', 'wits.csv'])
      await workspace.write(`export/${name}`, await readFile(join(FIXTURES, name)));
    await workspace.write('export/statuses.json.gz', await readFile(join(FIXTURES, 'statuses.json')));
    const report = await workspace.json(['sync', '--from', 'export/*']);
    reported.push(report);
    expect(report.exitCode).toBe(0);
    expect(report.stderr.trim().split('\n').toSorted()).toEqual(
      ENTITIES.flatMap((entity) => [
        `Inserted ${ROWS[entity]} ${entity}`,
        `Queued ${ROWS[entity]} ${entity} entities for vectorization`,
      ]).toSorted(),
    );
    for (const entity of ENTITIES) {
      expect(report.entities.find((each) => each.entity === entity)).toMatchObject({
        tenant: workspace.tenant,
        collection: workspace.collection(entity),
        inserted: ROWS[entity],
        queued: ROWS[entity],
        pending: ROWS[entity],
        failed: 0,
      });
    }
  });

  once('syncs the same records from standard input, which changes nothing', async () => {
    const records = await readFile(join(FIXTURES, 'projects.ndjson'));
    const { exitCode, stdout, stderr } = await workspace.run(
      ['sync', '--from', '-', '--entity', 'projects'],
      {
        stdin: records,
      },
    );
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr).toBe('Inserted 0 projects, unchanged 25\n');
  });

  once('sees the plan of vectorize --dry-run, which embeds nothing', async () => {
    const { exitCode, stdout, stderr } = await workspace.run(['vectorize', '--dry-run']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(rows[0]).toEqual(
      expect.arrayContaining(['tenant', 'entity', 'rows', 'new', 'embed', 'tokens', 'requests']),
    );
    expect(rows.slice(1).map((row) => row.slice(0, 4))).toEqual(
      ENTITIES.map((entity) => [workspace.tenant, entity, String(ROWS[entity]), String(ROWS[entity])]),
    );
  });

  it('vectorizes them, in the log lines that operators know', async () => {
    const report = await workspace.json(['vectorize', '--verbose']);
    reported.push(report);
    const { exitCode, error, stderr, entities } = report;
    expect({ exitCode, error }).toEqual({ exitCode: 0, error: null });
    for (const { entity, embedded: count, stored, pending, tokens } of entities) {
      const rows = ROWS[entity as keyof typeof ROWS];
      expect({ entity, count, stored, pending }).toEqual({ entity, count: rows, stored: rows, pending: 0 });
      expect(tokens).toBeGreaterThan(rows);
    }
    const lines = stderr.split('\n');
    expect(lines).toContain('Processing vectorization: projects - VEC');
    expect(lines.filter((line) => line === 'Generated embedding of dimension 256')).toHaveLength(53);
    const stored = lines.filter((line) =>
      new RegExp(`^Stored point [0-9a-f-]{36} in collection ${workspace.collection('projects')}$`).test(line),
    );
    expect(new Set(stored).size).toBe(ROWS.projects);
  });

  it('embeds nothing the second time', async () => {
    const report = await workspace.json(['vectorize', '--log-format', 'json', '--verbose']);
    reported.push(report);
    expect(report.exitCode).toBe(0);
    for (const counts of report.entities) {
      expect(counts).toMatchObject({
        unchanged: ROWS[counts.entity as keyof typeof ROWS],
        queued: 0,
        embedded: 0,
        tokens: 0,
      });
    }
    for (const line of report.stderr.trim().split('\n')) {
      expect(JSON.parse(line)).toMatchObject({
        time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
        type: expect.stringMatching(/^[a-z_]+$/) as string,
      });
    }
  });

  it('finds the right project first', async () => {
    const { results } = await workspace.json<{ results: { rank: number; label: string; entity: string }[] }>([
      'search',
      'customers',
      'cannot',
      'pay',
      '--limit',
      '3',
    ]);
    expect(results).toHaveLength(3);
    expect(results[0]).toMatchObject({ rank: 1, entity: 'projects', label: 'PAY' });
  });

  once('filters by payload', async () => {
    const filtered = await workspace.run([
      'search',
      'work is finished',
      '--entity',
      'statuses',
      '--filter',
      'category=done',
    ]);
    expect(filtered).toMatchObject({ exitCode: 0, stderr: '' });
    const [head, ...rows] = filtered.stdout.trimEnd().split('\n');
    expect(head).toMatch(/^# +score +entity +label +payload$/);
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row).toMatch(/statuses .*\bdone\b/);
  });

  it('sees everything stored in status, and one row in explain', async () => {
    const status = await workspace.run(['status']);
    expect(status).toMatchObject({ exitCode: 0, stderr: '' });
    expect(status.stdout).toMatch(
      new RegExp(
        `^${workspace.tenant} +projects +25 +25 +100 % +25 +0 +0 +0 +${workspace.collection('projects')}$`,
        'm',
      ),
    );
    expect(status.stdout).toMatch(/^\S+ \S+ +vectorize +\S+ s +0 +\d+$/m);
    const explained = await workspace.run(['explain', '10001', '--entity', 'projects']);
    expect(explained).toMatchObject({ exitCode: 0, stderr: '' });
    expect(explained.stdout).toMatch(/label +VEC\n +text +Vector pipeline\n/);
    expect(explained.stdout).toMatch(/point +[0-9a-f-]{36} \(stored\)\n/);
    expect(explained.stdout).toMatch(/queue +nothing to do\n/);
  });

  once('reads nothing from a quiet run that went well', async () => {
    await workspace.write('projects.ndjson', `{"id":"10001","key":"VEC","name":"Renamed"}\n`);
    const silence = { exitCode: 0, stdout: '', stderr: '' };
    expect(await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet'])).toMatchObject(silence);
    expect(await workspace.run(['vectorize', '--quiet'])).toMatchObject(silence);
  });
});

describe.skipIf(workspaces.length === 1)('the same commands over the same records', () => {
  it('give the same counts on servers as embedded, with no change of config', () => {
    const comparable = (name: string) =>
      reports.get(name)?.map(({ command, exitCode, entities, failures, error }) => ({
        command,
        exitCode,
        failures,
        error,
        entities: entities.map(({ tenant: _tenant, collection: _collection, ...counts }) => counts),
      }));
    expect(comparable(embedded.name)).toHaveLength(3);
    for (const { name } of workspaces) expect(comparable(name), name).toEqual(comparable(embedded.name));
  });
});
