import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startInTerminal } from '../helpers/run-vecpipe.ts';
import { projectRecords, quickest } from '../helpers/workspace.ts';

/** From util-linux; other systems have a program of that name with other options. */
const hasScript = process.platform === 'linux' && existsSync('/usr/bin/script');
if (!hasScript) console.warn('skipped: vecpipe in a terminal, because there is no `script` of util-linux');

const HIDE_CURSOR = '\u001B[?25l';
const SHOW_CURSOR = '\u001B[?25h';

describe.skipIf(!hasScript)(`in a terminal, ${quickest.name}`, () => {
  it('shows progress, gives the cursor back, and stops at Ctrl-C', async () => {
    await using workspace = await quickest.create();
    await workspace.write('projects.ndjson', projectRecords(300));
    const start = (args: readonly string[], size: string) =>
      startInTerminal([...args, '--tenant', workspace.tenant], size, {
        cwd: workspace.folder,
        environment: workspace.environment,
      });

    // Terminals that were given no size exist: in containers, over ssh, under tools like this one.
    const sizeless = await start(['sync', '--from', 'projects.ndjson'], 'cols 0 rows 0').ended;
    expect(sizeless).toMatchObject({ exitCode: 0 });
    expect(sizeless.stdout).toBe(
      'Inserted 300 projects\r\nQueued 300 projects entities for vectorization\r\n',
    );

    const slow = ['vectorize', '--entity', 'projects', '--batch-size', '2', '--concurrency', '1'];
    const stopped = start(slow, 'cols 100 rows 20');
    await stopped.stdoutHas(/ \d+\/300 rows \| /);
    stopped.write('\u0003');
    const { exitCode, stdout } = await stopped.ended;
    expect(exitCode).toBe(130);
    expect(stdout).toContain('vecpipe vectorize: stopped by SIGINT\r\n  the same command resumes\r\n');
    expect(stdout).toContain(HIDE_CURSOR);
    expect(stdout.lastIndexOf(SHOW_CURSOR)).toBeGreaterThan(stdout.lastIndexOf(HIDE_CURSOR));
    expect(stdout).not.toContain('NFs');

    const resumed = await start([...slow.slice(0, 3), '--no-progress'], 'cols 100 rows 20').ended;
    expect(resumed.exitCode).toBe(0);
    expect(resumed.stdout).toMatch(/^projects of tenant \S+: \d+ stored, .*\r\n$/m);
    expect(resumed.stdout).not.toContain('\u001B');
  });
});
