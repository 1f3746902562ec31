import { describe, expect, test } from 'vitest';
import { tableEntity } from '../../test/helpers/pipeline.ts';
import { compileTemplate } from '../entities/template.ts';
import type { ClaimedRow } from '../queue/work.ts';
import type { LoadedRow } from '../sources/rows/load-rows.ts';
import type { RowSource } from '../sources/rows/row-source.ts';
import { pointPayload, prepareRow } from './prepare-row.ts';
import type { PreparedRow } from './prepare-row.ts';

const entity = tableEntity('t', { text: '{{ name }}', payload: ['tag', 'size'], labelColumn: 'code' });
const source = {
  entity,
  tenant: '7',
  decimalColumns: ['price'],
  template: compileTemplate(entity.text),
} as unknown as RowSource;
const claimed: ClaimedRow = { key: 'k', operation: 'upsert', version: 1, attempts: 1, unconfirmed: false };
const values = { name: 'a name', tag: 'x', size: 2, code: 'VEC-1' };

function loaded(changes: Partial<LoadedRow> = {}): LoadedRow {
  return { key: 'k', values, rowHash: 'aa', recorded: null, duplicate: false, ...changes };
}

function prepared(row = loaded(), claim = claimed): PreparedRow {
  const decision = prepareRow(source, claim, row);
  if (!('row' in decision)) throw new Error(`the row was to be prepared, not to ${decision.action}`);
  return decision.row;
}

/** What is recorded once the row with these values was stored. */
function stored(changes: Partial<typeof values> = {}, chunks = 1): NonNullable<LoadedRow['recorded']> {
  const { textHash, payloadHash } = prepared(loaded({ values: { ...values, ...changes } }));
  return { textHash, payloadHash, chunks };
}

describe('what has to be done', () => {
  test.each<[string, Partial<LoadedRow>, string]>([
    ['a row that was never stored is embedded', {}, 'embed'],
    ['a row with other text is embedded', { recorded: stored({ name: 'before' }) }, 'embed'],
    ['a row with other payload gets the payload', { recorded: stored({ tag: 'before' }) }, 'payload'],
    ['a row with another label gets the payload', { recorded: stored({ code: 'VEC-0' }) }, 'payload'],
    ['a row as it is stored needs nothing', { recorded: stored() }, 'none'],
    ['a row that had no text has to be embedded', { recorded: stored({}, 0) }, 'embed'],
    ['a row without text has no point', { values: { ...values, name: ' ' } }, 'empty'],
    [
      'a row that lost its text has no point',
      { values: { ...values, name: '' }, recorded: stored() },
      'empty',
    ],
    ['a row that is gone and was never stored is deleted', { values: null, rowHash: null }, 'delete'],
    ['a row that is gone is left to the guard', { values: null, rowHash: null, recorded: stored() }, 'drop'],
    ['a row whose key stands for several fails', { duplicate: true }, 'fail'],
    ['a row that the template cannot print fails', { values: { ...values, name: {} } }, 'fail'],
  ])('%s', (_name, changes, action) => {
    expect(prepareRow(source, claimed, loaded(changes)).action).toBe(action);
  });

  test('a delete that a comparison queued is carried out', () => {
    const gone = loaded({ values: null, rowHash: null, recorded: stored() });
    expect(prepareRow(source, { ...claimed, operation: 'delete' }, gone).action).toBe('delete');
  });

  test('a decimal is a number in the payload where a number holds it exactly', () => {
    const priced = { ...source, entity: { ...entity, payload: ['price'] } };
    const prices = ['2.50', '100.00', '-0.10', '9007199254740993.5', 3, null].map((price) => {
      const decision = prepareRow(priced, claimed, loaded({ values: { ...values, price } }));
      return 'row' in decision ? decision.row.fields['price'] : decision.action;
    });
    expect(prices).toEqual([2.5, 100, -0.1, '9007199254740993.5', 3, null]);
  });

  test('a payload that no store takes in one piece sets the row aside', () => {
    const large = loaded({ values: { ...values, tag: 'x'.repeat(8_000_001) } });
    expect(prepareRow(source, claimed, large)).toMatchObject({ action: 'fail', code: 'payload_too_large' });
  });

  test.each([{ recorded: stored() }, { recorded: stored({ tag: 'before' }) }])(
    'nothing recorded is relied on where a worker may have written without recording: %j',
    (changes) => {
      const decision = prepareRow(source, { ...claimed, unconfirmed: true }, loaded(changes));
      expect(decision).toMatchObject({ action: 'embed', row: { recordedChunks: null } });
    },
  );

  test('the operation that was queued does not count, only the row as it is now', () => {
    const deleting = { ...claimed, operation: 'delete' } as const;
    expect(prepareRow(source, deleting, loaded()).action).toBe('embed');
    expect(prepareRow(source, claimed, loaded({ values: null, rowHash: null })).action).toBe('delete');
  });

  test('failures say why, without the value', () => {
    expect(prepareRow(source, claimed, loaded({ duplicate: true }))).toMatchObject({
      code: 'key_not_unique',
    });
    const decision = prepareRow(source, claimed, loaded({ values: { name: { secret: 1 } } }));
    expect(decision).toMatchObject({ action: 'fail', code: 'template_value' });
    expect(JSON.stringify(decision)).not.toContain('secret');
  });
});

test('the number of chunks that are stored is 0 for a new row and unknown for an unconfirmed one', () => {
  expect(prepared().recordedChunks).toBe(0);
  expect(prepared(loaded({ recorded: stored({}, 5) })).recordedChunks).toBe(5);
  expect(prepared(loaded(), { ...claimed, unconfirmed: true }).recordedChunks).toBeNull();
});

describe('the payload', () => {
  test('holds the fields asked for, and what vecpipe keeps', () => {
    const row = prepared(loaded({ values: { ...values, tag: null } }));
    expect(pointPayload(source, row, 3, 'print')).toEqual({
      tag: null,
      size: 2,
      vecpipe: {
        tenant: '7',
        entity: 'items',
        key: 'k',
        label: 'VEC-1',
        chunk: 3,
        hash: row.textHash,
        fingerprint: 'print',
      },
    });
  });

  test.each<[unknown, string]>([
    ['VEC-1', 'VEC-1'],
    [17, '17'],
    [true, 'true'],
    [null, 'k'],
    [undefined, 'k'],
  ])('the label %j is %j', (code, label) => {
    expect(prepared(loaded({ values: { ...values, code } })).label).toBe(label);
  });
});
