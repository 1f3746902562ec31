import type { CallOptions, Database } from '../ports/database.ts';
import type { InstalledPackage } from './read-packages.ts';

/**
 * Makes the table demo.packages say what is installed: a table of the user's own as far as vecpipe is concerned,
 * filled by somebody else. Rows that are gone are deleted, the others are left or updated.
 */
export async function loadPackages(
  database: Database,
  packages: readonly InstalledPackage[],
  options: CallOptions = {},
): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.execute(`
      create schema if not exists demo;
      create table if not exists demo.packages (
        name text primary key, version text not null, description text, keywords text, homepage text, license text
      )`);
    await tx.query('delete from demo.packages where name <> all ($1::text[])', [
      packages.map(({ name }) => name),
    ]);
    await tx.query(
      `insert into demo.packages (name, version, description, keywords, homepage, license)
      select * from jsonb_to_recordset($1::text::jsonb)
        as p(name text, version text, description text, keywords text, homepage text, license text)
      on conflict (name) do update set version = excluded.version, description = excluded.description,
        keywords = excluded.keywords, homepage = excluded.homepage, license = excluded.license`,
      [JSON.stringify(packages)],
    );
  }, options);
}
