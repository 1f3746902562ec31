import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRecords, quickest } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

const MODEL = fileURLToPath(new URL('../../fixtures/tiny-model', import.meta.url));

describe(`a local model, ${quickest.name}`, () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await quickest.create();
    await workspace.write('projects.ndjson', projectRecords(60));
  });
  afterAll(() => workspace[Symbol.asyncDispose]());

  const configure = (provider: string) =>
    workspace.write(
      'vecpipe.config.yaml',
      `providers:\n  own: { kind: local, ${provider} }\ntenants:\n  "${workspace.tenant}": { provider: own }\n`,
    );
  const vectorize = () => workspace.json(['vectorize', '--entity', 'projects']);

  it('embeds, finds and ends by itself, quietly', async () => {
    await configure(`model: "${MODEL}"`);
    expect((await workspace.run(['sync', '--from', 'projects.ndjson'])).exitCode).toBe(0);
    const report = await vectorize();
    expect(report).toMatchObject({ exitCode: 0, error: null, failures: [] });
    expect(report.entities[0]).toMatchObject({ embedded: 60, stored: 60 });
    const found = await workspace.json<{ results: { key: string }[] }>([
      'search',
      'Project number 42 Takes orders and payments for part 42 of the shop',
      '--entity',
      'projects',
      '--limit',
      '3',
    ]);
    expect(found.results.map(({ key }) => key)).toContain('42');
    expect(report.stderr + found.stderr).not.toMatch(/onnx|transformers|warn/i);
  });

  it('that is stopped in the middle gives its rows back and ends in time; the next run goes on', async () => {
    await configure(`model: "${MODEL}", workers: 2`);
    await workspace.write('more.ndjson', projectRecords(3000, 1000));
    expect((await workspace.run(['sync', '--from', 'more.ndjson', '--entity', 'projects'])).exitCode).toBe(0);
    const running = workspace.start(['vectorize', '--entity', 'projects', '--batch-size', '20', '--verbose']);
    await running.stderrHas(/Stored point/);
    running.kill('SIGTERM');
    const stopped = await running.ended;
    expect(stopped.exitCode).toBe(143);
    expect(await vectorize()).toMatchObject({ exitCode: 0, error: null });
  });

  it.each([
    ['a folder that is not there', 'model: ./nowhere', 2, 'model_not_found', /nowhere/],
    ['a width that it does not have', `model: "${MODEL}", dimensions: 7`, 2, 'provider_width', /7/],
    [
      'no copy and no network allowed',
      'model: nobody/has-this, offline: true',
      4,
      'model_unavailable',
      /nobody\/has-this/,
    ],
  ])('%s is one sentence with a way out', async (_name, provider, exitCode, code, message) => {
    await configure(provider);
    const report = await vectorize();
    expect(report).toMatchObject({ exitCode, error: { code } });
    expect(report.error?.message).toMatch(message);
    expect(report.error?.message).not.toContain('\n');
    expect(report.error?.hint).toBeTruthy();
    if (code === 'model_unavailable') expect(report.error?.hint).toMatch(/folder.*provider.*static/);
  });
});
