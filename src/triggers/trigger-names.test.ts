import { expect, test } from 'vitest';
import { functionName, triggerName } from './trigger-names.ts';

test('names say what they belong to', () => {
  expect(functionName('articles')).toBe('queue_rows_articles');
  expect(triggerName('articles', 'truncate')).toBe('vecpipe_articles_truncate');
});

test('names of long entities fit into an identifier and stay apart', () => {
  const long = 'x'.repeat(63);
  const names = [`${long}1`, `${long}2`].flatMap((entity) => [
    functionName(entity),
    triggerName(entity, 'truncate'),
  ]);
  expect(new Set(names).size).toBe(4);
  expect(Math.max(...names.map((name) => name.length))).toBeLessThanOrEqual(63);
});
