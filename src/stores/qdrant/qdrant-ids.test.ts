import { expect, test } from 'vitest';
import { idJson, idsJson, isIdBefore, quoteLongIds } from './qdrant-ids.ts';

const uuid = '00000000-0000-4000-8000-000000000000';

test('numbers are written with all their digits, UUIDs as text', () => {
  expect(idsJson(['0', '18446744073709551615', uuid])).toBe(`[0,18446744073709551615,"${uuid}"]`);
  expect(idsJson([])).toBe('[]');
  expect(idJson('7"')).toBe(String.raw`"7\""`);
});

test('numbers come before UUIDs, in the order of their values', () => {
  const ids = ['0', '2', '10', '9007199254740993', '18446744073709551615', uuid, uuid.replace('4', 'a')];
  for (const [index, id] of ids.entries()) {
    for (const [other, otherId] of ids.entries()) expect(isIdBefore(id, otherId)).toBe(index < other);
  }
});

test('ids that would be rounded are quoted, and nothing that is text', () => {
  const text = `[{"id":18446744073709551615,"payload":{"a":"{\\"id\\":18446744073709551615,"}},{"id":7}]`;
  expect(JSON.parse(quoteLongIds(text))).toEqual([
    { id: '18446744073709551615', payload: { a: '{"id":18446744073709551615,' } },
    { id: 7 },
  ]);
});
