import { describe, expect, it } from 'vitest';
import { runInProcess } from '../helpers/run-in-process.ts';
import { runAlone } from '../helpers/workspace.ts';

const COMMANDS = [
  'init',
  'sync',
  'vectorize',
  'verify',
  'reindex',
  'adopt',
  'search',
  'status',
  'doctor',
  'explain',
  'compare',
  'credits',
  'credits grant',
  'credits balance',
  'credits ledger',
  'credits check',
  'credits settle',
  'demo',
] as const;

const GLOBAL_FLAGS = [
  '--config <file>',
  '--tenant <id>',
  '--all-tenants',
  '--entity <name>',
  '--json',
  '--log-format <format>',
  '--quiet',
  '--verbose',
  '--no-progress',
  '--dry-run',
];

const OWN_FLAGS: Record<(typeof COMMANDS)[number], string[]> = {
  init: ['--triggers', '--drop-triggers'],
  sync: ['--from <file...>', '--yes', '--limit <n>', '--batch-size <n>', '--max-outage <duration>'],
  vectorize: [
    '--queued-only',
    '--retry-failed',
    '--refresh',
    '--yes',
    '--limit <n>',
    '--batch-size <n>',
    '--concurrency <n>',
    '--workers <n>',
    '--max-outage <duration>',
    '--max-credits <n>',
    '--watch',
    '--health-file <file>',
    '--grace <duration>',
  ],
  verify: [
    '--fast',
    '--vectors',
    '--sample <n>',
    '--fix',
    '--yes',
    '--examples <n>',
    '--findings <file>',
    '--max-outage <duration>',
  ],
  reindex: [
    '--if-needed',
    '--keep <duration>',
    '--rollback',
    '--drop-old',
    '--retry-failed',
    '--yes',
    '--batch-size <n>',
    '--concurrency <n>',
    '--max-credits <n>',
    '--grace <duration>',
    '--max-outage <duration>',
  ],
  adopt: [
    '--key-field <field>',
    '--sample <n>',
    '--min-similarity <cosine>',
    '--replace',
    '--max-outage <duration>',
  ],
  search: ['--limit <n>', '--filter <key=value>'],
  status: ['--runs [n]'],
  doctor: [],
  explain: [],
  compare: [
    '--provider <name>',
    '--template <file|text>',
    '--sample <n>',
    '--queries <file>',
    '--top <n>',
    '--seed <n>',
    '--html <file>',
  ],
  credits: [],
  'credits grant': ['--withdraw', '--reason <text>', '--key <key>'],
  'credits balance': [],
  'credits ledger': ['--limit <n>'],
  'credits check': [],
  'credits settle': [],
  demo: ['--folder <path>'],
};

describe('help', () => {
  it('lists the commands and the exit codes on stdout', async () => {
    const { exitCode, stdout, stderr } = await runInProcess(['--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatchInlineSnapshot(`
      "Usage: vecpipe <command> [options]

      Keeps vector collections true to rows in Postgres.

      Options:
        -V, --version                 output the version number
        -h, --help                    display help for command

      Commands:
        init [options]                Write a commented vecpipe.config.yaml, set the database up, and say
                                      what was chosen.
        sync [options]                Bring records in, or look through your tables, and queue what
                                      changed.
        vectorize [options]           Find the rows that changed, embed exactly those, and write them to
                                      the vector store.
        reindex [options]             Rebuild collections beside the live ones, and swap when the new ones
                                      are complete.
        verify [options]              Prove that the collections hold what the rows say, or say where they
                                      do not.
        adopt [options] <collection>  Take over a Qdrant collection that something else filled, without
                                      buying its vectors again.
        search [options] <text...>    Show the rows nearest to a text, to see that it works.
        status [options]              Show coverage, backlog, failed rows by cause, and the last runs.
        doctor [options]              Check database, rows, providers and store, and say what to do about
                                      each problem.
        explain [options] <key>       Show everything about one row: text, tokens, hash, points, queue and
                                      state.
        compare [options]             Compare providers or templates on a sample of rows, and change
                                      nothing.
        credits                       Grant credits to tenants, and show and check what became of them.
        demo [options]                Try vecpipe on real records that are on this machine: the packages
                                      under node_modules.
        help [command]                help for a command

      Exit codes:
          0  everything asked for is done
          1  finished, but some rows or records failed; each has its reason
          2  wrong usage or config
          3  the collection or the credits are not what was recorded
          4  a needed service or provider was unavailable
          5  out of credits
         70  a bug in vecpipe
        129  interrupted by SIGHUP; the same command resumes
        130  interrupted by SIGINT; the same command resumes
        141  stopped half way because its output was closed; the same command resumes
        143  interrupted by SIGTERM; the same command resumes

      Every command has examples: vecpipe <command> --help
      "
    `);
  });

  it('is shown, as an error, to who gives no command', async () => {
    const { exitCode, stdout, stderr } = await runInProcess([]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toBe((await runInProcess(['--help'])).stdout);
  });

  it.each(COMMANDS)('of %s has every flag and an example, both ways of asking', async (command) => {
    const words = command.split(' ');
    const { exitCode, stdout, stderr } = await runInProcess([...words, '--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    // It only has commands of its own.
    const globalFlags = command === 'credits' ? [] : GLOBAL_FLAGS;
    for (const flag of [...OWN_FLAGS[command], ...globalFlags]) {
      expect(stdout).toContain(`\n  ${flag} `);
    }
    // Nothing is declared that is not listed here.
    const flags = [...stdout.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, name]) => name);
    expect(flags).toHaveLength(OWN_FLAGS[command].length + globalFlags.length);
    expect(stdout).toMatch(new RegExp(`\nExamples:\n(.*\n)*? {2}.*vecpipe ${command}`));
    expect(await runInProcess(['help', ...words])).toEqual({ exitCode, stdout, stderr });
  });

  it('of vectorize reads well', async () => {
    expect((await runInProcess(['vectorize', '--help'])).stdout).toMatchInlineSnapshot(`
      "Usage: vecpipe vectorize [options]

      Find the rows that changed, embed exactly those, and write them to the vector store.

      Options:
        --queued-only            do not look at the tables, only work off the queue
        --retry-failed           try rows again that rest as failed
        --refresh                write every row again, changed or not, and pay for it again
        --yes                    delete vanished rows even when they are more than 20 % of a collection
        --limit <n>              work on at most n rows
        --workers <n>            processes that share the work, with a Postgres server (default: 1)
        --watch                  keep running, and work whenever there is something to do
        --health-file <file>     write what the run is doing to a file, for a supervisor
        --batch-size <n>         rows a batch (default: 256)
        --concurrency <n>        batches under way at once, per worker (default: 4, with a gateway 8)
        --max-credits <n>        reserve at most n credits in this run, over all its tenants
        --grace <duration>       time for batches under way once a stop is asked for (default: 20s)
        --max-outage <duration>  wait so long for a service that goes away (default: 5m)
        -h, --help               display help for command

      Options of every command:
        --config <file>          config file (default: vecpipe.config.* found upwards from here)
        --tenant <id>            tenant to work for; may be repeated
        --all-tenants            every tenant of the config
        --entity <name>          entity to work on; may be repeated (default: every entity of the config)
        --json                   print one JSON object to stdout at the end, also when the run fails
        --log-format <format>    what stderr shows (choices: "pretty", "json", default: "pretty")
        --quiet                  show warnings and errors only
        --verbose                show every row
        --no-progress            no spinner and no progress bar
        --dry-run                say what would be done, and do nothing

      Examples:
        vecpipe vectorize --tenant 1 --entity projects     one tenant, one entity
        vecpipe vectorize --all-tenants --json             everything, one JSON object at the end
        vecpipe vectorize --dry-run                        rows, tokens and requests, without doing it
        vecpipe vectorize --retry-failed                   try the rows that failed again
        vecpipe vectorize --watch                          until it is stopped

      Any number of processes may run it at once: each row is done by one of them.
      "
    `);
  });

  it('of sync reads well', async () => {
    expect((await runInProcess(['sync', '--help'])).stdout).toMatchInlineSnapshot(`
      "Usage: vecpipe sync [options]

      Bring records in, or look through your tables, and queue what changed.

      Options:
        --from <file...>         NDJSON, JSON or CSV files (also .gz), globs, or - for standard input
        --yes                    queue deletes even when they are more than 20 % of a collection
        --limit <n>              take at most n records a file
        --batch-size <n>         records a transaction (default: 500)
        --max-outage <duration>  wait so long for a service that goes away (default: 5m)
        -h, --help               display help for command

      Options of every command:
        --config <file>          config file (default: vecpipe.config.* found upwards from here)
        --tenant <id>            tenant to work for; may be repeated
        --all-tenants            every tenant of the config
        --entity <name>          entity to work on; may be repeated (default: every entity of the config)
        --json                   print one JSON object to stdout at the end, also when the run fails
        --log-format <format>    what stderr shows (choices: "pretty", "json", default: "pretty")
        --quiet                  show warnings and errors only
        --verbose                show every row
        --no-progress            no spinner and no progress bar
        --dry-run                say what would be done, and do nothing

      Examples:
        vecpipe sync --from projects.ndjson --tenant 1          the file's name says which entity
        vecpipe sync --from 'export/*.csv.gz' --entity wits     every file, one entity
        cat p.ndjson | vecpipe sync --from - --entity projects  from standard input
        vecpipe sync                                            look for changes in every table of the config

      Without --from, records are not read: the tables that the config names are compared with what is stored.
      "
    `);
  });

  it('and version come from the built program', async () => {
    const version = await runAlone(['--version']);
    expect(version).toMatchObject({ exitCode: 0, stderr: '' });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await runAlone(['search', '-h']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    expect(help.stdout).toBe((await runInProcess(['search', '--help'])).stdout);
  });
});

describe('wrong usage', () => {
  it.each([['--log-format=json'], ['--log-format', 'json']])(
    'is one JSON line in the log with %s %s',
    async (...flags) => {
      const { exitCode, stdout, stderr } = await runInProcess(['status', ...flags, '--verbos']);
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(JSON.parse(stderr)).toEqual({
        time: expect.any(String) as string,
        type: 'error',
        code: 'wrong_usage',
        message: "unknown option '--verbos' (Did you mean --verbose?)",
      });
    },
  );

  const WRONG: [string[], RegExp][] = [
    [['vectorise'], /^vecpipe: unknown command 'vectorise'\n\(Did you mean vectorize\?\)\n$/],
    [['nope'], /^vecpipe: unknown command 'nope'\n$/],
    [['vectorize', '--limt', '3'], /^vecpipe: unknown option '--limt'\n\(Did you mean --limit\?\)\n$/],
    [['search', 'x', '--limit', '0'], /^vecpipe: option '--limit <n>' argument '0' is invalid\. It must be/],
    [
      ['vectorize', '--concurrency', '1.5'],
      /^vecpipe: option '--concurrency <n>' argument '1\.5' is invalid\./,
    ],
    [['vectorize', '--batch-size', 'ten'], /^vecpipe: option '--batch-size <n>' argument 'ten' is invalid\./],
    [
      ['status', '--log-format', 'x'],
      /^vecpipe: option '--log-format <format>' .* Allowed choices are pretty, json\.\n$/,
    ],
    [['vectorize', '--limit'], /^vecpipe: option '--limit <n>' argument missing\n$/],
    [['search'], /^vecpipe: missing required argument 'text'\n$/],
    [['explain'], /^vecpipe: missing required argument 'key'\n$/],
    [['status', 'all'], /^vecpipe: too many arguments for 'status'\. Expected 0 arguments but got 1\.\n$/],
    [
      ['status', '--quiet', '--verbose'],
      /^vecpipe: option '--quiet' cannot be used with option '--verbose'\n$/,
    ],
    [['status', '--tenant', '1', '--all-tenants'], /^vecpipe: option '--tenant <id>' cannot be used with/],
  ];

  it.each(WRONG)('%j is one sentence and exit code 2', async (argv, message) => {
    const { exitCode, stdout, stderr } = await runInProcess(argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('in asking for help is told as well', async () => {
    expect(await runInProcess(['help', 'vectorise'])).toEqual(await runInProcess(['vectorise']));
  });

  it.each(WRONG)('%j with --json is one object as well', async (argv, message) => {
    const { exitCode, stdout, stderr } = await runInProcess(withJson(argv));
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(message);
    expect(stdout).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(stdout)).toEqual({
      command: argv[0],
      runId: null,
      exitCode: 2,
      durationMs: 0,
      entities: [],
      failures: [],
      error: { code: 'wrong_usage', message: expect.any(String) as string },
    });
  });
});

describe('wrong usage of a command in a group', () => {
  const WRONG: [string[], string, RegExp][] = [
    [
      ['credits', 'balanc', '--json'],
      'credits',
      /^vecpipe: unknown command 'balanc'\n\(Did you mean balance\?\)\n$/,
    ],
    [['credits', 'grant', '--json'], 'credits grant', /^vecpipe: missing required argument 'amount'\n$/],
    [
      ['credits', 'grant', '0', '--json'],
      'credits grant',
      /^vecpipe: .*'0' is invalid for argument 'amount'\. It must be a whole number from 1\.\n$/,
    ],
    [
      ['credits', 'grant', '1', '--json', '--key', ''],
      'credits grant',
      /^vecpipe: .* argument '' is invalid\. It must not be empty\.\n$/,
    ],
    [
      ['credits', '--json', 'balance'],
      'credits balance',
      /^vecpipe: unknown option '--json'\nWrite options after the command: vecpipe credits <command> \[options\]\n$/,
    ],
  ];

  it.each(WRONG)('%j names that command', async (argv, command, message) => {
    const { exitCode, stdout, stderr } = await runInProcess(argv);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(message);
    expect(JSON.parse(stdout)).toMatchObject({ command, exitCode: 2, error: { code: 'wrong_usage' } });
  });

  it('is answered with help where the command is missing', async () => {
    const { exitCode, stdout, stderr } = await runInProcess(['credits']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toBe((await runInProcess(['credits', '--help'])).stdout);
    expect(await runInProcess(['help', 'credits', 'nope'])).toEqual(await runInProcess(['credits', 'nope']));
  });
});

/** Before the last flag, so that one that lacks its value still does. */
function withJson([command = '', ...rest]: readonly string[]): string[] {
  return [command, '--json', ...rest];
}
