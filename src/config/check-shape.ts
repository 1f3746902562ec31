import type { z } from 'zod';
import { didYouMean } from '../util/did-you-mean.ts';
import { describeIssue } from './describe-issue.ts';
import { isSection } from './is-section.ts';
import { knownKeys } from './known-keys.ts';
import { pathsMeet } from './problem.ts';
import type { ConfigPath, Problem } from './problem.ts';
import { rawConfigSchema } from './schema.ts';
import type { RawConfig } from './schema.ts';

type Issue = z.core.$ZodIssue;

/** More rounds than there are levels in a config: every round removes what the round before complained of. */
const MAX_ROUNDS = 20;

/**
 * Checks a value against the schema and collects every problem. What is wrong is left out of the returned
 * config, so that the rest can still be checked for what its parts mean to each other.
 * @param value plain objects, lists and scalars
 */
export function checkShape(value: unknown): { raw: RawConfig; problems: Problem[] } {
  const problems: Problem[] = [];
  let remaining: unknown = value ?? {};
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const result = rawConfigSchema.safeParse(remaining, { error: describeIssue });
    if (result.success) return { raw: result.data, problems };
    // Sections that became incomplete by a removal are not problems of their own.
    const found = result.error.issues.flatMap((issue) => toProblems(issue, remaining));
    if (round === 0) problems.push(...firstOfEachPath(found));
    const parts = found.map(({ path }) => removablePart(remaining, path));
    for (const part of parts) remaining = without(remaining, part);
  }
  throw new Error('the config could not be reduced to its valid part');
}

function toProblems(issue: Issue, whole: unknown): Problem[] {
  const path = issue.path.map((segment) => (typeof segment === 'number' ? segment : String(segment)));
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path, whole);
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known) }));
  }
  if (issue.code === 'invalid_key')
    return [{ path, message: issue.issues[0]?.message ?? 'is not a valid name' }];
  if (issue.code === 'invalid_union') {
    // The member whose own type was right and only its contents were not has the more useful message.
    const contents = issue.errors.find(
      (issues) => issues.length > 0 && issues.every(({ path }) => path.length > 0),
    );
    if (contents)
      return contents.flatMap((inner) => toProblems({ ...inner, path: [...path, ...inner.path] }, whole));
  }
  return [{ path, message: issue.message }];
}

/** After "expected text, got a list" it does not matter that the list is too short for a text. */
function firstOfEachPath(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter(({ path }) => seen.size < seen.add(JSON.stringify(path)).size);
}

function unknownKey(key: string, known: readonly string[]): string {
  const suggestion = didYouMean(key, known);
  return suggestion === '' ? `unknown key; known here: ${known.join(', ')}` : `unknown key${suggestion}`;
}

/** What to leave out for a problem at a path: a list for its item, a section for a key that it lacks. */
function removablePart(whole: unknown, path: ConfigPath): ConfigPath {
  let value = whole;
  for (const [depth, key] of path.entries()) {
    if (!isSection(value) || !Object.hasOwn(value, key)) return path.slice(0, depth);
    value = value[key];
  }
  return path;
}

/** A copy without the value at a path; the same value where there is none. */
function without(value: unknown, path: ConfigPath): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return {};
  if (!isSection(value) || !Object.hasOwn(value, key)) return value;
  const others = Object.entries(value).filter(([name]) => name !== String(key));
  return Object.fromEntries(rest.length === 0 ? others : [...others, [key, without(value[key], rest)]]);
}

/** Whether a problem only follows from one that is reported already. */
export function isFollowUp(problem: Problem, reported: readonly Problem[]): boolean {
  return reported.some(({ path }) => pathsMeet(path, problem.path));
}
