import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VecpipeError } from '../../src/errors/vecpipe-error.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { configJsonSchema } from '../../src/config/schema.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vecpipe-config-files-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function load(workingDirectory = folder, config?: string) {
  return loadConfig({ flags: { config }, environment: {}, workingDirectory });
}

async function failure(pending: Promise<unknown>): Promise<VecpipeError> {
  const error: unknown = await pending.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof VecpipeError)) throw new Error(`not refused in a sentence: ${String(error)}`);
  expect(error.family).toBe('usage');
  return error;
}

describe('kinds of files', () => {
  const SCRIPT =
    'export default { home: "data", entities: { 7: { table: "t", text: "{{ a }}" }, wits: {} } };';

  it.each([
    ['vecpipe.config.yaml', 'home: data\nentities:\n  "7": { table: t, text: "{{ a }}" }\n  wits:\n'],
    ['vecpipe.config.yml', 'home: data\nentities: { 7: { table: t, text: "{{ a }}" }, wits: }\n'],
    [
      'vecpipe.config.json',
      '{\n\t"$schema": "./x.json",\n\t"home": "data",\n\t"entities": { "7": { "table": "t", "text": "{{ a }}" }, "wits": {} }\n}',
    ],
    ['vecpipe.config.mjs', SCRIPT],
    ['vecpipe.config.js', SCRIPT.replace('export default', 'module.exports =')],
    [
      'vecpipe.config.ts',
      `type Name = string;\nconst home: Name = 'data';\n${SCRIPT.replace('"data"', 'home')}`,
    ],
  ])('%s says the same', async (name, text) => {
    const file = write(name, text);
    const config = await load();
    expect(config).toMatchObject({ file, home: join(folder, 'data') });
    expect([...config.entities.keys()]).toEqual(['7', 'wits']);
    expect(config.entities.get('7')).toMatchObject({ text: '{{ a }}' });
  });

  it('a .ts config may import, and leaves no file behind', async () => {
    write('shared.ts', 'export const seconds: number = 7;');
    write(
      'vecpipe.config.ts',
      "import { seconds } from './shared.ts';\nexport default { lease: { seconds } };",
    );
    const before = readdirSync(folder);
    expect((await load()).leaseMs).toBe(7000);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('a .js config is a module where package.json says so', async () => {
    write('package.json', '{ "type": "module" }');
    write('vecpipe.config.js', 'export default { lease: { seconds: await Promise.resolve(3) } };');
    expect((await load()).leaseMs).toBe(3000);
  });

  it.each(['mjs', 'ts'])('problems of a .%s config have a path and no line', async (extension) => {
    const name = `vecpipe.config.${extension}`;
    write(
      name,
      'export default { lease: { seconds: "5" }, tenants: new Map(), store: undefined, home: () => 1, entities: { projects: { txt: 1 } } };',
    );
    const { code, message } = await failure(load());
    expect(code).toBe('config_invalid');
    expect(message.split('\n')).toEqual([
      `${name} has 4 problems:`,
      `${name}: tenants: expected text, a number, a list or a section, got a Map`,
      `${name}: home: expected text, a number, a list or a section, got a function`,
      `${name}: entities.projects.txt: unknown key; did you mean text?`,
      `${name}: lease.seconds: expected a number, got text`,
    ]);
  });

  it.each([
    ['a.mjs', 'export const a = 1;', 'a.mjs has no default export'],
    ['a.ts', 'export const a = 1;', 'a.ts has no default export'],
    [
      'b.mjs',
      'export default () => ({});',
      'the default export of b.mjs is a function; it must be an object',
    ],
    [
      'b.ts',
      'export default (async () => ({}))();',
      'the default export of b.ts is a promise; it must be an object',
    ],
    ['c.mjs', 'export default {', /^c\.mjs cannot be loaded: \S/],
    ['c.ts', 'export default {', /^c\.ts cannot be loaded: \S/],
    ['d.mjs', 'throw new Error("boom\\nmore");', 'd.mjs cannot be loaded: boom'],
    ['d.ts', 'import "not-there";', "d.ts cannot be loaded: Cannot find module 'not-there'"],
  ])('%s that cannot be used is refused in one sentence', async (name, text, sentence) => {
    write(name, text);
    const { code, message } = await failure(load(folder, name));
    expect(code).toBe('config_unreadable');
    expect(message).not.toContain('\n');
    if (typeof sentence === 'string') expect(message).toBe(sentence);
    else expect(message).toMatch(sentence);
  });

  it('a JSON problem has its line', async () => {
    write('vecpipe.config.json', '{\n\t"home": "x",\n\t"entties": {}\n}');
    expect((await failure(load())).message.split('\n')[1]).toBe(
      'vecpipe.config.json:3: entties: unknown key; did you mean entities?',
    );
    write('vecpipe.config.json', '{\n\t"home": x\n}');
    expect((await failure(load())).message).toBe('vecpipe.config.json:2:10: text must be in double quotes');
  });

  it('a file of another kind is refused', async () => {
    write('vecpipe.toml', '');
    expect((await failure(load(folder, 'vecpipe.toml'))).message).toContain('must end in .yaml, .yml, .json');
  });
});

describe('the search', () => {
  it('goes up to the nearest folder with a config, and relative paths start there', async () => {
    const inner = join(folder, 'a', 'b');
    mkdirSync(inner, { recursive: true });
    const file = write(
      'vecpipe.config.yaml',
      'home: data\nproviders: { static: { kind: static, model: m } }\n',
    );
    const config = await load(inner);
    expect(config).toMatchObject({ file, home: join(folder, 'data') });
    expect(config.providers.get('static')).toMatchObject({ kind: 'static', model: join(folder, 'm') });
    writeFileSync(join(inner, 'vecpipe.config.json'), '{}');
    expect((await load(inner)).home).toBe(join(inner, '.vecpipe'));
  });

  it('shows the file as it is seen from the working directory', async () => {
    const inner = join(folder, 'a');
    mkdirSync(inner);
    write('vecpipe.config.yaml', 'foo: 1');
    expect((await failure(load(inner))).message).toContain(`${join('..', 'vecpipe.config.yaml')}:1: foo`);
  });

  it('refuses two configs in one folder, naming both', async () => {
    write('vecpipe.config.yaml', '');
    write('vecpipe.config.ts', '');
    const { code, message } = await failure(load());
    expect(code).toBe('config_ambiguous');
    expect(message).toContain('vecpipe.config.yaml and vecpipe.config.ts');
  });

  it('passes over a folder that bears the name', async () => {
    mkdirSync(join(folder, 'vecpipe.config.yaml'));
    expect((await load()).file).toBeNull();
  });

  it.each([
    ['--config', { flags: { config: 'none.yaml' }, environment: {} }],
    ['--config', { flags: { config: '' }, environment: {} }],
    ['VECPIPE_CONFIG', { flags: {}, environment: { VECPIPE_CONFIG: 'none.yaml' } }],
  ])('names %s when the file that it names is missing', async (origin, request) => {
    const { code, message } = await failure(loadConfig({ ...request, workingDirectory: folder }));
    expect(code).toBe('config_not_found');
    expect(message).toContain(`that ${origin} names does not exist`);
  });

  it('says that a folder is not a file', async () => {
    const { code, message } = await failure(load(folder, '.'));
    expect(code).toBe('config_unreadable');
    expect(message).toBe('".", which --config names, is not a file');
  });

  it('does not take an unnamed config of someone else from a folder above that everybody can write to', async (ctx) => {
    const user = process.getuid?.();
    if (user === undefined) ctx.skip('this system has no user ids');
    const file = write('vecpipe.config.yaml', 'lease: { seconds: 5 }');
    // Root may give files away; for anybody else, this process is made to look like another user's.
    if (user === 0) chownSync(file, 12_345, 12_345);
    else vi.spyOn(process, 'getuid').mockReturnValue(12_345);
    const inner = join(folder, 'a');
    mkdirSync(inner);
    expect((await load(inner)).leaseMs).toBe(5000);
    chmodSync(folder, 0o777);
    expect((await failure(load(inner))).code).toBe('config_untrusted');
    expect((await load(inner, '../vecpipe.config.yaml')).leaseMs).toBe(5000);
    expect((await load(folder)).leaseMs).toBe(5000);
  });
});

describe('docs/configuration.md and docs/providers.md', () => {
  const text = ['configuration', 'providers']
    .map((page) => readFileSync(new URL(`../../docs/${page}.md`, import.meta.url), 'utf8'))
    .join('\n');
  const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = '']) => example);

  it.each(examples)('has an example that is valid: %s', async (example) => {
    write('vecpipe.config.yaml', example);
    await expect(load()).resolves.toBeDefined();
  });

  it('names every key of the schema', () => {
    const keys = new Set<string>();
    JSON.parse(configJsonSchema(), (name: string, value: unknown) => {
      if (name === 'properties') for (const key of Object.keys(value as object)) keys.add(key);
      return value;
    });
    expect(keys.size).toBeGreaterThan(20);
    const named = new Set(text.match(/[$\w]+/g));
    expect([...keys].filter((key) => !named.has(key))).toEqual([]);
  });
});
