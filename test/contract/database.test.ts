import { afterAll } from 'vitest';
import { availableDatabases } from '../helpers/databases.ts';
import { describeDatabase } from './database.contract.ts';

for (const { name, create } of availableDatabases()) {
  const target = await create();
  afterAll(() => target[Symbol.asyncDispose]());
  describeDatabase(name, () => target.open({ maxConnections: 4 }));
}
