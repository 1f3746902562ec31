import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { ENVIRONMENT_VARIABLES, readEnvironment, readVariable } from './env.ts';

describe('readEnvironment', () => {
  it('counts empty and blank values as unset, and drops white space around a value', () => {
    const environment = readEnvironment({ DATABASE_URL: '', QDRANT_URL: '  ', QDRANT_API_KEY: 'key\n' });
    expect(environment).toEqual({
      databaseUrl: null,
      qdrantUrl: null,
      qdrantApiKey: 'key',
      openaiBaseUrl: null,
      openaiApiKey: null,
      hubUrl: null,
      hubToken: null,
      home: null,
      configFile: null,
    });
  });

  it.each([
    ['DATABASE_URL', 'mysql://user:hunter2@host/app'],
    ['DATABASE_URL', 'postgres://user:hunter2/@host/app'],
    ['QDRANT_URL', 'grpc://user:hunter2@host'],
    ['OPENAI_BASE_URL', 'user:hunter2@host'],
    ['HF_ENDPOINT', 'user:hunter2@host'],
  ])('names %s when it is wrong, and never its value', (name, value) => {
    let error: unknown;
    try {
      readEnvironment({ [name]: value });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(VecpipeError);
    expect(error).toMatchObject({ family: 'usage', code: 'environment_invalid' });
    const { message, hint } = error as VecpipeError;
    expect(message).toContain(name);
    expect(message + hint).not.toContain('hunter2');
  });
});

describe('readVariable', () => {
  it('reads a variable by name', () => {
    expect(readVariable({ KEY: ' x ' }, 'KEY')).toBe('x');
    expect(readVariable({}, 'KEY')).toBeNull();
  });
});

describe('ENVIRONMENT_VARIABLES', () => {
  it('is the table of docs/configuration.md', () => {
    const documentation = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    const cells = documentation
      .split('\n')
      .filter((line) => /^\| `[A-Z_]+` /.test(line))
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .map(([, name, overrides, meaning]) => ({ name, overrides, meaning }));
    expect(cells).toEqual(
      ENVIRONMENT_VARIABLES.map(({ name, overrides, meaning }) => ({
        name: `\`${name}\``,
        overrides: overrides === null ? '' : `\`${overrides}\``,
        meaning,
      })),
    );
  });
});
