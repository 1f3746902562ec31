import { describe, expect, it } from 'vitest';
import { staticConfig } from '../../test/helpers/provider-configs.ts';
import type { Config } from './config.ts';
import { configureProvider } from './configure-provider.ts';
import type { ProviderOptions } from './configure-provider.ts';
import { describeChoices } from './describe-choices.ts';

const DEFAULTS: Config = {
  file: null,
  home: '/project/.vecpipe',
  database: { kind: 'pglite', folder: '/project/.vecpipe/pgdata', origin: 'default' },
  store: { kind: 'pgvector', origin: 'default' },
  providers: new Map([['static', staticConfig({ name: 'static', model: null })]]),
  tenants: new Map([['1', { provider: 'static', fallback: null, entities: new Map() }]]),
  tenantsDeclared: false,
  entities: new Map(),
  leaseMs: 60_000,
};

function choices(changes: Partial<Config>): string {
  return describeChoices({ ...DEFAULTS, ...changes }, '/project').join('\n');
}

describe('describeChoices', () => {
  it('says what holds without any setting, and why', () => {
    expect(choices({})).toMatchInlineSnapshot(`
      "config: no file, the defaults hold
      database: embedded Postgres in .vecpipe/pgdata, because DATABASE_URL is not set
      store: pgvector in the same database, because QDRANT_URL is not set
      provider: the static model that ships with vecpipe, because no tenant is configured"
    `);
  });

  it('names the variable that made a choice', () => {
    expect(
      choices({
        database: {
          kind: 'postgres',
          url: 'postgres://u:hunter2@db:5432/app?password=hunter2',
          origin: 'environment',
        },
        store: {
          kind: 'qdrant',
          url: 'http://u:hunter2@q:6333/?api-key=hunter2',
          apiKey: 'hunter2',
          origin: 'environment',
        },
      }),
    ).toMatchInlineSnapshot(`
      "config: no file, the defaults hold
      database: Postgres at db:5432/app, because DATABASE_URL is set
      store: Qdrant at http://q:6333 with an API key, because QDRANT_URL is set
      provider: the static model that ships with vecpipe, because no tenant is configured"
    `);
  });

  it('names the key of the file that made a choice', () => {
    expect(
      choices({
        file: '/project/vecpipe.config.yaml',
        database: { kind: 'postgres', url: 'postgres://db/app', origin: 'file' },
        store: { kind: 'qdrant', url: 'http://q', apiKey: null, origin: 'file' },
      }),
    ).toMatchInlineSnapshot(`
      "config: vecpipe.config.yaml
      database: Postgres at db/app, because the config file gives database.url
      store: Qdrant at http://q without an API key, because the config file gives store.url
      provider: the static model that ships with vecpipe, because no tenant is configured"
    `);
  });

  it('tells the tenants of each provider, counting many', () => {
    const many = Array.from(
      { length: 6 },
      (_, index) => [`t${index}`, { provider: 'mine', fallback: null, entities: new Map() }] as const,
    );
    expect(
      choices({
        store: { kind: 'pgvector', origin: 'file' },
        database: { kind: 'pglite', folder: '/data/pgdata', origin: 'environment' },
        providers: new Map([
          ['static', staticConfig({ name: 'static', model: null })],
          ['mine', staticConfig({ name: 'mine', model: '/project/models/mine' })],
          ['unused', staticConfig({ name: 'unused', model: null })],
        ]),
        tenants: new Map([['acme', { provider: 'static', fallback: null, entities: new Map() }], ...many]),
        tenantsDeclared: true,
      }),
    ).toMatchInlineSnapshot(`
      "config: no file, the defaults hold
      database: embedded Postgres in /data/pgdata (VECPIPE_HOME), because DATABASE_URL is not set
      store: pgvector in the same database, because the config file says so
      provider: static (the static model that ships with vecpipe) for tenant acme
      provider: mine (the static model in models/mine) for 6 tenants"
    `);
  });

  it('names a fallback, a gateway without its secrets, and the model of a local provider', () => {
    const resolved = (name: string, options: ProviderOptions) => {
      const environment = { OPENAI_API_KEY: 'hunter2' };
      return [name, configureProvider(options, { name, folder: '/project', environment })] as const;
    };
    const route = { provider: 'cloud', fallback: 'local', entities: new Map() };
    expect(
      choices({
        providers: new Map([
          resolved('cloud', { kind: 'gateway', baseURL: 'https://u:hunter2@g/v1?k=hunter2', model: 'm' }),
          resolved('local', { kind: 'local' }),
          resolved('folder', { kind: 'local', model: './models/m' }),
        ]),
        tenants: new Map([
          ['a', route],
          ['b', { ...route, entities: new Map([['wits', { provider: 'folder', fallback: null }]]) }],
        ]),
        tenantsDeclared: true,
      }),
    ).toContain(
      `provider: cloud (m at https://g/v1) for tenants a, b
provider: local (the local model Xenova/all-MiniLM-L6-v2) as fallback for tenants a, b
provider: folder (the local model in models/m) for tenant b`,
    );
  });
});
