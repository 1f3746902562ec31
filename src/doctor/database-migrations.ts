import { latestVersion, schemaVersion } from '../db/migrate.ts';
import type { CallOptions, Queryable } from '../ports/database.ts';
import { fail, ok, warn } from './check.ts';
import type { Finding } from './check.ts';

/** Version of vecpipe's tables in a database, and the one that this vecpipe brings; 0 where there are none. */
export interface SchemaVersions {
  found: number;
  latest: number;
}

export async function readVersions(database: Queryable, options: CallOptions): Promise<SchemaVersions> {
  return { found: (await schemaVersion(database, options)) ?? 0, latest: await latestVersion() };
}

export function judgeVersions({ found, latest }: SchemaVersions): Finding {
  if (found === 0)
    return ok('not made yet: `vecpipe init` makes them, and so does any command that needs them');
  if (found > latest) {
    return fail(
      `a newer vecpipe has made them (version ${found}, this one knows ${latest})`,
      'upgrade vecpipe on this machine',
    );
  }
  if (found < latest) {
    return warn(
      `version ${found} of ${latest}`,
      'run `vecpipe init`; any other command that needs them brings them up to date, too',
    );
  }
  return ok(`up to date (version ${found})`);
}
