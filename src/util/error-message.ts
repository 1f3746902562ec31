/** The message of anything that was thrown, on one line, without a stack. */
export function errorMessage(error: unknown): string {
  const text = error instanceof Error ? messageOf(error) : String(error);
  return text.replaceAll(/\s+/g, ' ').trim();
}

function messageOf(error: Error): string {
  if (error.message !== '') return error.message;
  // Node's AggregateError of a refused connection (one error per address) has an empty message of its own.
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map((each) => errorMessage(each)).join('; ');
  }
  return error.name;
}
