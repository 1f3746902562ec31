import { expect, test } from 'vitest';
import { errorMessage } from './error-message.ts';

test.each([
  ['the message of an error', new Error('it broke'), 'it broke'],
  ['one line of several', new Error('  it\n  broke \t twice\n'), 'it broke twice'],
  ['the name where there is no message', new TypeError(''), 'TypeError'],
  ['all causes of a joint error', new AggregateError([new Error('a'), new Error('b')], ''), 'a; b'],
  ['the own message of a joint error', new AggregateError([new Error('a')], 'both failed'), 'both failed'],
  ['the name of a joint error without anything', new AggregateError([], ''), 'AggregateError'],
  ['text that was thrown', 'plain', 'plain'],
  ['nothing', undefined, 'undefined'],
])('gives %s', (_name, thrown, expected) => {
  expect(errorMessage(thrown)).toBe(expected);
});
