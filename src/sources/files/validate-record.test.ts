import { expect, test } from 'vitest';
import type { RecordShape } from '../../entities/entity.ts';
import { READY_MADE_ENTITIES } from '../../entities/ready-made.ts';
import { createRecordValidator } from './validate-record.ts';

const SHAPE: RecordShape = [
  { name: 'name', type: 'text', required: true },
  { name: 'note', type: 'text', required: false },
  { name: 'level', type: 'integer', required: false },
  { name: 'changed_at', type: 'timestamp', required: false },
];
const validate = createRecordValidator(SHAPE);

function accepted(record: Record<string, unknown>) {
  const result = validate(record);
  if ('problems' in result) throw new Error(`refused: ${result.problems}`);
  return result;
}

function problems(record: Record<string, unknown>): string | null {
  const result = validate(record);
  return 'problems' in result ? result.problems : null;
}

test('sorts a record into key, columns, tenant and the rest', () => {
  const record = {
    id: 7,
    name: 'A',
    level: 2,
    changed_at: '2026-03-01',
    tenant_id: 3,
    colour: 'red',
    tags: [1, null],
  };
  expect(validate(record)).toEqual({
    id: '7',
    fields: { name: 'A', note: null, level: 2, changed_at: '2026-03-01T00:00:00.000Z' },
    attributes: '{"colour":"red","tags":[1,null]}',
    tenantId: '3',
  });
});

test('a record from CSV gives the same as one from JSON', () => {
  const csv = accepted({
    id: '7',
    name: 'A',
    note: null,
    level: '-2',
    changed_at: '2026-03-01',
    tenant_id: '3',
  });
  expect(csv).toEqual(accepted({ id: 7, name: 'A', level: -2, changed_at: '2026-03-01', tenant_id: 3 }));
});

test('tells all problems at once, without any value', () => {
  expect(
    problems({ id: [1], name: null, level: 'secret', note: { a: 'secret' }, changed_at: 'secret' }),
  ).toBe(
    'id: expected text or a whole number, got a list; name: required; note: expected text, got an object; ' +
      'level: expected a whole number, got text; ' +
      'changed_at: expected an ISO 8601 date or time such as 2026-03-01T09:30:00Z',
  );
});

test.each([
  ['x', 'x'],
  [' 007 ', ' 007 '],
  [0, '0'],
  [-5, '-5'],
  [9007199254740993n, '9007199254740993'],
  ['é'.repeat(1024), 'é'.repeat(1024)],
])('the id %o is kept as %o', (id, kept) => {
  expect(accepted({ id, name: 'A' }).id).toBe(kept);
});

test.each([
  [undefined, 'id: required'],
  [null, 'id: required'],
  ['', 'id: required'],
  ['  ', 'id: required'],
  [1.5, 'id: a number with a fraction or exponent is not exact; write it in quotes'],
  [1e20, 'id: a number with a fraction or exponent is not exact; write it in quotes'],
  [true, 'id: expected text or a whole number, got true or false'],
  [{}, 'id: expected text or a whole number, got an object'],
  ['x'.repeat(1025), 'id: longer than 1,024 characters'],
  ['漢'.repeat(1000), 'id: longer than 2,048 bytes'],
])('the id %o is refused', (id, problem) => {
  expect(problems({ id, name: 'A' })).toBe(problem);
});

test.each([
  ['', null],
  [null, null],
  [undefined, null],
  ['  ', '  '],
  ['null', 'null'],
  [12.5, '12.5'],
  [9007199254740993n, '9007199254740993'],
])('the optional text %o becomes %o', (note, kept) => {
  expect(accepted({ id: 1, name: 'A', note }).fields['note']).toBe(kept);
});

test.each([
  [true, 'note: expected text, got true or false'],
  [['a'], 'note: expected text, got a list'],
])('the text %o is refused', (note, problem) => {
  expect(problems({ id: 1, name: 'A', note })).toBe(problem);
});

test.each([undefined, null, '', ' \n'])('a required text of %o is missing', (name) => {
  expect(problems({ id: 1, name })).toBe('name: required');
});

test.each([
  [3, 3],
  ['3', 3],
  [' +3 ', 3],
  ['-2147483648', -2147483648],
  [2147483647, 2147483647],
  ['', null],
  [' ', null],
])('the integer %o becomes %o', (level, kept) => {
  expect(accepted({ id: 1, name: 'A', level }).fields['level']).toBe(kept);
});

test.each([
  [2147483648, 'level: expected a whole number from -2147483648 to 2147483647'],
  ['-2147483649', 'level: expected a whole number from -2147483648 to 2147483647'],
  [12345678901234567890n, 'level: expected a whole number from -2147483648 to 2147483647'],
  [3.5, 'level: expected a whole number, got a fraction'],
  ['3.0', 'level: expected a whole number, got text'],
  ['0x10', 'level: expected a whole number, got text'],
  [true, 'level: expected a whole number, got true or false'],
])('the integer %o is refused', (level, problem) => {
  expect(problems({ id: 1, name: 'A', level })).toBe(problem);
});

test('a timestamp that is no text is refused with what it is', () => {
  expect(problems({ id: 1, name: 'A', changed_at: 1767225600 })).toBe(
    'changed_at: expected an ISO 8601 date or time such as 2026-03-01T09:30:00Z, got a number',
  );
});

test('fields of an attributes object join the unknown ones, which win', () => {
  const record = { id: 1, name: 'A', size: 1, attributes: { size: 2, shape: 'round', name: 'kept' } };
  expect(JSON.parse(accepted(record).attributes)).toEqual({ size: 1, shape: 'round', name: 'kept' });
  expect(accepted({ id: 1, name: 'A', attributes: 'plain text' }).attributes).toBe(
    '{"attributes":"plain text"}',
  );
  expect(accepted({ id: 1, name: 'A', attributes: null }).attributes).toBe('{}');
});

test('attributes are kept to the last digit', () => {
  const record = { id: 1, name: 'A', parent: 9007199254740993n, nothing: null, empty: '' };
  expect(accepted(record).attributes).toBe('{"parent":9007199254740993,"nothing":null,"empty":""}');
});

test('names of the object prototype are fields like others', () => {
  const record = JSON.parse('{"id":1,"name":"A","__proto__":{"note":"x"},"constructor":"c"}') as Record<
    string,
    unknown
  >;
  const { fields, attributes } = accepted(record);
  expect(fields['note']).toBeNull();
  expect(attributes).toBe('{"__proto__":{"note":"x"},"constructor":"c"}');
  const odd = createRecordValidator([{ name: 'toString', type: 'text', required: true }]);
  expect(odd({ id: 1 })).toEqual({ problems: 'toString: required' });
});

test('a tenant is text or a whole number', () => {
  expect(accepted({ id: 1, name: 'A', tenant_id: 'acme' }).tenantId).toBe('acme');
  expect(accepted({ id: 1, name: 'A', tenant_id: '' }).tenantId).toBeNull();
  expect(problems({ id: 1, name: 'A', tenant_id: false })).toBe(
    'tenant_id: expected text or a whole number, got true or false',
  );
});

test('every ready-made entity accepts a record of its required fields alone', () => {
  for (const { record } of READY_MADE_ENTITIES) {
    const required = (record ?? []).filter((field) => field.required).map((field) => [field.name, 'x']);
    const result = createRecordValidator(record ?? [])({ id: 1, ...Object.fromEntries(required) });
    expect(result).toMatchObject({ id: '1', attributes: '{}', tenantId: null });
  }
});

test.each([true, 'true', 'TRUE', 1, '1'])(
  'takes deleted: %j as the end of the row, whatever else is there',
  (deleted) => {
    expect(validate({ id: 7, deleted, tenant_id: 3, level: 'nonsense' })).toEqual({
      id: '7',
      fields: {},
      attributes: '{}',
      tenantId: '3',
      deleted: true,
    });
  },
);

test.each([false, 'false', 0, '0', '', null])('takes deleted: %j as nothing said', (deleted) => {
  const record = accepted({ id: 7, name: 'A', deleted });
  expect(record).not.toHaveProperty('deleted');
  expect(record.attributes).toBe('{}');
});

test('does not guess what else deleted may mean', () => {
  expect(problems({ id: 7, name: 'A', deleted: '2026-01-01' })).toBe(
    'deleted: expected true or false, got text',
  );
  expect(problems({ id: 7, name: 'A', deleted: ['x'] })).toBe('deleted: expected true or false, got a list');
  expect(problems({ deleted: true })).toBe('id: required');
});
