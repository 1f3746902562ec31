import { describe, expect, it } from 'vitest';
import { embedded, projectRecords, servers } from '../helpers/workspace.ts';
import type { Workspace } from '../helpers/workspace.ts';

interface AdoptReport {
  adoption: {
    points: number;
    copied: number;
    pointsWithoutRow: number;
    rowsLeft: number;
    sample: { compared: number; agreed: number; tokens: number };
  };
}

interface Records {
  result: { points: { payload: Record<string, unknown>; vector: number[] }[] };
}

async function qdrant<Answer>(
  { environment }: Workspace,
  method: string,
  path: string,
  body: object,
): Promise<Answer> {
  const answer = await fetch(new URL(path, environment.QDRANT_URL), {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as Answer;
}

/** The vectors of a collection of vecpipe's as another tool would have written them, without every tenth. */
async function copyAsForeign(workspace: Workspace, from: string, to: string): Promise<number> {
  const scroll = { limit: 1000, with_payload: true, with_vector: true };
  const { result } = await qdrant<Records>(workspace, 'POST', `/collections/${from}/points/scroll`, scroll);
  const points = result.points
    .filter((_point, index) => index % 10 !== 0)
    .map(({ payload, vector }, index) => ({
      id: index,
      vector,
      payload: { project: { id: Number((payload['vecpipe'] as { key: string }).key) } },
    }));
  const size = points[0]?.vector.length;
  await qdrant(workspace, 'PUT', `/collections/${to}`, { vectors: { size, distance: 'Cosine' } });
  await qdrant(workspace, 'PUT', `/collections/${to}/points?wait=true`, { points });
  return points.length;
}

describe.skipIf(servers === null)('adopt', () => {
  it('takes a collection over, and vectorize embeds only what is missing', async () => {
    if (servers === null) return;
    await using workspace = await servers.create();
    await workspace.write('projects.ndjson', projectRecords(200));
    await workspace.json(['sync', '--from', 'projects.ndjson']);
    const built = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(built).toMatchObject({ exitCode: 0, entities: [{ embedded: 200 }] });
    const foreign = workspace.collection('foreign');
    const points = await copyAsForeign(workspace, workspace.collection('projects'), foreign);
    await workspace.write(
      'vecpipe.config.yaml',
      'entities:\n  projects: { collection: "client_{tenant}_adopted" }\n  wits: {}\n',
    );

    const args = ['adopt', foreign, '--key-field', 'project.id', '--entity', 'projects'];
    const refused = await workspace.json(['adopt', foreign, '--key-field', 'id', '--entity', 'projects']);
    expect(refused).toMatchObject({ exitCode: 2, error: { code: 'adoption_key_field' } });
    expect(await workspace.json(['adopt', foreign, '--key-field', 'id'])).toMatchObject({
      exitCode: 2,
      error: { code: 'adoption_selection' },
    });
    const sample = { compared: 50, agreed: 50, tokens: expect.any(Number) as number };
    const numbers = { points, copied: points, pointsWithoutRow: 0, rowsLeft: 20, sample };
    expect(await workspace.json<AdoptReport>([...args, '--dry-run'])).toMatchObject({
      exitCode: 0,
      adoption: { ...numbers, dryRun: true },
    });

    const adopted = await workspace.run(args);
    expect(adopted.stderr).toContain(`180 rows copied from ${foreign} to client_${workspace.tenant}_adopted`);
    expect(adopted.stderr).toContain('50 of 50 sampled rows have the vector that the provider makes now');
    expect(adopted).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await workspace.json(args)).toMatchObject({ exitCode: 2, error: { code: 'adoption_built' } });

    const { entities } = await workspace.json(['vectorize', '--entity', 'projects']);
    expect(entities).toMatchObject([{ embedded: 20, stored: 20, unchanged: 180, failed: 0, generation: 1 }]);
    const found = await workspace.json<{ results: { key: string }[] }>([
      'search',
      'Project number 77',
      '--entity',
      'projects',
      '--limit',
      '1',
    ]);
    expect(found.results.map(({ key }) => key)).toEqual(['77']);
  });
});

describe('adopt without Qdrant', () => {
  it('says that it is for Qdrant', async () => {
    await using workspace = await embedded.create();
    const args = ['adopt', 'old', '--key-field', 'id', '--entity', 'projects'];
    expect(await workspace.json(args)).toMatchObject({
      exitCode: 2,
      error: { code: 'adoption_store', hint: expect.stringContaining('QDRANT_URL') as string },
    });
  });
});
