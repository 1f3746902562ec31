import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { compileTemplate, TemplateSyntaxError } from '../entities/template.ts';
import { usageError } from '../errors/vecpipe-error.ts';
import { waitOrAbort } from '../lifetime/abort.ts';
import type { CallOptions } from '../ports/database.ts';
import { errorMessage } from '../util/error-message.ts';

/** A template to compare. */
export interface TemplateChoice {
  /** What to call it: `own`, the file as it was given, or the start of its text. */
  name: string;
  /** Liquid; null stands for the entity's own. */
  text: string | null;
}

/** The template that the config gives the entity. */
export const OWN_TEMPLATE: TemplateChoice = { name: 'own', text: null };

const NAME_CHARACTERS = 32;

/**
 * Reads what `--template` was given: `own`, a text that holds a Liquid tag, or else the path of a file.
 * @returns in the order given, without repetitions, each with a name of its own
 * @throws {VecpipeError} usage: `template_unreadable`, or `template_invalid` when it is not Liquid
 */
export async function readTemplates(
  given: readonly string[],
  workingDirectory: string,
  { signal }: CallOptions = {},
): Promise<TemplateChoice[]> {
  const choices: TemplateChoice[] = [];
  for (const value of new Set(given)) {
    if (value === OWN_TEMPLATE.name) {
      choices.push(OWN_TEMPLATE);
      continue;
    }
    const isText = /\{[{%]/.test(value);
    const text = isText ? value : await readTemplate(value, workingDirectory, signal);
    const name = uniqueName(isText ? shortened(value) : value, choices);
    checkTemplate(text, name);
    choices.push({ name, text });
  }
  return choices;
}

async function readTemplate(
  path: string,
  workingDirectory: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await waitOrAbort(readFile(resolve(workingDirectory, path)), signal);
  } catch (error) {
    if (signal?.aborted) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw usageError(
      'template_unreadable',
      code === 'ENOENT'
        ? `there is no template file ${path} (--template)`
        : `template file ${path} cannot be read: ${code ?? errorMessage(error)} (--template)`,
      'give a file, or a text with a column in it such as {{ name }}',
      error,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw usageError(
      'template_unreadable',
      `template file ${path} is not UTF-8 text (--template)`,
      'save it as UTF-8',
      error,
    );
  }
}

function checkTemplate(text: string, name: string): void {
  try {
    compileTemplate(text);
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    throw usageError('template_invalid', `--template ${name}: ${error.message}`, undefined, error);
  }
}

function shortened(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
  const characters = Array.from(line);
  return characters.length <= NAME_CHARACTERS
    ? line
    : `${characters.slice(0, NAME_CHARACTERS - 1).join('')}…`;
}

function uniqueName(name: string, choices: readonly TemplateChoice[]): string {
  const isTaken = (candidate: string) => choices.some((choice) => choice.name === candidate);
  let unique = name;
  for (let number = 2; isTaken(unique); number += 1) unique = `${name} (${number})`;
  return unique;
}
