import type { Entity, RecordShape } from './entity.ts';

export const DEFAULT_COLLECTION = 'client_{tenant}_{entity}';

/** The entities that come with vecpipe; their tables are made by sql/000001.sql. */
export const READY_MADE_ENTITIES: readonly Entity[] = [
  readyMade({
    name: 'projects',
    labelColumn: 'key',
    text: '{{ name }}\n{{ description }}',
    payload: ['key', 'name', 'type', 'lead', 'url'],
    record: [
      { name: 'key', type: 'text', required: true },
      { name: 'name', type: 'text', required: true },
      { name: 'description', type: 'text', required: false },
      { name: 'type', type: 'text', required: false },
      { name: 'lead', type: 'text', required: false },
      { name: 'url', type: 'text', required: false },
      { name: 'updated_at', type: 'timestamp', required: false },
    ],
  }),
  readyMade({
    name: 'wits',
    labelColumn: 'id',
    text: 'Work item type: {{ name }}. {{ description }}',
    payload: ['name', 'hierarchy_level'],
    record: [
      { name: 'name', type: 'text', required: true },
      { name: 'description', type: 'text', required: false },
      { name: 'hierarchy_level', type: 'integer', required: false },
    ],
  }),
  readyMade({
    name: 'statuses',
    labelColumn: 'id',
    text: 'Status: {{ name }}. {{ description }}',
    payload: ['name', 'category'],
    record: [
      { name: 'name', type: 'text', required: true },
      { name: 'category', type: 'text', required: false },
      { name: 'description', type: 'text', required: false },
    ],
  }),
];

function readyMade(fields: {
  name: string;
  labelColumn: string;
  text: string;
  payload: readonly string[];
  record: RecordShape;
}): Entity {
  return {
    ...fields,
    relation: { kind: 'table', schema: 'vecpipe', name: fields.name },
    keyColumns: ['id'],
    tenantColumn: 'tenant',
    chunk: null,
    collection: DEFAULT_COLLECTION,
  };
}
