/**
 * Reads an array as Postgres writes it, nested ones too, https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 * Elements are separated by commas, which holds for every type but `box`.
 */
export function parseArrayText(text: string, parseElement: (element: string) => unknown): unknown[] {
  // Bounds other than 1 stand in front: `[0:2]={a,b,c}`.
  const start = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  const outer: unknown[] = [];
  const open: unknown[][] = [outer];
  let position = start;
  while (position < text.length) {
    const character = text[position];
    const innermost = open.at(-1) ?? outer;
    if (character === '{') {
      const inner: unknown[] = [];
      innermost.push(inner);
      open.push(inner);
      position += 1;
    } else if (character === '}') {
      open.pop();
      position += 1;
    } else if (character === ',') {
      position += 1;
    } else if (character === '"') {
      const end = endOfQuoted(text, position);
      innermost.push(parseElement(text.slice(position + 1, end).replaceAll(/\\(.)/gs, '$1')));
      position = end + 1;
    } else {
      const end = endOfBare(text, position);
      const element = text.slice(position, end);
      innermost.push(element === 'NULL' ? null : parseElement(element));
      position = end;
    }
  }
  return (outer[0] ?? []) as unknown[];
}

function endOfQuoted(text: string, start: number): number {
  let position = start + 1;
  while (text[position] !== '"') position += text[position] === '\\' ? 2 : 1;
  return position;
}

function endOfBare(text: string, start: number): number {
  let position = start;
  while (position < text.length && text[position] !== ',' && text[position] !== '}') position += 1;
  return position;
}
