import { isAbsolute, relative } from 'node:path';

/** An absolute path as people want to read it: relative to the working directory where that is shorter. */
export function shownFile(path: string, workingDirectory: string): string {
  const fromHere = relative(workingDirectory, path);
  if (fromHere === '') return '.';
  return isAbsolute(fromHere) || fromHere.length > path.length ? path : fromHere;
}
