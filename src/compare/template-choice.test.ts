import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OWN_TEMPLATE, readTemplates } from './template-choice.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vecpipe-templates-'));
  await writeFile(join(folder, 'short.liquid'), '\uFEFF{{ name }}');
  await writeFile(join(folder, 'broken.liquid'), '{{ name');
  await writeFile(join(folder, 'latin1.liquid'), Buffer.from([0x7b, 0x7b, 0xe4, 0x7d, 0x7d]));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const read = (...given: string[]) => readTemplates(given, folder);

describe('templates', () => {
  it('are own, files or texts, each once and in their order', async () => {
    expect(await read('short.liquid', 'own', '{{ name }}:\n {{ url }}', 'own')).toEqual([
      { name: 'short.liquid', text: '{{ name }}' },
      OWN_TEMPLATE,
      { name: '{{ name }}: {{ url }}', text: '{{ name }}:\n {{ url }}' },
    ]);
  });

  it('have names of their own, also where long texts begin alike', async () => {
    const start = `{{ name }} ${'x'.repeat(40)}`;
    const choices = await read(`${start}1`, `${start}2`);
    expect(choices.map(({ name }) => name)).toEqual([
      `{{ name }} ${'x'.repeat(20)}…`,
      `{{ name }} ${'x'.repeat(20)}… (2)`,
    ]);
  });

  it.each([
    ['nope.liquid', 'template_unreadable', 'there is no template file nope.liquid (--template)'],
    ['.', 'template_unreadable', 'template file . cannot be read: EISDIR (--template)'],
    ['latin1.liquid', 'template_unreadable', 'template file latin1.liquid is not UTF-8 text (--template)'],
    ['broken.liquid', 'template_invalid', '--template broken.liquid: '],
    ['{{ name | nope }', 'template_invalid', '--template {{ name | nope }: '],
  ])('say what is wrong with %s', async (value, code, message) => {
    await expect(read(value)).rejects.toMatchObject({
      family: 'usage',
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it('are not read once the run is stopped', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(readTemplates(['short.liquid'], folder, { signal })).rejects.toThrow('stopped');
  });
});
