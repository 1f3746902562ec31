import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { READY_MADE_ENTITIES } from '../entities/ready-made.ts';
import { loadConfig } from './load-config.ts';
import { findConfigSchema, starterConfig } from './starter-config.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vecpipe-starter-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function load() {
  return loadConfig({ flags: {}, environment: {}, workingDirectory: folder });
}

function install(place: string): void {
  const schema = join(place, 'node_modules/vecpipe/schema/vecpipe.config.schema.json');
  mkdirSync(dirname(schema), { recursive: true });
  writeFileSync(schema, '{}');
}

describe('starterConfig', () => {
  it('says the same as no file', async () => {
    const withoutFile = await load();
    const file = join(folder, 'vecpipe.config.yaml');
    writeFileSync(file, starterConfig({ schema: './schema.json' }));
    expect(await load()).toEqual({ ...withoutFile, file });
  });

  it('names every ready-made entity', () => {
    for (const { name } of READY_MADE_ENTITIES)
      expect(starterConfig({ schema: null })).toContain(`\n  ${name}: {}\n`);
  });

  it('is valid with every example taken in, and then each section has its effect', async () => {
    const uncommented = starterConfig({ schema: null }).replaceAll(/^( *)# /gm, '$1');
    writeFileSync(join(folder, 'vecpipe.config.yaml'), uncommented);
    const config = await load();
    expect(config).toMatchObject({
      database: { kind: 'postgres', url: 'postgres://localhost:5432/app', origin: 'file' },
      store: { kind: 'qdrant', url: 'http://localhost:6333', apiKey: null, origin: 'file' },
      tenantsDeclared: true,
    });
    expect([...config.providers.values()].map(({ name, kind }) => [name, kind])).toEqual([
      ['static', 'static'],
      ['gateway', 'gateway'],
      ['local', 'local'],
    ]);
    expect([...config.tenants]).toEqual([
      ['1', { provider: 'static', fallback: null, entities: new Map() }],
      ['acme', { provider: 'gateway', fallback: null, entities: new Map() }],
    ]);
    expect([...config.entities.keys()]).toEqual(['projects', 'wits', 'statuses', 'tickets', 'notes']);
    expect(config.entities.get('tickets')).toEqual({
      name: 'tickets',
      relation: { kind: 'table', schema: 'public', name: 'tickets' },
      keyColumns: ['id'],
      tenantColumn: 'tenant_id',
      labelColumn: 'number',
      text: '{{ title }}\n{{ body }}',
      payload: ['number', 'title', 'url'],
      chunk: { maxTokens: 256, overlap: 32 },
      collection: 'client_{tenant}_{entity}',
      record: null,
    });
  });

  it('begins with the line that editors look for, or leaves it out', () => {
    expect(starterConfig({ schema: '../x.json' })).toMatch(
      /^# yaml-language-server: \$schema=\.\.\/x\.json\n##/,
    );
    expect(starterConfig({ schema: null })).not.toContain('yaml-language-server');
  });
});

describe('findConfigSchema', () => {
  it('finds vecpipe in the folder or above it', () => {
    const inner = join(folder, 'a', 'b');
    mkdirSync(inner, { recursive: true });
    install(folder);
    expect(findConfigSchema(folder)).toBe('./node_modules/vecpipe/schema/vecpipe.config.schema.json');
    expect(findConfigSchema(inner)).toBe('../../node_modules/vecpipe/schema/vecpipe.config.schema.json');
  });

  it('gives nothing where vecpipe is not installed', () => {
    expect(findConfigSchema(folder)).toBeNull();
  });
});
