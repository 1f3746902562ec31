import type { z } from 'zod';
import { didYouMean } from '../util/did-you-mean.ts';
import { isSection } from './is-section.ts';
import { shownText } from './shown-text.ts';

type RawIssue = z.core.$ZodRawIssue;

/** Written for the person who wrote the file; zod asks for each issue whose schema has no message of its own. */
export function describeIssue(issue: RawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return expectedButGot(typeName(String(issue.expected)), issue.input);
    case 'invalid_union':
      return describeKind(issue);
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return 'must not be empty';
      return `must be at least ${issue.minimum}, got ${String(issue.input)}`;
    case 'too_big':
      return `must be at most ${issue.maximum}, got ${String(issue.input)}`;
    default:
      return 'is not valid';
  }
}

function describeKind(issue: RawIssue & { code: 'invalid_union' }): string {
  const kinds = ('options' in issue && Array.isArray(issue.options) ? issue.options : []).map(String);
  const written = isSection(issue.input) ? issue.input['kind'] : undefined;
  const expected = kinds.length === 1 ? kinds.join('') : `one of ${kinds.join(', ')}`;
  if (typeof written !== 'string') return expectedButGot(expected, written);
  return `expected ${expected}, got ${shownText(written)}${didYouMean(written, kinds)}`;
}

function expectedButGot(expected: string, input: unknown): string {
  return input === undefined
    ? `missing; expected ${expected}`
    : `expected ${expected}, got ${shownType(input, expected)}`;
}

function typeName(zodType: string): string {
  const names: Record<string, string> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a section',
    record: 'a section',
  };
  return names[zodType] ?? zodType;
}

/** The type of what was written; its value only where that is a number or a truth value in place of a word. */
function shownType(input: unknown, expected: string): string {
  if (input === null) return 'nothing';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a section';
  if (typeof input === 'string') return 'text';
  if (typeof input === 'number') return expected === 'a section' ? 'a number' : `number ${input}`;
  return typeof input === 'boolean' ? String(input) : `a ${typeof input}`;
}
