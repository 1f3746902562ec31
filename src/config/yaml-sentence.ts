import type { YAMLError } from 'yaml';

type ErrorCode = YAMLError['code'];

/** Where the code alone says enough. */
const SENTENCES: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: 'a value that begins with * or & must be in quotes',
  BAD_DQ_ESCAPE:
    'a backslash in double quotes begins an escape that does not exist; write \\\\, or use single quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a value holds ": ", or a line is indented too far; put the value in quotes or align the line',
  BLOCK_IN_FLOW: 'a comma, a bracket or a quote is missing',
  MULTILINE_IMPLICIT_KEY: 'a key goes over several lines; is the space after a ":" missing?',
  MULTIPLE_DOCS: 'a second document begins here; a config is one document',
  RESOURCE_EXHAUSTION: 'this is nested too deeply',
  TAB_AS_INDENT: 'a tab is used for indentation; use spaces',
};

/**
 * A YAML or JSON syntax error as a plain sentence part. The text of the file is not repeated, which may hold a
 * password, except for the one character where the parser stopped.
 *
 * @param character the one at the error's position; empty at the end of the file
 */
export function yamlSentence(error: YAMLError, character: string, isJson: boolean): string {
  const missing = /end with a ([\]}])/.exec(error.message)?.[1];
  if (missing !== undefined) return `a closing ${missing} is missing`;
  switch (error.code) {
    case 'NON_STRING_KEY':
      return character === '{'
        ? 'a value that begins with {{ must be in quotes, such as "{{ name }}"'
        : 'a key must be text';
    case 'BAD_SCALAR_START':
      return `a value that begins with ${character} must be in quotes`;
    case 'BAD_INDENT':
      return 'this line is not indented like the ones above it';
    case 'MISSING_CHAR':
      if (/closing/.test(error.message)) return 'a closing quote is missing';
      return /map values/.test(error.message) ? 'a ":" after a key is missing' : 'a "," is missing';
    case 'TAG_RESOLVE_FAILED':
      return isJson
        ? 'text must be in double quotes'
        : 'a value cannot begin with a tag such as !name; put it in quotes';
    case 'UNEXPECTED_TOKEN':
      return /[\]}]/.test(character)
        ? `this ${character} closes nothing`
        : 'a value has ended before this; is a quote or a comma missing?';
    default:
      return SENTENCES[error.code] ?? `this is not ${isJson ? 'JSON' : 'YAML'}`;
  }
}
