import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkCollection } from '../../src/doctor/collection.ts';
import { readConnections } from '../../src/doctor/database-connections.ts';
import { readRights } from '../../src/doctor/database-rights.ts';
import { VecpipeError } from '../../src/errors/vecpipe-error.ts';
import { fingerprintSettings } from '../../src/pipeline/fingerprint.ts';
import { ensureGeneration, physicalName } from '../../src/pipeline/generation.ts';
import { availableBackends } from '../helpers/backends.ts';
import type { Backend } from '../helpers/backends.ts';
import { FakeProvider } from '../helpers/fake-provider.ts';
import { tableEntity } from '../helpers/pipeline.ts';

const ENTITY = tableEntity('items');
const SETTINGS = fingerprintSettings(ENTITY, new FakeProvider());

describe.each(availableBackends())('the doctor, on $name', (variant) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await variant.open();
  });
  afterAll(() => backend[Symbol.asyncDispose]());

  const look = (collection: string, settings = SETTINGS) =>
    checkCollection(backend.database, backend.store, collection, settings, {});
  const build = (collection: string) =>
    ensureGeneration(backend.database, backend.store, collection, SETTINGS, { report: () => {} });

  it('finds a collection that was not made yet, and makes none', async () => {
    const collection = backend.testStore.name('future');
    expect(await look(collection)).toMatchObject({
      status: 'ok',
      found: expect.stringMatching(/^not made yet/) as string,
    });
    expect(await backend.store.describeCollection(physicalName(collection, 1))).toBeNull();
    expect(await backend.store.resolveAlias(collection)).toBeNull();
  });

  it('finds one that is as it must be', async () => {
    const collection = backend.testStore.name('sound');
    const { physical } = await build(collection);
    expect(await look(collection)).toEqual({
      status: 'ok',
      found: `generation 1, alias of ${physical}, 8 dimensions, cosine, built as the config says`,
      fix: null,
    });
  });

  it('finds one whose build was interrupted', async () => {
    const collection = backend.testStore.name('begun');
    await build(collection);
    await backend.database.query(`update vecpipe.generations set status = 'building' where collection = $1`, [
      collection,
    ]);
    expect(await look(collection)).toMatchObject({
      status: 'warn',
      fix: expect.stringMatching(/vecpipe vectorize/) as string,
    });
  });

  it('finds one that other settings built, in the words of a run', async () => {
    const collection = backend.testStore.name('other');
    await build(collection);
    const wider = fingerprintSettings(ENTITY, new FakeProvider({ dimensions: 16 }));
    const error = await look(collection, wider).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(VecpipeError);
    expect(error).toMatchObject({ code: 'fingerprint_changed', family: 'usage' });
  });

  it('finds one that the store has lost', async () => {
    const collection = backend.testStore.name('lost');
    const { physical } = await build(collection);
    await backend.store.deleteCollection(physical);
    expect(await look(collection)).toMatchObject({
      status: 'fail',
      found: `the store has no collection ${physical} any more, which this database has on record`,
      fix: expect.stringMatching(/vecpipe vectorize/) as string,
    });
  });

  it('finds one of another width than recorded', async () => {
    const collection = backend.testStore.name('wide');
    const { physical } = await build(collection);
    await backend.store.deleteCollection(physical);
    await backend.store.createCollection(physical, 16);
    await backend.store.setAlias(collection, physical);
    expect(await look(collection)).toMatchObject({
      status: 'fail',
      found: expect.stringMatching(/16 dimensions, .* makes 8/) as string,
    });
  });

  it('finds an alias that points elsewhere', async () => {
    const collection = backend.testStore.name('astray');
    const { physical } = await build(collection);
    const elsewhere = backend.testStore.name('elsewhere');
    await backend.store.createCollection(elsewhere, 8);
    await backend.store.setAlias(collection, elsewhere);
    expect(await look(collection)).toMatchObject({
      status: 'fail',
      found: `the alias points at ${elsewhere}, and readers need it to point at ${physical}`,
    });
    // What it tells to do helps.
    await build(collection);
    expect(await look(collection)).toMatchObject({ status: 'ok' });
  });

  it('finds collections that this database has no record of', async () => {
    const plain = backend.testStore.name('plain');
    await backend.store.createCollection(plain, 8);
    const aliased = backend.testStore.name('aliased');
    await backend.store.setAlias(aliased, plain);
    for (const collection of [plain, aliased]) {
      expect(await look(collection)).toMatchObject({
        status: 'fail',
        found: `the store already has a collection ${plain} that this database has no record of`,
      });
    }
  });

  it('reads rights and connections of the user who asks', async () => {
    const { database } = backend;
    const role = `doctor_${process.pid}_${database.kind}`;
    await database.query(`create role ${role}`);
    try {
      const rights = await database.transaction(async (tx) => {
        await tx.query(`grant usage on schema vecpipe to ${role}`);
        await tx.query(`grant select, insert, update, delete on vecpipe.queue to ${role}`);
        await tx.query(`set local role ${role}`);
        return readRights(tx, {});
      });
      expect(rights).toMatchObject({ mayCreateSchema: false, schema: { mayUse: true, mayCreate: false } });
      expect(rights.schema?.unwritable).toContain('runs');
      expect(rights.schema?.unwritable).not.toContain('queue');
      expect(rights.schema?.foreign).toContain('queue');
      expect(await readRights(database, {})).toEqual({
        mayCreateSchema: true,
        schema: { mayUse: true, mayCreate: true, unwritable: [], foreign: [] },
      });
      const connections = await readConnections(database, {});
      expect(connections.maximum).toBeGreaterThan(0);
      expect(connections).toMatchObject({ databaseMaximum: -1, userMaximum: -1 });
    } finally {
      await database.query(`drop owned by ${role}`);
      await database.query(`drop role ${role}`);
    }
  });
});
