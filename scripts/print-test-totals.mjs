// Closes a CI run with one line that says what the tests came to, from the report that vitest left behind.
import { readFileSync } from 'node:fs';

const report = JSON.parse(
  readFileSync(new URL('../node_modules/.cache/vecpipe/test-report.json', import.meta.url), 'utf8'),
);
// A file that does not even load has failed without a test of its own.
const brokenFiles = report.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.length === 0,
);
const failed = report.numFailedTests + brokenFiles.length;
console.log(
  `${report.numPassedTests} passed, ${failed} failed, ${report.numPendingTests + report.numTodoTests} skipped`,
);
