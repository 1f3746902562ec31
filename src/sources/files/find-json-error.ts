export interface JsonError {
  /** Zero-based offset, in UTF-16 code units, of the first character that cannot be part of JSON. */
  position: number;
  /** What is wrong there, without what stands there. */
  problem: string;
}

type Expectation =
  'value' | 'element or end' | 'name' | 'name or end' | 'colon' | 'comma or end' | 'end of text';

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const WHITE_SPACE = ' \t\r\n';
const TOO_SHORT = 'the record ends too early';

/**
 * Where a text stops being JSON (RFC 8259), or null when it is JSON. The messages of `JSON.parse` differ between
 * versions of Node, often name no position, and quote the text; this one is asked only after it has refused.
 */
export function findJsonError(text: string): JsonError | null {
  const open: ('{' | '[')[] = [];
  let expectation: Expectation = 'value';
  let index = 0;
  const fail = (problem: string): JsonError => ({ position: index, problem });
  const afterValue = (): Expectation => (open.length > 0 ? 'comma or end' : 'end of text');

  for (;;) {
    while (index < text.length && WHITE_SPACE.includes(text.charAt(index))) index += 1;
    const character = text.charAt(index);
    if (index >= text.length) return expectation === 'end of text' ? null : fail(TOO_SHORT);
    switch (expectation) {
      case 'end of text':
        return fail('something follows the record');
      case 'colon':
        if (character !== ':') return fail('expected a colon');
        index += 1;
        expectation = 'value';
        break;
      case 'comma or end': {
        const isObject = open.at(-1) === '{';
        if (character === ',') expectation = isObject ? 'name' : 'value';
        else if (character === (isObject ? '}' : ']')) {
          open.pop();
          expectation = afterValue();
        } else return fail(isObject ? "expected ',' or '}'" : "expected ',' or ']'");
        index += 1;
        break;
      }
      case 'name':
      case 'name or end':
        if (character === '}' && expectation === 'name or end') {
          open.pop();
          index += 1;
          expectation = afterValue();
          break;
        }
        if (character !== '"') return fail('expected a field name in double quotes');
        {
          const end = endOfString(text, index);
          if (typeof end !== 'number') return end;
          index = end;
        }
        expectation = 'colon';
        break;
      case 'value':
      case 'element or end': {
        if (character === ']' && expectation === 'element or end') {
          open.pop();
          index += 1;
          expectation = afterValue();
        } else if (character === '{' || character === '[') {
          open.push(character);
          index += 1;
          expectation = character === '{' ? 'name or end' : 'element or end';
        } else {
          const end = character === '"' ? endOfString(text, index) : endOfScalar(text, index);
          if (typeof end !== 'number') return end;
          index = end;
          expectation = afterValue();
        }
        break;
      }
      default:
        expectation satisfies never;
    }
  }
}

function endOfScalar(text: string, start: number): number | JsonError {
  for (const pattern of [NUMBER, LITERAL]) {
    pattern.lastIndex = start;
    if (pattern.test(text)) return pattern.lastIndex;
  }
  return { position: start, problem: 'expected a value' };
}

function endOfString(text: string, start: number): number | JsonError {
  let index = start + 1;
  while (index < text.length) {
    const code = text.charCodeAt(index);
    if (code === 0x22) return index + 1;
    if (code < 0x20) return { position: index, problem: 'a control character inside a text' };
    if (code === 0x5c) {
      ESCAPE.lastIndex = index;
      if (!ESCAPE.test(text)) {
        const isCutOff = text.indexOf('"', index + 1) < 0;
        return isCutOff
          ? { position: text.length, problem: TOO_SHORT }
          : { position: index, problem: 'a backslash that starts no escape' };
      }
      index = ESCAPE.lastIndex;
    } else index += 1;
  }
  return { position: text.length, problem: TOO_SHORT };
}
