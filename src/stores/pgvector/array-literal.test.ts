import { expect, test } from 'vitest';
import { parseArrayText } from '../../db/array-text.ts';
import { jsonTextArray, plainTextArray } from './array-literal.ts';

test('Postgres reads the JSON texts back as they were', () => {
  const jsons = [
    JSON.stringify({ text: 'quotes " \' ` \\ tab\t line\n NUL\u0000 🦊 \u2028 lone \ud800', 'k"ey\\': [] }),
    '""',
    'null',
  ];
  expect(parseArrayText(jsonTextArray(jsons), (element) => element)).toEqual(jsons);
});

test('and plain texts', () => {
  expect(parseArrayText(plainTextArray(['{1,-2}', '{3,4}']), (element) => element)).toEqual([
    '{1,-2}',
    '{3,4}',
  ]);
  expect(plainTextArray([])).toBe('{}');
});
