import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FIXTURES, projectRecords, quickest } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

describe(`records from files, ${quickest.name}`, () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await quickest.create();
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  it('a file that cannot be read as a whole is one sentence, and the good file before it is not loaded', async () => {
    await workspace.write('projects.ndjson', projectRecords(3));
    await workspace.write('empty.ndjson', '');
    await workspace.write('blank.csv', '\n \n\n');
    await workspace.write('binary.ndjson', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0xff, 0xfe, 7, 0]));
    await mkdir(join(workspace.folder, 'folder'));
    const wrong: [string, string, string][] = [
      ['empty.ndjson', 'record_file_empty', 'empty.ndjson has no records (--from)'],
      ['blank.csv', 'record_file_empty', 'blank.csv has no records (--from)'],
      ['binary.ndjson', 'record_file_not_text', 'binary.ndjson is not UTF-8 text (--from)'],
      ['folder', 'record_file_is_folder', 'folder is a folder (--from)'],
      ['missing.ndjson', 'record_file_missing', 'missing.ndjson does not exist (--from)'],
      ['none-*.csv', 'record_glob_no_match', 'no file matches none-*.csv (--from)'],
    ];
    const ended = await Promise.all(
      wrong.slice(0, quickest.isEmbedded ? 0 : 3).map(([file]) => runBoth(file)),
    );
    // The embedded database takes one process at a time.
    for (const [file] of wrong.slice(ended.length)) ended.push(await runBoth(file));
    for (const [index, [, code, message]] of wrong.entries()) {
      expect(ended[index]).toMatchObject({
        exitCode: 2,
        entities: [],
        failures: [],
        error: { code, message },
      });
      expect(ended[index]?.stderr.split('\n')[0]).toBe(`vecpipe sync: ${message}`);
    }
    const [{ count } = { count: -1 }] = await workspace.sql<{ count: number }>(
      'select (select count(*) from vecpipe.projects) + (select count(*) from vecpipe.queue) as count',
    );
    expect(count).toBe(0);
  });

  it('a file that turns out to be cut off keeps what was read before, and tells how much that is', async () => {
    const whole = gzipSync(projectRecords(5_000));
    await writeFile(join(workspace.folder, 'cut.ndjson.gz'), whole.subarray(0, whole.length / 2));
    const { exitCode, error, entities } = await runBoth('cut.ndjson.gz');
    const message = 'cut.ndjson.gz is cut off: its gzip data ends too early (--from)';
    expect({ exitCode, error }).toMatchObject({ exitCode: 2, error: { code: 'record_file_gzip', message } });
    const inserted = entities[0]?.inserted ?? 0;
    expect(inserted).toBeGreaterThan(500);
    expect(
      await workspace.sql(
        `select (select count(*) from vecpipe.projects) as rows, (select count(*) from vecpipe.queue) as queued`,
      ),
    ).toEqual([{ rows: inserted, queued: inserted }]);
    await workspace.sql('delete from vecpipe.queue', 'delete from vecpipe.projects');
  });

  function runBoth(file: string) {
    return workspace.json(['sync', '--entity', 'projects', '--from', 'projects.ndjson', file]);
  }

  it('a file has to say what it holds, and records of an own table come from nowhere else', async () => {
    await workspace.write('project.ndjson', projectRecords(1));
    const nameless = await workspace.run(['sync', '--from', 'project.ndjson']);
    expect(nameless).toMatchObject({ exitCode: 2, stdout: '' });
    expect(nameless.stderr).toContain('project.ndjson (--from) does not say by its name which entity');
    expect(nameless.stderr).toContain('did you mean --entity projects?');

    await workspace.write(
      'own.yaml',
      `tenants: { "${workspace.tenant}": }\nentities: { notes: { table: notes, text: "{{ body }}" } }\n`,
    );
    const own = await workspace.run([
      'sync',
      '--config',
      'own.yaml',
      '--from',
      'project.ndjson',
      '--entity',
      'notes',
    ]);
    expect(own).toMatchObject({ exitCode: 2, stdout: '' });
    expect(own.stderr).toContain('entity notes is read from a table or query of your own');
  });

  it('bad records are set aside with their lines, the good ones are in, and the exit code says so', async () => {
    const bad = join(FIXTURES, 'bad-projects.ndjson');
    const report = await workspace.json(['sync', '--from', bad, '--entity', 'projects']);
    const lines = (await readFile(bad, 'utf8')).split('\n');
    const broken = lines.flatMap((line, index) =>
      line === '' || /"GOOD"|"LAST"/.test(line) ? [] : [index + 1],
    );
    expect(report).toMatchObject({ exitCode: 1, error: null });
    expect(report.failures.map(({ key }) => key)).toEqual(broken.map((line) => `${bad}:${line}`));
    expect(report.entities[0]).toMatchObject({ inserted: 2, queued: 2, failed: broken.length });
    expect(report.stderr).toMatch(/bad-projects\.ndjson:2: .* \(invalid_json\)$/m);
    expect(report.stderr).toContain(`… and ${broken.length - 10} more failures`);
    // A report must never repeat what a row holds.
    expect(report.stderr + JSON.stringify(report.failures)).not.toMatch(/A comma too many|Latin-1|yesterday/);
    const rows = await workspace.sql<{ key: string }>('select key from vecpipe.projects order by id');
    expect(rows.map(({ key }) => key)).toEqual(['GOOD', 'LAST']);
  });

  it('huge, odd and empty values come through, what cannot be kept is named', async () => {
    const long = 'The shop takes orders and payments. '.repeat(30_000);
    const records = [
      { id: 'huge', key: 'HUGE', name: 'Too large', description: 'x'.repeat(5 * 1024 * 1024) },
      { id: 'long', key: 'LONG', name: 'Just long', description: long },
      { id: 'emoji', key: 'EMOJI', name: '🎉 Party 👩🏽‍💻', description: 'Celebrates releases with confetti' },
      { id: 'null', key: 'NULL', name: 'Nothing known', description: null, lead: null, url: null },
      { id: 'odd', key: 'ODD', name: 'Unknown fields', extra: { deep: [1, '2', null] } },
    ].map((record) => Buffer.from(`${JSON.stringify(record)}\n`));
    records.splice(2, 0, Buffer.from('{"id":"latin","key":"LATIN","name":"Caf\xe9"}\n', 'latin1'));
    await workspace.write('projects.ndjson.gz', Buffer.concat(records));
    const synced = await workspace.json(['sync', '--from', 'projects.ndjson.gz']);
    expect(synced).toMatchObject({ exitCode: 1, error: null });
    expect(synced.failures.map(({ key, code }) => [key, code])).toEqual([
      ['projects.ndjson.gz:1', 'record_too_large'],
      ['projects.ndjson.gz:3', 'invalid_utf8'],
    ]);
    expect(synced.entities[0]).toMatchObject({ inserted: 4, failed: 2 });

    const vectorized = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(vectorized).toMatchObject({ exitCode: 0, error: null, failures: [] });
    expect(vectorized.entities[0]).toMatchObject({ stored: 6, pending: 0, failed: 0 });
    const explained = await workspace.json<{
      rows: { row: { chunks: unknown[]; label: string; payload: object } }[];
    }>(['explain', 'long', '--entity', 'projects']);
    expect(explained.rows[0]?.row).toMatchObject({ label: 'LONG' });
    const found = await workspace.json<{ results: { key: string; payload: { name: string } }[] }>([
      'search',
      'celebrate with confetti',
      '--entity',
      'projects',
    ]);
    expect(found.results[0]).toMatchObject({ key: 'emoji', payload: { name: '🎉 Party 👩🏽‍💻', lead: null } });
    expect(await workspace.sql(`select attributes from vecpipe.projects where id = 'odd'`)).toEqual([
      { attributes: { extra: { deep: [1, '2', null] } } },
    ]);
  });

  it('a text that the model knows no word of fails alone, rests with its reason, and comes back when asked', async () => {
    await workspace.write('projects.ndjson', `{"id":"snow","key":"SNOW","name":"☃☃"}\n${projectRecords(2)}`);
    await workspace.run(['sync', '--from', 'projects.ndjson', '--quiet']);
    const first = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(first).toMatchObject({ exitCode: 1, error: null });
    expect(first.failures).toMatchObject([{ entity: 'projects', key: 'snow', code: 'no_known_token' }]);
    expect(first.entities[0]).toMatchObject({ stored: 2, failed: 1, pending: 1 });
    expect(first.stderr).toMatch(/^Failed projects snow: .* \(no_known_token\)$/m);
    // It rests: nobody tries it again unasked, and nobody is told that all is well.
    const second = await workspace.json(['vectorize', '--entity', 'projects', '--log-format', 'json']);
    expect(second).toMatchObject({ exitCode: 1, failures: [{ key: 'snow' }] });
    expect(second.entities[0]).toMatchObject({ embedded: 0, failed: 1 });
    const status = await workspace.run(['status', '--entity', 'projects']);
    expect(status.exitCode).toBe(0);
    expect(status.stdout).toMatch(/no_known_token +1 +snow$/m);

    await workspace.sql(`update vecpipe.projects set name = 'A snowman' where id = 'snow'`);
    const third = await workspace.json(['vectorize', '--entity', 'projects', '--retry-failed']);
    expect(third).toMatchObject({ exitCode: 0, failures: [] });
    expect(third.entities[0]).toMatchObject({ embedded: 1, stored: 1, failed: 0, pending: 0 });
  });
});
