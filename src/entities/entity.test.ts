import { expect, test } from 'vitest';
import { collectionName } from './entity.ts';
import { READY_MADE_ENTITIES } from './ready-made.ts';
import { compileTemplate } from './template.ts';

test('a collection is named by tenant and entity, each as often as it stands there', () => {
  const [projects] = READY_MADE_ENTITIES;
  if (!projects) throw new Error('no ready-made entity');
  expect(collectionName(projects, '7')).toBe('client_7_projects');
  expect(collectionName({ ...projects, collection: '{entity}.{tenant}.{tenant}' }, 'a')).toBe('projects.a.a');
  expect(collectionName({ ...projects, collection: 'shared' }, 'a')).toBe('shared');
});

test.each(READY_MADE_ENTITIES.map((entity) => [entity.name, entity] as const))(
  'the ready-made %s use fields that their records have',
  (_name, entity) => {
    const fields = ['id', ...(entity.record ?? []).map((field) => field.name)];
    const used = [...compileTemplate(entity.text).columns, ...entity.payload, entity.labelColumn];
    expect(fields).toEqual(expect.arrayContaining(used));
  },
);
