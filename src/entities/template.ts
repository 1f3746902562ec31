import { Liquid, type Template } from 'liquidjs';
import { errorMessage } from '../util/error-message.ts';

/** A row as the template sees it: column name to JSON value. */
export type RowValues = Record<string, unknown>;

export interface RowTemplate {
  /** Columns that the template reads, without duplicates. */
  readonly columns: readonly string[];
  /**
   * The rendered text, trimmed; empty when every value is.
   * @throws {TemplateValueError} when a value of this row cannot be put into the text
   */
  render(row: RowValues): string;
}

/** The template is wrong whatever the row: its text says where, without a file name. */
export class TemplateSyntaxError extends Error {
  override readonly name = 'TemplateSyntaxError';
}

/** One row's values do not fit the template. The message carries no value. */
export class TemplateValueError extends Error {
  override readonly name = 'TemplateValueError';
}

// No file is ever included, dates do not depend on the machine's time zone, and a loop cannot eat the run.
const engine = new Liquid({
  strictFilters: true,
  ownPropertyOnly: true,
  templates: {},
  timezoneOffset: 0,
  renderLimit: 2_000,
  memoryLimit: 100_000_000,
  outputEscape: printable,
});

/** Parses a Liquid template. @throws {TemplateSyntaxError} */
export function compileTemplate(source: string): RowTemplate {
  let parsed: Template[];
  let columns: string[];
  try {
    parsed = engine.parse(source);
    columns = engine.globalVariablesSync(parsed);
  } catch (error) {
    throw new TemplateSyntaxError(errorMessage(error), { cause: error });
  }
  return {
    columns,
    render(row) {
      try {
        return String(engine.renderSync(parsed, row)).trim();
      } catch (error) {
        throw new TemplateValueError(reasonOf(error), { cause: error });
      }
    },
  };
}

/** What `{{ … }}` prints. Text that only looks right, such as `[object Object]`, would be embedded unnoticed. */
function printable(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return String(value);
    throw new TemplateValueError('the template prints a number that is not finite');
  }
  if (Array.isArray(value)) return value.map((each) => printable(each)).join(', ');
  throw new TemplateValueError('the template prints an object: name one of its fields, or add `| json`');
}

function reasonOf(error: unknown): string {
  const original = error instanceof Error && 'originalError' in error ? error.originalError : undefined;
  if (original instanceof TemplateValueError) return original.message;
  const message = errorMessage(error);
  if (message.includes('limit exceeded')) return 'rendering this row takes too much time or memory';
  // Liquid's other messages may quote the value.
  return `the template cannot be rendered for this row (${error instanceof Error ? error.name : 'error'})`;
}
