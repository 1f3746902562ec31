/** Markup that goes into a page as it is: made by {@link html}, or a constant of the source. */
export interface Html {
  readonly markup: string;
}

export type HtmlValue = string | number | Html | readonly Html[];

/** A tagged template: whatever is put in is escaped, unless it is markup itself. */
export function html(parts: TemplateStringsArray, ...values: HtmlValue[]): Html {
  const markup = parts.reduce((text, part, index) => {
    const value = values[index - 1];
    return text + (value === undefined ? '' : markupOf(value)) + part;
  });
  return { markup };
}

function markupOf(value: HtmlValue): string {
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value));
  return 'markup' in value ? value.markup : value.map(({ markup }) => markup).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and quoted attributes. Control characters, which no page may hold, become a replacement character. */
function escapeHtml(text: string): string {
  return text
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
    .replaceAll(/[\p{Cc}\p{Surrogate}]/gu, (character) => (/\s/.test(character) ? ' ' : '\uFFFD'));
}
