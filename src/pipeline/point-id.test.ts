import { expect, test } from 'vitest';
import { pointId } from './point-id.ts';

test('the id of a point never changes: another one would leave the old point behind', () => {
  expect(pointId('1', 'projects', '17', 0)).toBe('ef718a1f-e78a-5b0e-b078-910732652d70');
  expect(pointId('1', 'projects', 'a/b~😀', 12)).toBe('98189241-0cd2-5d7f-850c-44013097a507');
});

test('every row and chunk has its own, also where the parts joined would read the same', () => {
  const ids = [
    pointId('1', 'a', 'b', 0),
    pointId('1', 'a', 'b', 1),
    pointId('1', 'a', 'b0', 0),
    pointId('1', 'ab', '', 0),
    pointId('1a', '', 'b', 0),
    pointId('1', 'a","b', '', 0),
  ];
  expect(new Set(ids).size).toBe(ids.length);
});
