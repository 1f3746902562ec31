import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runInProcess } from '../helpers/run-in-process.ts';
import type { Said } from '../helpers/run-in-process.ts';
import { runAlone } from '../helpers/workspace.ts';

const TWO_TENANTS = `
tenants:
  "1": {}
  acme: {}
`;

describe('a wrong config or selection ends with exit code 2 before anything is opened', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vecpipe-e2e-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function withConfig(config: string | null, ...argv: string[]): Promise<Said> {
    const path = join(folder, 'vecpipe.config.yaml');
    await rm(path, { force: true });
    if (config !== null) await writeFile(path, config);
    const said = await runInProcess(argv, { cwd: folder });
    expect(said).toMatchObject({ exitCode: 2, stdout: '' });
    expect(said.stderr).not.toMatch(/^\s+at /m);
    return said;
  }

  it.each([
    [
      'an unknown entity',
      null,
      ['status', '--entity', 'project'],
      '--entity project is not in the config\n  did you mean projects?',
    ],
    [
      'an entity like no other',
      null,
      ['status', '--entity', 'zebra'],
      '--entity zebra is not in the config\n  the config has projects, wits, statuses',
    ],
    [
      'an unknown tenant',
      TWO_TENANTS,
      ['status', '--tenant', 'acne'],
      '--tenant acne is not in the config\n  did you mean acme?',
    ],
    ['a tenant that can be none', null, ['status', '--tenant', '../1'], '--tenant ../1 is not a tenant id'],
    [
      'no tenant of several',
      TWO_TENANTS,
      ['vectorize'],
      'the config has 2 tenants and neither --tenant nor --all-tenants says which is meant\n  add --tenant <id> (1, acme) or --all-tenants',
    ],
    [
      'a missing --config file',
      null,
      ['status', '--config', 'other.yaml'],
      'the config file "other.yaml" that --config names does not exist',
    ],
    [
      'a wrong type',
      'lease: { seconds: soon }',
      ['status'],
      'vecpipe.config.yaml has a problem:\nvecpipe.config.yaml:1: lease.seconds: expected a number',
    ],
    [
      'a YAML syntax error',
      'entities:\n  projects:\n    text: {{ name }}\n',
      ['status'],
      'vecpipe.config.yaml:3:12: a value that begins with {{ must be in quotes',
    ],
    [
      'a template that is none',
      'entities:\n  projects:\n    text: "{{ name"\n',
      ['status'],
      'vecpipe.config.yaml:3: entities.projects.text: ',
    ],
    ['an empty search text', null, ['search', '  '], 'the search text is empty'],
    [
      'a filter without a value',
      null,
      ['search', 'x', '--filter', 'category'],
      '--filter category is not of the form key=value',
    ],
  ])('%s', async (_what, config, argv, message) => {
    const { stderr } = await withConfig(config, ...argv);
    expect(stderr).toContain(`vecpipe ${argv[0]}: `);
    expect(stderr).toContain(message);
  });

  it('several problems at once, each with its line', async () => {
    const config = [
      'tenants:',
      '  "1": { provider: statik }',
      'entities:',
      '  projects: { txt: "{{ name }}" }',
      '  notes: { table: notes }',
      'colour: red',
    ].join('\n');
    const { stderr } = await withConfig(config, 'vectorize');
    expect(stderr.split('\n')).toEqual([
      'vecpipe vectorize: vecpipe.config.yaml has 4 problems:',
      'vecpipe.config.yaml:2: tenants.1.provider: expected static, got "statik"; did you mean static?',
      expect.stringMatching(
        /^vecpipe\.config\.yaml:4: entities\.projects\.txt: unknown key; did you mean text\?$/,
      ) as string,
      expect.stringMatching(/^vecpipe\.config\.yaml:5: entities\.notes\.text: /) as string,
      expect.stringMatching(/^vecpipe\.config\.yaml:6: colour: unknown key/) as string,
      expect.stringContaining('docs/configuration.md') as string,
      '',
    ]);
  });

  it.each(['sync', 'vectorize', 'search x', 'status', 'explain 1', 'init', 'demo'])(
    '%s --json gives the error as one object',
    async (command) => {
      await rm(join(folder, 'vecpipe.config.yaml'), { force: true });
      const { exitCode, stdout, stderr } = await runInProcess(
        [...command.split(' '), '--json', '--log-format', 'json'],
        {
          cwd: folder,
          // The demo reads no config of the working directory, but it has to be able to write its folder.
          environment: { DATABASE_URL: 'mysql://root:hunter2@db.example/app' },
          ...(command === 'demo' && { cwd: '/dev/null' }),
        },
      );
      expect(exitCode).toBe(2);
      expect(stdout).toMatch(/^\{.*\}\n$/);
      expect(JSON.parse(stdout)).toMatchObject({
        command: command.split(' ')[0],
        runId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        exitCode: 2,
        entities: [],
        failures: [],
        error: { code: command === 'demo' ? 'folder_unwritable' : 'environment_invalid' },
      });
      for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ type: 'error' });
      expect(stdout + stderr).not.toContain('hunter2');
    },
  );

  it('the same from the built program', async () => {
    const { exitCode, stdout, stderr } = await runAlone(['status', '--entity', 'wit'], {
      'vecpipe.config.yaml': 'entities: { wits: {} }\n',
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toBe('vecpipe status: --entity wit is not in the config\n  did you mean wits?\n');
  });
});
