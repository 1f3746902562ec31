import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeProvider } from '../../test/helpers/fake-provider.ts';
import { staticConfig } from '../../test/helpers/provider-configs.ts';
import type { ProviderConfig } from '../config/provider-config.ts';
import { compileTemplate } from '../entities/template.ts';
import { unavailableError } from '../errors/vecpipe-error.ts';
import type { BoundValue, QueryResult, Queryable } from '../ports/database.ts';
import { openProvider } from '../providers/open-provider.ts';
import type { RunEvent } from '../ports/run-events.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { runVariants } from './run-variants.ts';
import type { ComparisonTask } from './run-variants.ts';
import type { Sample } from './sample.ts';
import type { Variant } from './variant.ts';

vi.mock('../providers/open-provider.ts', () => ({ openProvider: vi.fn<typeof openProvider>() }));

/** Rows by key: what loadRows asks for, from memory. */
class Rows implements Queryable {
  readonly names = new Map<string, string>();
  reads = 0;
  async query<Row>(_sql: string, values: readonly BoundValue[] = []): Promise<QueryResult<Row>> {
    this.reads += 1;
    const rows = (values[3] as string[]).flatMap((key, index) => {
      const name = this.names.get(key);
      if (name === undefined) return [];
      return [{ ordinal: index + 1, row: JSON.stringify({ name }), rowHash: name, textHash: null }];
    });
    return { rows: rows as Row[], columns: [], changed: 0 };
  }
  async execute(): Promise<void> {}
}

function sourceOf(text: string): RowSource {
  return {
    entity: {
      name: 'projects',
      relation: { kind: 'table', schema: null, name: 'projects' },
      keyColumns: ['id'],
      tenantColumn: null,
      labelColumn: 'name',
      text,
      payload: [],
      chunk: { maxTokens: 2, overlap: 0 },
      collection: 'c',
      record: null,
    },
    tenant: '1',
    template: compileTemplate(text),
    description: 'table projects',
    from: 'projects as s',
    tenantCondition: 'true',
    presentSql: 'true',
    keySql: 's.id',
    hashSql: '',
    rowSql: '',
    keyColumns: [{ sql: 's.id', type: 'text' }],
    columnTypes: new Map(),
    decimalColumns: [],
  };
}

const config = (name: string): ProviderConfig => staticConfig({ name });
const own = { name: 'own', text: null };
const loud = { name: 'loud', text: '{{ name }} !' };
const sources = new Map([
  [own.name, sourceOf('{{ name }}')],
  [loud.name, sourceOf(loud.text)],
]);
const one = config('one');
const two = config('two');
const variant = (provider: ProviderConfig, template: Variant['template'] = own): Variant => ({
  name: `${provider.name} ${template.name}`,
  provider,
  template,
});

/** The chunks of the rows by the entity's own template. */
const PIECES = ['apple', 'pear', 'plum', 'fig and', 'date'];

let rows: Rows;
let sample: Sample;
let events: RunEvent[];
/** Every provider opened, in order; `log` has what happened to them. */
let opened: Map<string, FakeProvider>;
let log: string[];

beforeEach(() => {
  rows = new Rows();
  for (const name of ['apple', 'pear', 'plum', 'fig and date']) rows.names.set(`k-${name}`, name);
  const keys = [...rows.names.keys()];
  sample = { total: 4, rows: keys.map((key) => ({ key, label: key })), withText: [], digest: '' };
  events = [];
  opened = new Map();
  log = [];
  vi.mocked(openProvider).mockImplementation(async ({ name }) => {
    log.push(`open ${name}`);
    const provider = new FakeProvider({ modelId: name });
    opened.set(name, provider);
    const close = provider[Symbol.asyncDispose].bind(provider);
    provider[Symbol.asyncDispose] = async () => {
      log.push(`close ${name}`);
      await close();
    };
    return provider;
  });
});

function run(variants: Variant[], changes: Partial<ComparisonTask> = {}, signal?: AbortSignal) {
  const task: ComparisonTask = {
    variants,
    sourceOf: ({ template }) => sources.get(template.name)!,
    sample,
    queries: [{ text: 'apple', wanted: null }],
    top: 2,
    ...changes,
  };
  const report = (event: RunEvent) => void events.push(event);
  return runVariants(rows, task, { report, ...(signal && { signal }) });
}

describe('variants', () => {
  it('of one provider share its opening, and it is closed before the next one is opened', async () => {
    const variants = [variant(one), variant(one, loud), variant(two), variant(two, loud)];
    const { results, failed } = await run(variants);
    expect(log).toEqual(['open one', 'close one', 'open two', 'close two']);
    expect(failed).toEqual([]);
    expect(results.map((result) => result.variant)).toEqual(variants);
  });

  it('find a row by its best chunk, embedded by the rules of the entity', async () => {
    const { results } = await run([variant(one), variant(one, loud)], {
      queries: [
        { text: 'apple', wanted: null },
        { text: 'date', wanted: null },
      ],
    });
    const [plain, withMark] = results;
    // "fig and date" is two chunks of two tokens at the most.
    expect(opened.get('one')?.texts).toEqual([
      'apple',
      'date',
      ...PIECES,
      'apple',
      'date',
      ...['apple', 'pear', 'plum'].map((name) => `${name} !`),
      'fig and',
      'date !',
    ]);
    expect(plain?.rankings.map((ranking) => ranking?.[0])).toEqual([
      { row: 0, score: expect.closeTo(1, 5) as number },
      { row: 3, score: expect.closeTo(1, 5) as number },
    ]);
    expect(withMark?.rankings[0]?.[0]?.score).toBeLessThan(0.999);
    expect(plain?.sample).toMatchObject({
      rows: 4,
      refused: 0,
      withoutText: 0,
      failed: 0,
      texts: 5,
      tokens: 6,
    });
    expect(plain?.queries).toMatchObject({ tokens: 2 });
    expect(sample.rows.map(({ label }) => label)).toEqual(['apple', 'pear', 'plum', 'fig and date']);
  });

  it('leave out and count rows that are gone, have no text, or are refused in part', async () => {
    rows.names.set('k-pear', '');
    rows.names.delete('k-plum');
    vi.mocked(openProvider).mockImplementationOnce(async () => {
      const provider = new FakeProvider();
      provider.refused.set('date', { code: 'no_known_token', reason: 'none' });
      return provider;
    });
    const { results } = await run([variant(one)]);
    expect(results[0]?.sample).toMatchObject({ rows: 1, refused: 1, withoutText: 2, texts: 1 });
    expect(results[0]?.rankings[0]?.map(({ row }) => row)).toEqual([0]);
  });

  it('of a provider that cannot be opened drop out alone', async () => {
    const error = unavailableError('gateway_down', 'the gateway is down');
    vi.mocked(openProvider).mockRejectedValueOnce(error);
    const { results, failed } = await run([variant(one), variant(one, loud), variant(two)]);
    expect(failed).toEqual([
      { variant: variant(one), error },
      { variant: variant(one, loud), error },
    ]);
    expect(results.map((result) => result.variant.name)).toEqual(['two own']);
  });

  it('drop out with a provider that goes down half way, which is closed', async () => {
    const error = unavailableError('gateway_down', 'the gateway is down');
    vi.mocked(openProvider).mockImplementationOnce(async () => {
      const provider = new FakeProvider();
      provider.before = (texts) => {
        if (texts.some((text) => text.endsWith('!'))) throw error;
      };
      const close = provider[Symbol.asyncDispose].bind(provider);
      provider[Symbol.asyncDispose] = async () => {
        log.push('close');
        await close();
      };
      return provider;
    });
    const { results, failed } = await run([variant(one), variant(one, loud), variant(two)]);
    expect(results.map((result) => result.variant.name)).toEqual(['one own', 'two own']);
    expect(failed).toEqual([{ variant: variant(one, loud), error }]);
    expect(log).toEqual(['close', 'open two', 'close two']);
  });

  it('are all given up when the database is, which is no provider’s fault', async () => {
    const error = unavailableError('database_unreachable', 'gone');
    rows.query = () => Promise.reject(error);
    await expect(run([variant(one), variant(two)])).rejects.toBe(error);
    expect(log).toEqual(['open one', 'close one']);
  });

  it('are given up when the run is stopped, and the provider is closed', async () => {
    const stop = new AbortController();
    vi.mocked(openProvider).mockImplementationOnce(async () => {
      const provider = new FakeProvider();
      provider.before = () => {
        stop.abort(new Error('stopped'));
        throw unavailableError('gateway_down', 'broke because of the stop');
      };
      return provider;
    });
    await expect(run([variant(one), variant(two)], {}, stop.signal)).rejects.toThrow('stopped');
    expect(log).toEqual([]);
  });

  it('over rows that change meanwhile say so, once', async () => {
    await run([variant(one), variant(two)]);
    const warnings = () => events.filter(({ type }) => type === 'warning');
    // The sample was drawn with another digest than the rows have now.
    expect(warnings()).toHaveLength(1);
    events = [];
    const { results } = await run([variant(one)]);
    sample.digest = results[0]!.sample.digest;
    events = [];
    await run([variant(one), variant(two), variant(two, loud)]);
    expect(warnings()).toEqual([]);
    expect(events.filter(({ type }) => type === 'progress').at(-1)).toEqual({
      type: 'progress',
      done: 12,
      total: 12,
    });
  });
});
