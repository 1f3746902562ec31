import type { ConfigPath, Problem } from './problem.ts';

const EXPECTED = 'expected text, a number, a list or a section';

/**
 * Copies a value as plain objects, lists and scalars, so that it can be changed and holds nothing that only
 * looks like a section. Keys whose value is `undefined` are left out. What is neither (a class instance, a value
 * that contains itself) is left out and reported.
 */
export function plainValue(value: unknown): { value: unknown; problems: Problem[] } {
  const problems: Problem[] = [];
  return { value: copy(value, [], [], problems), problems };
}

function copy(value: unknown, path: ConfigPath, parents: readonly object[], problems: Problem[]): unknown {
  const leaveOut = (message: string) => {
    problems.push({ path, message });
    return undefined;
  };
  if (value === null || value === undefined || isScalar(value)) return value;
  if (typeof value !== 'object') return leaveOut(`${EXPECTED}, got a ${typeof value}`);
  if (parents.includes(value)) return leaveOut('contains itself');
  const inner = [...parents, value];
  if (Array.isArray(value)) return value.map((item, index) => copy(item, [...path, index], inner, problems));
  if (!isPlain(value)) return leaveOut(`${EXPECTED}, got a ${value.constructor.name}`);
  const result: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__')
      problems.push({ path: [...path, key], message: 'is not a name that can be used' });
    else if (item !== undefined) result[key] = copy(item, [...path, key], inner, problems);
  }
  return result;
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A script may be evaluated in a realm of its own, whose Object.prototype is another object.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
