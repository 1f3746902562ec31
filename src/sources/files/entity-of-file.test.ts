import { expect, test } from 'vitest';
import { entityOfFile } from './entity-of-file.ts';

const NAMES = ['projects', 'wits', 'statuses', 'work', 'work-items', 'work_items'];

test.each([
  ['projects.ndjson', 'projects'],
  ['export/2026/projects.csv.gz', 'projects'],
  ['projects-2026.ndjson.gz', 'projects'],
  ['projects_eu-west.2026-03.csv', 'projects'],
  ['projects', 'projects'],
  ['work-items.csv', 'work-items'],
  ['work-items-2026.csv', 'work-items'],
  ['work_items.csv', 'work_items'],
  ['work-2026.csv', 'work'],
  ['projectsold.ndjson', null],
  ['my-projects.ndjson', null],
  ['Projects.ndjson', null],
  ['.projects.ndjson', null],
  ['projects/rows.ndjson', null],
  ['-', null],
])('%s holds %s', (path, entity) => {
  expect(entityOfFile(path, NAMES)).toBe(entity);
  expect(entityOfFile(path, NAMES.toReversed())).toBe(entity);
});
