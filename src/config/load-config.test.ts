import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { READY_MADE_ENTITIES } from '../entities/ready-made.ts';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import type { Config } from './config.ts';
import type { EnvironmentRecord } from './env.ts';
import { loadConfig } from './load-config.ts';
import type { ProviderConfig } from './provider-config.ts';

const staticConfig = (name: string, model: string | null): ProviderConfig => ({
  kind: 'static',
  name,
  model,
  pricePerMillionTokens: null,
  creditsPerMillionTokens: 0,
  keepVectorsBytes: null,
});

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vecpipe-config-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Loads a config from this YAML; null means that there is no file. */
async function load(yaml: string | null, environment: EnvironmentRecord = {}): Promise<Config> {
  if (yaml !== null) writeFileSync(join(folder, 'vecpipe.config.yaml'), yaml);
  return loadConfig({ flags: {}, environment, workingDirectory: folder });
}

async function failureOf(pending: Promise<unknown>): Promise<VecpipeError> {
  const error: unknown = await pending.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof VecpipeError)) throw new Error(`not refused in a sentence: ${String(error)}`);
  return error;
}

/** The lines of the problems, without the file's name. */
async function problemsOf(yaml: string, environment: EnvironmentRecord = {}): Promise<string[]> {
  const error = await failureOf(load(yaml, environment));
  expect(error).toMatchObject({ family: 'usage', code: 'config_invalid' });
  const [, ...lines] = error.message.split('\n');
  return lines.map((line) => line.replace('vecpipe.config.yaml:', ''));
}

/** An entity whose collection is called tenant and name, with nothing between them. */
function own(name: string): string {
  return `${name}: { table: a, tenant: t, text: x, collection: "{tenant}{entity}" }`;
}

describe('defaults', () => {
  it('hold without a file: embedded Postgres, pgvector, the static model, one tenant, the ready-made entities', async () => {
    expect(await load(null)).toEqual({
      file: null,
      home: join(folder, '.vecpipe'),
      database: { kind: 'pglite', folder: join(folder, '.vecpipe', 'pgdata'), origin: 'default' },
      store: { kind: 'pgvector', origin: 'default' },
      providers: new Map([['static', staticConfig('static', null)]]),
      tenants: new Map([['1', { provider: 'static', fallback: null, entities: new Map() }]]),
      tenantsDeclared: false,
      entities: new Map(READY_MADE_ENTITIES.map((entity) => [entity.name, entity])),
      leaseMs: 60_000,
    });
  });

  it.each([
    ['an empty file', ''],
    ['comments alone', '# nothing\n'],
    ['empty sections', 'database:\nstore:\nproviders:\ntenants: {}\nentities:\nlease: {}\n'],
  ])('hold for %s', async (_name, yaml) => {
    const withoutFile = await load(null);
    expect(await load(yaml)).toEqual({ ...withoutFile, file: join(folder, 'vecpipe.config.yaml') });
  });
});

describe('precedence', () => {
  const FILE =
    'home: data\ndatabase: { url: postgres://file/db }\nstore: { kind: qdrant, url: http://file:6333 }\n';

  it('takes the file over defaults', async () => {
    expect(await load(FILE)).toMatchObject({
      home: join(folder, 'data'),
      database: { kind: 'postgres', url: 'postgres://file/db', origin: 'file' },
      store: { kind: 'qdrant', url: 'http://file:6333', apiKey: null, origin: 'file' },
    });
  });

  it('takes the environment over the file', async () => {
    const environment = {
      DATABASE_URL: 'postgresql://environment/db',
      QDRANT_URL: 'https://environment:6333',
      QDRANT_API_KEY: 'key',
      VECPIPE_HOME: 'home',
    };
    expect(await load(FILE, environment)).toMatchObject({
      home: join(folder, 'home'),
      database: { kind: 'postgres', url: 'postgresql://environment/db', origin: 'environment' },
      store: { kind: 'qdrant', url: 'https://environment:6333', apiKey: 'key', origin: 'environment' },
    });
  });

  it('takes QDRANT_URL over kind: pgvector', async () => {
    const config = await load('store: { kind: pgvector }', { QDRANT_URL: 'http://environment' });
    expect(config.store).toEqual({
      kind: 'qdrant',
      url: 'http://environment',
      apiKey: null,
      origin: 'environment',
    });
  });

  it('says that pgvector was chosen by the file', async () => {
    expect((await load('store: { kind: pgvector }')).store).toEqual({ kind: 'pgvector', origin: 'file' });
  });

  it('says where the home folder of an embedded database comes from', async () => {
    expect((await load('home: data')).database).toMatchObject({ kind: 'pglite', origin: 'file' });
    expect((await load('home: data', { VECPIPE_HOME: '/h' })).database).toEqual({
      kind: 'pglite',
      folder: join('/h', 'pgdata'),
      origin: 'environment',
    });
  });

  it('takes a config file named by --config over VECPIPE_CONFIG over one that is found', async () => {
    writeFileSync(join(folder, 'vecpipe.config.yaml'), 'lease: { seconds: 1 }');
    writeFileSync(join(folder, 'environment.yaml'), 'lease: { seconds: 2 }');
    writeFileSync(join(folder, 'flag.yaml'), 'lease: { seconds: 3 }');
    const leaseMs = async (flag: string | undefined, VECPIPE_CONFIG: string | undefined) =>
      (
        await loadConfig({
          flags: { config: flag },
          environment: { VECPIPE_CONFIG },
          workingDirectory: folder,
        })
      ).leaseMs;
    expect(await leaseMs(undefined, undefined)).toBe(1000);
    expect(await leaseMs(undefined, '')).toBe(1000);
    expect(await leaseMs(undefined, 'environment.yaml')).toBe(2000);
    expect(await leaseMs('flag.yaml', 'environment.yaml')).toBe(3000);
  });
});

describe('the API key of Qdrant', () => {
  const FILE = 'store: { kind: qdrant, url: http://file, apiKeyEnv: FILE_KEY }';
  const KEYS = { FILE_KEY: 'for-file', QDRANT_API_KEY: 'for-environment' };

  it('is read from the variable that the file names', async () => {
    expect((await load(FILE, KEYS)).store).toMatchObject({ url: 'http://file', apiKey: 'for-file' });
  });

  it('of the file is not sent to the server of the environment', async () => {
    const environment = { QDRANT_URL: 'http://environment', FILE_KEY: 'for-file' };
    expect((await load(FILE, environment)).store).toMatchObject({ url: 'http://environment', apiKey: null });
    expect((await load(FILE, { ...environment, ...KEYS })).store).toMatchObject({
      apiKey: 'for-environment',
    });
  });

  it('is read from the named variable when the file leaves the server to QDRANT_URL', async () => {
    const environment = { ...KEYS, QDRANT_URL: 'http://environment' };
    const config = await load('store: { kind: qdrant, apiKeyEnv: FILE_KEY }', environment);
    expect(config.store).toMatchObject({ url: 'http://environment', apiKey: 'for-file' });
  });

  it('must be there when a variable is named for it', async () => {
    expect(await problemsOf(FILE)).toEqual([
      '1: store.apiKeyEnv: the environment variable that it names is not set; set it, or leave this key out',
    ]);
  });
});

describe('tenants and providers', () => {
  it('keep the order of the file and the ids as they are written', async () => {
    const config = await load(
      'tenants: { 10: , 9: {}, 01: { provider: mine }, a-b_C: }\nproviders: { mine: { kind: static, model: models/x } }',
    );
    expect([...config.tenants]).toEqual([
      ['10', { provider: 'static', fallback: null, entities: new Map() }],
      ['9', { provider: 'static', fallback: null, entities: new Map() }],
      ['01', { provider: 'mine', fallback: null, entities: new Map() }],
      ['a-b_C', { provider: 'static', fallback: null, entities: new Map() }],
    ]);
    expect(config.tenantsDeclared).toBe(true);
    expect([...config.providers]).toEqual([
      ['static', staticConfig('static', null)],
      ['mine', staticConfig('mine', join(folder, 'models/x'))],
    ]);
  });

  it('may be merged from another section', async () => {
    const config = await load(
      'providers: { &kind static: { kind: *kind } }\ntenants: { <<: { a: { provider: *kind } } }\nentities: { docs: { table: a, text: x } }',
    );
    expect([...config.tenants]).toEqual([['a', { provider: 'static', fallback: null, entities: new Map() }]]);
  });

  it('may redefine the provider static', async () => {
    const config = await load('providers: { static: { kind: static, model: /m } }');
    expect(config.providers).toEqual(new Map([['static', staticConfig('static', '/m')]]));
  });
});

describe('entities', () => {
  it('are only the ones that the file names, in its order', async () => {
    const config = await load('entities:\n  statuses:\n  "7": { table: a, text: x }\n  projects: {}\n');
    expect([...config.entities.keys()]).toEqual(['statuses', '7', 'projects']);
    expect(config.entities.get('projects')).toEqual(READY_MADE_ENTITIES[0]);
  });

  it('that are ready-made change only by what is given', async () => {
    const config = await load(
      'entities: { projects: { text: "{{ name }}", payload: [], label: name, chunk: { maxTokens: 9 }, collection: "p_{tenant}" } }',
    );
    expect(config.entities.get('projects')).toEqual({
      ...READY_MADE_ENTITIES[0],
      text: '{{ name }}',
      payload: [],
      labelColumn: 'name',
      chunk: { maxTokens: 9, overlap: 0 },
      collection: 'p_{tenant}',
    });
  });

  it('that are ready-made become the user’s own with a table, keeping what is not given', async () => {
    const config = await load('entities: { projects: { table: Public.Projects } }');
    expect(config.entities.get('projects')).toEqual({
      ...READY_MADE_ENTITIES[0],
      relation: { kind: 'table', schema: 'public', name: 'projects' },
      keyColumns: ['id'],
      tenantColumn: null,
      record: null,
    });
  });

  it('that are declared have defaults for everything but rows and text', async () => {
    const config = await load('entities: { docs: { query: "select * from docs;", text: "{{ title }}" } }');
    expect(config.entities.get('docs')).toEqual({
      name: 'docs',
      relation: { kind: 'query', sql: 'select * from docs' },
      keyColumns: ['id'],
      tenantColumn: null,
      labelColumn: null,
      text: '{{ title }}',
      payload: [],
      chunk: null,
      collection: 'client_{tenant}_{entity}',
      record: null,
    });
  });

  it('take every field', async () => {
    const config = await load(`entities:
  docs:
    table: '"My Docs"'
    key: [space, id]
    tenant: tenant_id
    deleted: gone_at
    label: title
    text: "{{ title }}"
    payload: [title, url]
    chunk: { maxTokens: 256, overlap: 32 }
    collection: shared_docs
`);
    expect(config.entities.get('docs')).toEqual({
      name: 'docs',
      relation: { kind: 'table', schema: null, name: 'My Docs' },
      keyColumns: ['space', 'id'],
      tenantColumn: 'tenant_id',
      deletedColumn: 'gone_at',
      labelColumn: 'title',
      text: '{{ title }}',
      payload: ['title', 'url'],
      chunk: { maxTokens: 256, overlap: 32 },
      collection: 'shared_docs',
      record: null,
    });
  });

  it('may share fields by anchors and merges', async () => {
    const config = await load(
      'entities:\n  a: &a { table: a, text: x, payload: [p] }\n  b: { <<: *a, table: b }\n',
    );
    expect(config.entities.get('b')).toMatchObject({
      relation: { kind: 'table', schema: null, name: 'b' },
      text: 'x',
      payload: ['p'],
    });
  });
});

describe('problems', () => {
  it('are all reported at once, with file, line, path and a way out', async () => {
    const yaml = `homme: x
database: { url: 5 }
store: { kind: qdrnt }
lease: { seconds: 0.1 }
providers:
  mine: { kind: static, model: 5 }
  remote: { kind: gateway, baseURL: ftp://x, modle: y }
  "bad name": { kind: static }
tenants:
  1: { provider: statik }
  2: { provider: remote }
  2: { provder: mine }
  3: hello
entities:
  projects:
    txt: hi
    key: other
    payload: [a, a, vecpipe]
  tickets:
    table: 'a b'
    key: []
    chunk: { maxTokens: 5, overlap: 5 }
    text: "{{ x"
  notes:
    query: select 1; select 2
    label: 5
    payload: [a, 5]
    chunk: { overlap: 3 }
`;
    const error = await failureOf(load(yaml));
    expect(error).toMatchObject({ family: 'usage', code: 'config_invalid' });
    expect(error.message).toMatchInlineSnapshot(`
      "vecpipe.config.yaml has 25 problems:
      vecpipe.config.yaml:1: homme: unknown key; did you mean home?
      vecpipe.config.yaml:2: database.url: expected text
      vecpipe.config.yaml:3: store.kind: expected one of qdrant, pgvector, got "qdrnt"; did you mean qdrant?
      vecpipe.config.yaml:4: lease.seconds: must be at least 1, got 0.1
      vecpipe.config.yaml:6: providers.mine.model: expected text, got number 5
      vecpipe.config.yaml:7: providers.remote.model: missing; expected text
      vecpipe.config.yaml:7: providers.remote.modle: unknown key; did you mean model?
      vecpipe.config.yaml:8: providers."bad name": must be 1 to 64 letters, digits, "_" or "-", the first one a letter or digit
      vecpipe.config.yaml:10: tenants.1.provider: expected one of static, mine, remote, got "statik"; did you mean static?
      vecpipe.config.yaml:12: tenants.2: written twice in the same section, first on line 11
      vecpipe.config.yaml:12: tenants.2.provder: unknown key; did you mean provider?
      vecpipe.config.yaml:13: tenants.3: expected a section, got text
      vecpipe.config.yaml:16: entities.projects.txt: unknown key; did you mean text?
      vecpipe.config.yaml:17: entities.projects.key: the ready-made table has the key id; give a table or query of your own to choose another
      vecpipe.config.yaml:18: entities.projects.payload: names the column "a" twice
      vecpipe.config.yaml:18: entities.projects.payload: the field vecpipe is taken: every point keeps its identity there; rename the column in a query
      vecpipe.config.yaml:20: entities.tickets.table: is not a table name; a name with other characters needs double quotes, such as "my-table"
      vecpipe.config.yaml:21: entities.tickets.key: must not be empty
      vecpipe.config.yaml:22: entities.tickets.chunk.overlap: must be less than maxTokens (5), got 5
      vecpipe.config.yaml:23: entities.tickets.text: is not a Liquid template: output "{{ x" not closed (line 1, column 1 of the template)
      vecpipe.config.yaml:24: entities.notes.text: missing; give the template of the text to embed, such as "{{ title }}"
      vecpipe.config.yaml:25: entities.notes.query: holds several statements; give one SELECT
      vecpipe.config.yaml:26: entities.notes.label: expected text, got number 5
      vecpipe.config.yaml:27: entities.notes.payload.1: expected text, got number 5
      vecpipe.config.yaml:28: entities.notes.chunk.maxTokens: missing; expected a number"
    `);
  });

  it('do not hide the rest of the file from the other checks', async () => {
    // The unknown key makes the section invalid, and the provider is still compared.
    expect(await problemsOf('foo: 1\ntenants: { a: { provider: nobody, x: 1 } }\n')).toEqual([
      expect.stringContaining('1: foo: unknown key'),
      expect.stringContaining('2: tenants.a.x: unknown key; known here: provider'),
      '2: tenants.a.provider: expected static, got "nobody"',
    ]);
  });

  it('are not repeated as their own consequences', async () => {
    expect(
      await problemsOf(
        'providers: { mine: { kind: lokal, model: x } }\ntenants: { a: { provider: mine } }\n',
      ),
    ).toEqual([
      '1: providers.mine.kind: expected one of static, gateway, local, got "lokal"; did you mean local?',
    ]);
    expect(await problemsOf('entities: { a: { query: [], text: x }, b: { table: 5, text: x } }')).toEqual([
      '1: entities.a.query: expected text, got a list',
      '1: entities.b.table: expected text, got number 5',
    ]);
  });

  it('show no URL and no key, wherever they were put', async () => {
    const secret = 'postgres://user:hunter2@host/db';
    const environment = { hunter2: 'hunter2' };
    for (const yaml of [
      `database: ${secret}`,
      `database: { url: "mysql://user:hunter2@host/db" }`,
      `database: { url: "postgres://user:hunter2/@host/db" }`,
      `database: { uri: ${secret} }`,
      `store: { kind: "http://user:hunter2@host" }`,
      `store: { kind: qdrant, url: "user:hunter2@host" }`,
      `store: { kind: qdrant, url: "http://host", apiKeyEnv: "hunter2-key" }`,
      `store: { kind: qdrant, url: "http://host", apiKeyEnv: hunter23 }`,
      `store: { kind: qdrant, url: "http://host", apiKey: hunter2 }`,
      `"${secret}": 1`,
      `tenants: { a: { provider: "${secret}" } }`,
      `tenants: { "${secret}": {} }`,
      `providers: { "${secret}": { kind: static } }\ntenants: { a: { provider: x } }`,
      `database: { url: "${secret} }`,
      `database: { url: ${secret} } x`,
      `home: &a ["${secret}", *a]`,
    ]) {
      const { message, hint } = await failureOf(load(yaml, environment));
      expect(`${message} ${hint}`, yaml).not.toContain('hunter2');
    }
  });

  it.each([
    ['store: { kind: qdrant }', 'store.url: missing; give it here, or set QDRANT_URL'],
    ['store: {}', 'store.kind: missing; expected one of qdrant, pgvector'],
    ['store: { kind: pgvector, url: x }', 'store.url: unknown key; known here: kind'],
    ['database: { url: x }', 'database.url: must begin with postgres:// or postgresql://'],
    ['tenants: []', 'tenants: expected a section, got a list'],
    ['home: ""', 'home: must not be empty'],
    ['home:', 'home: expected text, got nothing'],
    ['lease: { seconds: 1e9 }', 'lease.seconds: must be at most 86400, got 1000000000'],
    ['lease: { seconds: .nan }', 'lease.seconds: expected a number, got number NaN'],
    ['- a', 'expected a section, got a list'],
    ['__proto__: {}', '__proto__: is not a name that can be used'],
    ['tenants: { __proto__: {} }', 'tenants.__proto__: is not a name that can be used'],
  ])('%s', async (yaml, problem) => {
    expect(await problemsOf(yaml)).toEqual([`1: ${problem}`]);
  });

  it.each([
    ['table: a, query: select 1', 'query: an entity has a table or a query, not both'],
    ['key: a', 'table: missing; name a table or view here, or give a query'],
    ['query: delete from a', 'query: must begin with SELECT or WITH'],
    ['table: a, key: [a, b, a]', 'key: names the column "a" twice'],
    ['table: a, key: 5', 'key: expected a column name or a list of column names'],
    ['table: a, key: [a, 5]', 'key.1: expected text, got number 5'],
    ['table: a, deleted: [a]', 'deleted: expected text, got a list'],
    ['table: a, payload: [id, vecpipe]', 'payload: the field vecpipe is taken'],
    [
      'table: a, chunk: { maxTokens: 8, overlap: 8 }',
      'chunk.overlap: must be less than maxTokens (8), got 8',
    ],
    ['table: a, chunk: { maxTokens: 1.5 }', 'chunk.maxTokens: expected a whole number, got number 1.5'],
    [
      'table: a, collection: "{tenet}"',
      'collection: {tenet} is not filled in; {tenant} and {entity} are; did you mean tenant?',
    ],
    ['table: a, collection: "a b"', 'collection: may hold letters, digits'],
    ['table: a, collection: ".."', 'collection: may hold letters, digits'],
    ['table: a, collection: "docs__2"', 'collection: must not end in __ and a number'],
    [`table: a, collection: "${'x'.repeat(201)}"`, 'collection: is longer than 200 characters'],
  ])('entities.docs: { %s }', async (fields, problem) => {
    expect(await problemsOf(`entities: { docs: { text: x, ${fields} } }`)).toEqual([
      expect.stringContaining(`1: entities.docs.${problem}`),
    ]);
  });

  it('tell the tenant column that several tenants need, also where one of them is malformed', async () => {
    const message =
      'entities.docs.tenant: missing; with 2 tenants, name the column that tells their rows apart';
    const entities = 'entities: { docs: { table: a, text: x }, projects: }';
    expect(await problemsOf(`tenants: { a: , b: }\n${entities}`)).toEqual([`2: ${message}`]);
    expect(await problemsOf(`tenants: { a: , b: 5 }\n${entities}`)).toContain(`2: ${message}`);
    await expect(load(`tenants: { a: }\n${entities}`)).resolves.toBeDefined();
  });

  it('tell two entities that would share a collection, whatever their templates look like', async () => {
    expect(
      await problemsOf(
        'entities: { projects: , docs: { table: a, text: x, collection: "client_1_projects" } }',
      ),
    ).toEqual([
      '1: entities.docs.collection: gives client_1_projects, which is also a collection of projects; put {entity} into it',
    ]);
    await expect(
      load('entities: { projects: , docs: { table: a, text: x, collection: docs } }'),
    ).resolves.toBeDefined();
  });

  it('find two pairs of tenant and entity that spell the same name', async () => {
    expect(await problemsOf(`tenants: { a: , ab: }\nentities: { ${own('bc')}, ${own('c')} }`)).toEqual([
      expect.stringContaining('entities.c.collection: gives abc, which is also a collection of bc'),
    ]);
  });
});

describe('YAML that cannot be read', () => {
  it.each([
    ['home: x\n\tlease: 1\n', '2:1: a tab is used for indentation; use spaces'],
    [
      'entities:\n  a:\n    text: {{ name }} x\n',
      '3:12: a value that begins with {{ must be in quotes, such as "{{ name }}"',
    ],
    ['home: "x\n', '2:1: a closing quote is missing'],
    ['home: [a\n', '2:1: a closing ] is missing'],
    ['home: a]\nlease: }\n', '2:8: this } closes nothing'],
    ['home: "a" b\n', '1:11: a value has ended before this; is a quote or a comma missing?'],
    [
      'home: a: b\n',
      '1:7: a value holds ": ", or a line is indented too far; put the value in quotes or align the line',
    ],
    ['home:x\nlease: {}\n', '1:1: a key goes over several lines; is the space after a ":" missing?'],
    ['home: @x\n', '1:7: a value that begins with @ must be in quotes'],
    ['home: *x\n', '1:7: a reference has no anchor before it; text that begins with * must be in quotes'],
    ['home: !env X\n', '1:7: a value cannot begin with a tag such as !name; put it in quotes'],
    ['home: a\n---\nhome: b\n', '2:1: a second document begins here; a config is one document'],
    ['a: |\n  x\n y\n', '3:1: this line is not indented like the ones above it'],
    [`a: ${'['.repeat(5000)}`, expect.stringMatching(/^1:\d+: this is nested too deeply$/)],
  ])('%j', async (yaml, problem) => {
    const error = await failureOf(load(yaml));
    expect(error).toMatchObject({ family: 'usage', code: 'config_invalid' });
    expect(error.message.replace('vecpipe.config.yaml:', '')).toEqual(problem);
  });

  it('does not unfold references without end', async () => {
    let yaml = 'x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n';
    for (let level = 1; level < 9; level++) {
      const before = `*x${level - 1}`;
      yaml += `x${level}: &x${level} [${Array.from({ length: 10 }, () => before).join(', ')}]\n`;
    }
    const { message } = await failureOf(load(yaml));
    expect(message).toBe('vecpipe.config.yaml: references (*name) repeat each other too many times');
  });

  it('takes the same reference in each of 1,000 tenants', async () => {
    const others = Array.from({ length: 1000 }, (_, index) => `  t${index}: *first\n`).join('');
    const config = await load(`tenants:\n  first: &first { provider: static }\n${others}`);
    expect(config.tenants.size).toBe(1001);
  });

  it('refuses a merge of something else than sections', async () => {
    const { message } = await failureOf(load('tenants: &a\n  x: { <<: 5 }\n'));
    expect(message).toBe('vecpipe.config.yaml: a merge (<<) needs a section, or a list of them');
  });

  it('refuses a file that is not UTF-8', async () => {
    writeFileSync(join(folder, 'vecpipe.config.yaml'), Buffer.from([0xff, 0xfe, 0x68, 0x00]));
    expect(await failureOf(load(null))).toMatchObject({
      code: 'config_unreadable',
      message: 'vecpipe.config.yaml is not UTF-8 text',
    });
  });

  it('reads a byte order mark over', async () => {
    expect((await load('\ufefflease: { seconds: 2 }')).leaseMs).toBe(2000);
  });
});

describe('a stop', () => {
  it('rejects with its reason', async () => {
    const reason = new Error('stopped');
    mkdirSync(join(folder, 'inner'));
    const pending = loadConfig({
      flags: {},
      environment: {},
      workingDirectory: join(folder, 'inner'),
      signal: AbortSignal.abort(reason),
    });
    await expect(pending).rejects.toBe(reason);
  });
});

describe('routes', () => {
  const PROVIDERS = `providers:
  cloud: { kind: gateway, baseURL: "https://g/v1/", model: m, dimensions: 384 }
  twin: { kind: local, model: ./folder/m, dimensions: 384 }
  wide: { kind: local, modelId: m, dimensions: 768 }
  unsaid: { kind: local, modelId: m }
  other: { kind: local }
`;
  const routed = (yaml: string) => `${PROVIDERS}tenants:\n  a: { ${yaml} }\n`;

  it('may have a fallback, and others for single entities, which do not inherit it', async () => {
    const config = await load(
      routed(
        'provider: cloud, fallback: twin, entities: { wits: { provider: static }, projects: { fallback: twin } }',
      ),
    );
    expect(config.tenants.get('a')).toEqual({
      provider: 'cloud',
      fallback: 'twin',
      entities: new Map([
        ['wits', { provider: 'static', fallback: null }],
        ['projects', { provider: 'cloud', fallback: 'twin' }],
      ]),
    });
    expect(config.providers.get('twin')).toMatchObject({ model: join(folder, 'folder/m'), modelId: 'm' });
  });

  it.each([
    [
      'provider: cloud, fallback: clod',
      'fallback: expected one of static, cloud, twin, wide, unsaid, other, got "clod"; did you mean cloud?',
    ],
    ['provider: cloud, fallback: cloud', 'fallback: must be another provider than the one it stands in for'],
    [
      'provider: cloud, fallback: static',
      'fallback: a static provider can neither have a fallback nor be one: no other provider serves its model (cloud and static)',
    ],
    [
      'provider: cloud, fallback: other',
      'fallback: serves another model: cloud has the modelId "m", other has "Xenova/all-MiniLM-L6-v2"; give both the same modelId if their weights are the same',
    ],
    ['provider: cloud, fallback: wide', 'fallback: makes vectors of width 768, but cloud makes 384'],
    [
      'provider: cloud, fallback: unsaid',
      'fallback: needs dimensions in both providers, cloud and unsaid, so that their widths are known to be equal',
    ],
    [
      'entities: { wits: { provider: nobody } }',
      'entities.wits.provider: expected one of static, cloud, twin, wide, unsaid, other, got "nobody"',
    ],
    [
      'entities: { wit: { provider: cloud } }',
      'entities.wit: is not an entity of this config; did you mean wits?',
    ],
  ])('%s is refused', async (yaml, problem) => {
    expect(await problemsOf(routed(yaml))).toEqual([`8: tenants.a.${problem}`]);
  });
});

describe('gateway and local providers', () => {
  it('take what they do not say from the environment, and relative paths from the folder of the file', async () => {
    const config = await load(
      'providers: { g: { kind: gateway, model: text-embedding-3-large, dimensions: 256, tokenizer: t }, k: { kind: gateway, model: m, apiKeyEnv: MINE, keepVectors: { maxMegabytes: 1 } }, l: { kind: local, cache: c } }',
      { OPENAI_BASE_URL: 'http://gateway/v1/', OPENAI_API_KEY: 'secret', MINE: 'mine' },
    );
    expect(config.providers.get('g')).toMatchObject({
      baseURL: 'http://gateway/v1',
      apiKey: 'secret',
      needsApiKey: false,
      sendDimensions: true,
      tokenizer: join(folder, 't'),
      keepVectorsBytes: null,
    });
    expect(config.providers.get('k')).toMatchObject({
      apiKey: 'mine',
      needsApiKey: true,
      dimensions: null,
      sendDimensions: false,
      keepVectorsBytes: 1024 * 1024,
    });
    expect(config.providers.get('l')).toMatchObject({
      model: 'Xenova/all-MiniLM-L6-v2',
      modelFrom: 'hub',
      cacheFolder: join(folder, 'c'),
    });
  });

  it('charge a credit a token over the network and nothing on this machine, unless they say otherwise', async () => {
    const { providers } = await load(
      'providers: { g: { kind: gateway, model: m }, cheap: { kind: gateway, model: m, creditsPerMillionTokens: 0.5 }, free: { kind: gateway, model: m, creditsPerMillionTokens: 0 }, l: { kind: local }, own: { kind: local, creditsPerMillionTokens: 250000 } }',
    );
    expect(
      [...providers.values()].map(({ name, creditsPerMillionTokens }) => [name, creditsPerMillionTokens]),
    ).toEqual([
      ['static', 0],
      ['g', 1_000_000],
      ['cheap', 0.5],
      ['free', 0],
      ['l', 0],
      ['own', 250_000],
    ]);
  });

  it.each(['-1', '2e9', 'many', '.inf'])('charge no %s credits', async (credits) => {
    const [problem] = await problemsOf(
      `providers: { g: { kind: gateway, model: m, creditsPerMillionTokens: ${credits} } }`,
    );
    expect(problem).toMatch(/^1: providers\.g\.creditsPerMillionTokens: /);
  });
});
