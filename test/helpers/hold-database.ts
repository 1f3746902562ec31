import { openPgliteDatabase } from '../../src/db/pglite/pglite-database.ts';

/**
 * A process that uses an embedded database: writes one row, says so, and holds the database until its stdin ends.
 * Its only argument is the folder. When it cannot open the database it prints why and ends with exit code 4.
 */
const [folder = ''] = process.argv.slice(2);
try {
  const database = await openPgliteDatabase({ folder, command: 'vecpipe vectorize' });
  await database.execute('create table if not exists held (id int); insert into held values (1)');
  process.stdout.write('holding\n');
  for await (const _chunk of process.stdin);
  await database[Symbol.asyncDispose]();
} catch (error) {
  process.stdout.write(`${(error as Error).message}\n`);
  process.exitCode = 4;
}
