import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Comparison } from '../../src/compare/comparison.ts';
import { runInProcess } from '../helpers/run-in-process.ts';
import { FIXTURES, projectRecords, quickest, readReport, workspaces } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

const CONFIG = `providers:
  tiny: { kind: static, model: ${JSON.stringify(join(FIXTURES, 'models/tiny-merged'))}, pricePerMillionTokens: 0.02 }
  lost: { kind: static, model: ./no-such-model }
  down: { kind: gateway, baseURL: "http://127.0.0.1:9/v1", model: m, dimensions: 4, retrySeconds: 0.1, timeoutSeconds: 1 }
`;

/** Records of the fixture that have a label and words of their own. */
const PROJECTS = 25;

/** Everything that a run might have left in the database, beside the row that says who ran it. */
const TRACES = ['queue', 'vector_state', 'collections', 'projects'];

interface Compared {
  comparison: Comparison;
  html: string | null;
}

const COMPARE = ['compare', '--entity', 'projects'];
const VERSUS_TINY = [...COMPARE, '--provider', 'tiny'];

async function prepared(workspace: Workspace): Promise<Workspace> {
  await workspace.write('vecpipe.config.yaml', CONFIG);
  await workspace.write('projects.ndjson', await readFile(join(FIXTURES, 'projects.ndjson')));
  await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet']);
  return workspace;
}

async function tracesOf(workspace: Workspace): Promise<unknown> {
  const tables = await workspace.sql<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'vecpipe' order by 1`,
  );
  const names = tables.map(({ name }) => name).filter((name) => name !== 'runs');
  expect(names).toEqual(expect.arrayContaining(TRACES.filter((name) => name !== 'collections')));
  const counts = names.map(
    (name) => `(select md5(coalesce(string_agg(t::text, ',' order by t::text), ''))
    from vecpipe."${name}" t) as "${name}"`,
  );
  return workspace.sql(`select ${counts.join(', ')}`);
}

describe.each(workspaces)('compare, $name', (variant) => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await prepared(await variant.create());
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  it('shows two providers side by side, and changes nothing', async () => {
    const before = await tracesOf(workspace);
    const { exitCode, stdout } = await workspace.run([...VERSUS_TINY, '--top', '3']);
    expect(exitCode).toBe(0);
    const [headline, , head, ...lines] = stdout.split('\n');
    expect(headline).toBe(
      `${PROJECTS} of ${PROJECTS} rows of projects (tenant ${workspace.tenant}), ${PROJECTS} labels as queries, 3 neighbours each`,
    );
    expect(head).toMatch(/^ +static \(baseline\) +tiny$/);
    const cells = new Map(lines.map((line) => line.split(/ {2,}/)).map(([name, ...rest]) => [name, rest]));
    expect(cells.get('provider')).toEqual(['static', 'tiny']);
    expect(cells.get('dimensions')).toEqual(['256', '16']);
    expect(cells.get('overlap@3')).toEqual(['-', expect.stringMatching(/^\d+ %$/) as string]);
    expect(cells.get('own row first')).toHaveLength(2);
    expect(cells.get('price')).toEqual(['-', expect.stringMatching(/^0\.0000\d+$/) as string]);
    expect(await tracesOf(workspace)).toEqual(before);
    expect((await readdir(workspace.folder)).toSorted()).toEqual(['projects.ndjson', 'vecpipe.config.yaml']);
  });

  it('draws the same sample every time, and another one by another seed', async () => {
    const keysOf = async (...flags: string[]) => {
      const { comparison } = await workspace.json<Compared>([
        ...COMPARE,
        '--template',
        '{{ name }}',
        '--top',
        '100',
        '--sample',
        ...flags,
      ]);
      expect(comparison.rows).toBe(PROJECTS);
      const keys = comparison.queries[0]?.answers[0]?.neighbours.map(({ key }) => key) ?? [];
      expect(keys).toHaveLength(comparison.sampled);
      return keys.toSorted();
    };
    const eight = await keysOf('8');
    expect(eight).toHaveLength(8);
    expect(await keysOf('8')).toEqual(eight);
    expect(await keysOf('12')).toEqual(expect.arrayContaining(eight));
    expect(await keysOf('8', '--seed', '2')).not.toEqual(eight);
  });
});

describe('compare', () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await prepared(await quickest.create());
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  it('gives everything as JSON: keys, labels and scores, and no text of a row', async () => {
    await workspace.write('queries.txt', 'customers cannot pay\n\nreset the password\n');
    const { comparison, html, exitCode, stderr } = await workspace.json<Compared>([
      ...VERSUS_TINY,
      '--queries',
      'queries.txt',
      '--top',
      '4',
    ]);
    expect({ exitCode, html, stderr }).toEqual({ exitCode: 0, html: null, stderr: '' });
    expect(comparison).toMatchObject({
      tenant: workspace.tenant,
      entity: 'projects',
      rows: PROJECTS,
      sampled: PROJECTS,
      seed: 1,
      top: 4,
      queriesFrom: 'file',
      failed: [],
    });
    const [own, tiny] = comparison.variants;
    expect(own).toMatchObject({
      name: 'static',
      template: 'own',
      againstBaseline: null,
      ownRow: null,
      price: null,
    });
    expect(tiny).toMatchObject({
      name: 'tiny',
      dimensions: 16,
      rows: { embedded: PROJECTS, withoutText: 0, failed: 0, refused: 0 },
      pricePerMillionTokens: 0.02,
    });
    expect(tiny?.price).toBeCloseTo(((tiny?.tokens ?? 0) + (tiny?.queryTokens ?? 0)) * 2e-8, 12);
    expect(comparison.queries.map(({ text }) => text)).toEqual([
      'customers cannot pay',
      'reset the password',
    ]);
    const [best] = comparison.queries[0]?.answers[0]?.neighbours ?? [];
    expect(best).toMatchObject({ label: 'PAY', baselineRank: 1, isWanted: false });
    expect(JSON.stringify(comparison)).not.toContain('Vector pipeline');
  });

  it('ranks as a search does', async () => {
    await workspace.run(['vectorize', '--entity', 'projects', '--quiet']);
    const query = 'customers cannot pay';
    const { results } = await workspace.json<{ results: { key: string; score: number }[] }>([
      'search',
      query,
      '--entity',
      'projects',
      '--limit',
      '5',
    ]);
    const { comparison } = await workspace.json<Compared>(
      [...COMPARE, '--template', '{{ name }}', '--queries', '-', '--top', '5'],
      { stdin: query },
    );
    const neighbours = comparison.queries[0]?.answers[0]?.neighbours ?? [];
    expect(neighbours.map(({ key }) => key)).toEqual(results.map(({ key }) => key));
    neighbours.forEach(({ score }, rank) => expect(score).toBeCloseTo(results[rank]?.score ?? 0, 3));
  });

  it('opens each provider for all templates, and says which rows have no text', async () => {
    await workspace.write('lead.liquid', '{% if lead == "Ada Nwosu" %}{{ name }}{% endif %}');
    const flags = [
      '--provider',
      'static',
      '--provider',
      'tiny',
      '--template',
      'own',
      '--template',
      'lead.liquid',
    ];
    const { comparison } = await workspace.json<Compared>([...COMPARE, ...flags, '--top', '3']);
    expect(comparison.variants.map(({ name }) => name)).toEqual([
      'static · own',
      'static · lead.liquid',
      'tiny · own',
      'tiny · lead.liquid',
    ]);
    const { embedded = 0, withoutText = 0 } = comparison.variants[1]?.rows ?? {};
    expect(embedded).toBeGreaterThan(0);
    expect(withoutText).toBe(PROJECTS - embedded);
  });

  it('writes the page, replaces it, and never replaces another file', async () => {
    const first = await workspace.run([...VERSUS_TINY, '--top', '3', '--html', 'report.html']);
    expect(first).toMatchObject({ exitCode: 0, stderr: 'Wrote report.html\n' });
    const report = await workspace.json<Compared>([...VERSUS_TINY, '--top', '2', '--html', 'report.html']);
    expect(report).toMatchObject({ exitCode: 0, html: join(workspace.folder, 'report.html') });
    const page = await readFile(join(workspace.folder, 'report.html'), 'utf8');
    expect(page).toContain('overlap@2');
    expect(page).not.toContain('overlap@3');
    expect(page).not.toContain('Vector pipeline');
    const refused = await workspace.run([...VERSUS_TINY, '--html', 'projects.ndjson']);
    expect(refused).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr:
        'vecpipe compare: projects.ndjson is there already and is no report of vecpipe compare (--html)\n' +
        '  give another name, or remove the file\n',
    });
    expect(await readFile(join(workspace.folder, 'projects.ndjson'), 'utf8')).toMatch(/^\{/);
  });

  it('--dry-run opens no provider and writes no page', async () => {
    const report = await workspace.json<{ plan: unknown }>([
      ...COMPARE,
      '--provider',
      'lost',
      '--dry-run',
      '--html',
      'dry.html',
    ]);
    expect(report).toMatchObject({
      exitCode: 0,
      stderr: '',
      plan: {
        entity: 'projects',
        variants: [{ name: 'static' }, { name: 'lost', provider: 'lost', template: 'own' }],
        rows: { total: PROJECTS, sampled: PROJECTS, withText: PROJECTS },
      },
    });
    expect(await readdir(workspace.folder)).not.toContain('dry.html');
  });

  it('shows what is left when a provider is down, and exits with 4', async () => {
    const left = await workspace.json<Compared>([
      ...COMPARE,
      ...['static', 'down', 'tiny'].flatMap((name) => ['--provider', name]),
      '--top',
      '3',
    ]);
    expect(left).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('Warning: down is left out\n') as string,
    });
    expect(left.comparison.variants.map(({ name }) => name)).toEqual(['static', 'tiny']);
    expect(left.comparison.failed).toEqual([
      expect.objectContaining({ name: 'down', code: left.error?.code, message: left.error?.message }),
    ]);
    const alone = await workspace.run([...COMPARE, '--provider', 'down', '--top', '3']);
    expect(alone).toMatchObject({ exitCode: 4, stdout: '' });
    expect(alone.stderr).toMatch(/^vecpipe compare: .*\bdown\b.*\n {2}\S/);
  });

  it.each([
    [
      'which entity',
      ['compare', '--provider', 'tiny'],
      'compare looks at one entity at a time, and 3 are selected',
      'add --entity <name> (projects, wits, statuses)',
    ],
    [
      'what to compare with',
      COMPARE,
      'there is only one variant, provider static with the template that is in use, and nothing to compare it with',
      'add --provider <name> (tiny, lost, down) or --template <file|text>',
    ],
    [
      'a provider that the config has',
      [...COMPARE, '--provider', 'tinny'],
      '--provider tinny is not in the config',
      'did you mean tiny?',
    ],
    [
      'columns that are there',
      [...COMPARE, '--template', '{{ nam }}'],
      'table vecpipe.projects (entities.projects) has no column nam, which --template {{ nam }} names',
      'did you mean name?',
    ],
    [
      'rows',
      ['compare', '--entity', 'statuses', '--provider', 'tiny'],
      'there are no rows in table vecpipe.statuses (entities.statuses) for tenant <tenant>',
      'bring rows in first, for example with `vecpipe sync`',
    ],
    [
      'text in them',
      [...COMPARE, '--template', '{% if false %}{{ name }}{% endif %}', '--template', 'own'],
      `none of the ${PROJECTS} sampled rows has text in table vecpipe.projects (entities.projects) for tenant <tenant>`,
      'look at one of them with `vecpipe explain <key>`, or take another template',
    ],
    [
      'queries',
      [...VERSUS_TINY, '--queries', 'nope.txt'],
      'there is no file nope.txt (--queries)',
      'write one query a line into a file, or pipe them into `--queries -`',
    ],
  ])('needs %s', async (_name, args, message, hint) => {
    const { exitCode, stdout, stderr } = await workspace.run(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toBe(`vecpipe compare: ${message.replace('<tenant>', workspace.tenant)}\n  ${hint}\n`);
  });

  it('needs one tenant', async () => {
    await workspace.write('two.yaml', `${CONFIG}tenants: { "1": {}, "2": { provider: tiny } }\n`);
    const { exitCode, stderr } = await workspace.run(
      [...COMPARE, '--config', 'two.yaml', '--all-tenants', '--provider', 'tiny'],
      { tenant: false },
    );
    expect(exitCode).toBe(2);
    expect(stderr).toBe(
      'vecpipe compare: compare looks at one tenant at a time, and 2 are selected\n  add --tenant <id> (1, 2)\n',
    );
  });

  it('takes a sample and neighbours that can be looked at', async () => {
    for (const [flag, value, most] of [
      ['--sample', '10001', 10_000],
      ['--top', '101', 100],
    ] as const) {
      const { exitCode, stderr } = await runInProcess([...VERSUS_TINY, flag, value]);
      expect(exitCode).toBe(2);
      expect(stderr).toContain(`It must be at most ${most}.`);
    }
  });

  it('stops while it waits for queries', async () => {
    const running = workspace.start([...VERSUS_TINY, '--queries', '-', '--verbose', '--json'], {
      keepStdinOpen: true,
    });
    await running.stderrHas(/^Reading the queries$/m);
    running.kill('SIGINT');
    expect(readReport(await running.ended)).toMatchObject({ exitCode: 130, error: { code: 'interrupted' } });
  });

  it('takes labels with words only', async () => {
    await workspace.write('numbers.ndjson', projectRecords(3).replaceAll(/"key":"P/g, '"key":"'));
    await workspace.run(['sync', '--from', 'numbers.ndjson', '--entity', 'projects', '--quiet']);
    const { comparison } = await workspace.json<Compared>([...VERSUS_TINY, '--top', '3']);
    expect(comparison.sampled).toBe(PROJECTS + 3);
    expect(comparison.queries).toHaveLength(PROJECTS);
  });
});
