import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeChoices } from '../../config/describe-choices.ts';
import { loadConfig } from '../../config/load-config.ts';
import { findConfigSchema, starterConfig } from '../../config/starter-config.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { Io } from '../io.ts';
import type { Main } from '../run-command.ts';
import { configRequest } from '../config-request.ts';
import { openSession } from '../session.ts';
import type { InitFlags } from './init.ts';
import { dropAll, installAll } from './init-triggers.ts';

const FILE = 'vecpipe.config.yaml';
const NO_TABLE = 'no entity of the config reads a table of your own';

/** Writes a config where there is none, sets the database up, and says what was chosen and why. */
export const initMain: Main<InitFlags> = async (context) => {
  const { options, io } = context;
  const { dryRun, triggers = false, dropTriggers = false } = options;
  const changesTriggers = triggers || dropTriggers;
  const request = configRequest(context);
  const before = await loadConfig(request);
  const lines: string[] = [];
  if (before.file !== null) lines.push(`Kept ${before.file}`);
  else if (dryRun) lines.push(`Would write ${FILE}`);
  else lines.push(`${(await writeStarter(io)) ? 'Wrote' : 'Kept'} ${FILE}`);
  // Every tenant and entity is meant: init sets up what all of them share. Triggers may be those of an entity that the
  // config no longer has.
  const { entity: _entities, ...everything } = { ...options, allTenants: true };
  const session =
    dryRun && !changesTriggers
      ? null
      : await openSession({
          ...context,
          options: changesTriggers ? everything : { ...options, allTenants: true },
        });
  const config = session?.config ?? before;
  lines.push(...describeChoices(config, io.workingDirectory));
  if (session && !dryRun) lines.push(`tables: up to date in schema vecpipe (${session.database.location})`);
  const reports = session && changesTriggers ? await (triggers ? installAll : dropAll)(context, session) : [];
  if (changesTriggers && reports.length === 0)
    lines.push(`triggers: ${triggers ? NO_TABLE : 'there are none'}`);
  lines.push(...reports.map(({ line }) => line));
  return {
    text: lines.join('\n'),
    json: {
      file: config.file,
      database: session?.database.location ?? null,
      ...(changesTriggers && {
        triggers: reports.map(({ entity, table, action }) => ({ entity, table, action })),
      }),
    },
  };
};

/** @returns false when somebody else has written one meanwhile, which then stays as it is */
async function writeStarter(io: Io): Promise<boolean> {
  const path = join(io.workingDirectory, FILE);
  try {
    await writeFile(path, starterConfig({ schema: findConfigSchema(io.workingDirectory) }), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw usageError(
      'config_unwritable',
      `${FILE} cannot be written: ${errorMessage(error)}`,
      'run init in a folder that you may write to',
    );
  }
}
