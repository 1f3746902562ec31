import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { EXIT_CODES, FAMILY_EXIT_CODES } from '../../src/cli/exit-codes.ts';
import type { ErrorFamily } from '../../src/errors/vecpipe-error.ts';
import { readSourceCodes } from '../helpers/source-codes.ts';

const readPage = (name: string) => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** Cells of every table row of a page whose first cell is a value, headers left out. */
async function tableRows(name: string): Promise<string[][]> {
  const lines = (await readPage(name)).split('\n');
  return lines
    .filter((line) => /^\| (?:`[a-z0-9_]+`|\d+) /.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

describe('docs/exit-codes.md', () => {
  it('has every exit code in the words of the program', async () => {
    expect(await tableRows('exit-codes.md')).toEqual(
      Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning]),
    );
  });
});

describe('docs/errors.md', () => {
  /** Codes that are not an error's own: their exit code is that of the run. */
  const EXIT_CODES_OF_RUNS: Record<string, string> = { wrong_usage: '2', interrupted: '', bug: '70' };

  it('has every code of the source with its exit codes, and no other', async () => {
    const documented = new Map(
      (await tableRows('errors.md')).map(([code = '', exit = '']) => [code.slice(1, -1), exit]),
    );
    const used = new Map<string, Set<string>>();
    for (const { code, family, place } of readSourceCodes()) {
      const exit = family === null ? '1' : String(FAMILY_EXIT_CODES[family as ErrorFamily]);
      const names =
        typeof code === 'string' ? [code] : [...documented.keys()].filter((each) => code.test(each));
      expect(names, `${String(code)} (${place}) is not in docs/errors.md`).not.toEqual([]);
      for (const name of names) used.set(name, (used.get(name) ?? new Set()).add(exit));
    }
    const expected = Object.fromEntries(
      [...used].map(([code, exits]) => [code, EXIT_CODES_OF_RUNS[code] ?? [...exits].toSorted().join(', ')]),
    );
    expect(Object.fromEntries(documented)).toEqual(expected);
  });
});
