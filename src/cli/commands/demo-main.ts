import { access, mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEMO_CONFIG } from '../../demo/demo-config.ts';
import { loadPackages } from '../../demo/load-packages.ts';
import { readInstalledPackages } from '../../demo/read-packages.ts';
import { unavailableError, usageError } from '../../errors/vecpipe-error.ts';
import { errorMessage } from '../../util/error-message.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import type { GlobalOptions } from '../options.ts';
import { runCommand } from '../run-command.ts';
import type { CommandContext, LoadMain, Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import type { DemoFlags } from './demo.ts';

const FOLDER = 'vecpipe-demo';
const CONFIG_FILE = 'vecpipe.config.yaml';
const FIXTURES = fileURLToPath(new URL('../../../fixtures/', import.meta.url));
/** The demo promises to touch nothing but its own folder. */
const IGNORED_VARIABLES = ['DATABASE_URL', 'QDRANT_URL', 'QDRANT_API_KEY', 'VECPIPE_HOME', 'VECPIPE_CONFIG'];

const QUERIES: [string, string][] = [
  ['parse command line arguments', 'packages'],
  ['customers cannot pay', 'projects'],
];

interface Step {
  /** As a person would type it. */
  shown: string;
  command: string;
  args?: readonly string[];
  flags?: Record<string, unknown>;
  loadMain: LoadMain;
}

/** Runs the commands that a first user would, each shown as it would be typed. */
export const demoMain: Main<DemoFlags> = async (context) => {
  const { options, io, report } = context;
  const folder = resolve(io.workingDirectory, options.folder ?? FOLDER);
  const config = join(folder, CONFIG_FILE);
  const shownConfig = relative(io.workingDirectory, config);
  const plan = steps(shownConfig, io.workingDirectory);
  if (options.dryRun)
    return { text: plan.map(({ shown }) => `$ ${shown}`).join('\n'), json: { folder, config } };
  await writeConfig(folder, config);
  const ignored = IGNORED_VARIABLES.filter((name) => io.environment[name]);
  if (ignored.length > 0) {
    const message = `The demo keeps to its own folder and leaves ${ignored.join(', ')} alone.`;
    report({ type: 'notice', message });
  }
  const demoIo = isolated(io, options);
  for (const { shown, command, args = [], flags, loadMain } of plan) {
    if (io.stop.stop.aborted) break;
    if (!options.quiet) demoIo.stdout.write(`\n$ ${shown}\n`);
    const exitCode = await runCommand(
      command,
      args,
      { ...shownAs(options), ...flags, config },
      loadMain,
      demoIo,
    );
    if (exitCode === 0 || io.stop.stop.aborted) continue;
    const message = `the step \`${shown}\` ended with exit code ${exitCode}`;
    const hint = 'its message is above';
    throw exitCode === EXIT_CODES.unavailable.code
      ? unavailableError('demo_failed', message, hint)
      : usageError('demo_failed', message, hint);
  }
  return { text: nextCommands(shownConfig), json: { folder, config } };
};

/** How the steps show what they do; what they do is not for flags to say. */
function shownAs({ logFormat, progress, quiet = false, verbose = false }: GlobalOptions): GlobalOptions {
  return { logFormat, progress, quiet, verbose };
}

async function writeConfig(folder: string, path: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(path).catch(() => writeFile(path, DEMO_CONFIG));
  } catch (error) {
    throw usageError(
      'folder_unwritable',
      `${folder} cannot be written: ${errorMessage(error)}`,
      'choose another --folder',
    );
  }
}

function isolated(io: Io, options: GlobalOptions): Io {
  const environment = Object.fromEntries(
    Object.entries(io.environment).filter(([name]) => !IGNORED_VARIABLES.includes(name)),
  );
  // With --json, stdout is kept for the one object at the end.
  return { ...io, environment, stdout: options.json ? io.stderr : io.stdout };
}

function steps(config: string, workingDirectory: string): Step[] {
  const sync = () => import('./sync-main.ts').then((module) => module.syncMain);
  const vectorize = () => import('./vectorize-main.ts').then((module) => module.vectorizeMain);
  const search = () => import('./search-main.ts').then((module) => module.searchMain);
  const files = ['projects.ndjson', 'wits.csv', 'statuses.json'].map((file) => join(FIXTURES, file));
  const shownFiles = files.map((file) => relative(workingDirectory, file)).join(' ');
  return [
    {
      shown: '(filling the table demo.packages from the package.json files on this machine)',
      command: 'demo',
      loadMain: () => Promise.resolve(loadPackagesMain),
    },
    {
      shown: `vecpipe sync --config ${config} --from ${shownFiles}`,
      command: 'sync',
      flags: { from: files },
      loadMain: sync,
    },
    {
      // Packages may have been removed since the last demo, and how many is nobody's worry here.
      shown: `vecpipe vectorize --yes --config ${config}`,
      command: 'vectorize',
      flags: { yes: true },
      loadMain: vectorize,
    },
    ...QUERIES.map(([text, entity]) => ({
      shown: `vecpipe search "${text}" --entity ${entity} --limit 5 --config ${config}`,
      command: 'search',
      args: [text],
      flags: { entity: [entity], limit: 5 },
      loadMain: search,
    })),
  ];
}

/** Stands for whatever fills a user's own tables. */
async function loadPackagesMain(context: CommandContext<object>) {
  const session = await openSession(context);
  const packages = await readInstalledPackages(context.io.workingDirectory);
  await loadPackages(session.database, packages, { signal: context.io.stop.stop });
  return { summary: [`${packages.length} packages are in the table demo.packages`] };
}

function nextCommands(config: string): string {
  const vecpipe = (rest: string) => `  npx vecpipe ${rest} --config ${config}`;
  return [
    '\nTry next:',
    vecpipe('vectorize'),
    vecpipe('search "draw a progress bar" --entity packages'),
    vecpipe('explain commander --entity packages'),
    vecpipe('status'),
    '  npx vecpipe init        to start with your own data',
  ].join('\n');
}
