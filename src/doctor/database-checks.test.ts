import { describe, expect, test } from 'vitest';
import type { Queryable } from '../ports/database.ts';
import { checkClock, judgeOffset } from './database-clock.ts';
import { judgeConnections } from './database-connections.ts';
import { judgeVersions } from './database-migrations.ts';
import { judgePgvector } from './database-pgvector.ts';
import { judgeRights } from './database-rights.ts';

describe('the clock of the database', () => {
  /** Answers `databaseMs` of its own when this machine's clock has moved on by half of each way. */
  function atDistance(offsetMs: number, waysMs: readonly number[]) {
    let here = 1_000_000;
    const ways = [...waysMs];
    const database = {
      query: async () => {
        const way = ways.shift() ?? 0;
        const ms = here + way / 2 + offsetMs;
        here += way;
        return { rows: [{ ms }], columns: [], changed: 0 };
      },
    } as unknown as Queryable;
    return checkClock(database, {}, () => here);
  }

  test.each([
    [0, 'ok'],
    [1_900, 'ok'],
    [-1_900, 'ok'],
    [2_100, 'warn'],
    [-2_100, 'warn'],
    [3_600_000, 'warn'],
  ])('%d ms apart is %s, however long the way', async (offsetMs, status) => {
    expect(await atDistance(offsetMs, [900, 20, 700])).toMatchObject({ status });
  });

  test('the quickest answer decides', async () => {
    let here = 0;
    const answers = [
      { way: 4_000, ms: 4_000 },
      { way: 10, ms: 4_005 },
      { way: 4_000, ms: 8_010 },
    ];
    const database = {
      query: async () => {
        const answer = answers.shift();
        here += answer?.way ?? 0;
        return { rows: [{ ms: answer?.ms }], columns: [], changed: 0 };
      },
    } as unknown as Queryable;
    expect(await checkClock(database, {}, () => here)).toMatchObject({
      found: "less than 1 ms apart from this machine's",
    });
  });

  test('says which is ahead, and what depends on it', () => {
    expect(judgeOffset(5_000).found).toMatch(/^5000 ms ahead of this machine's; leases .* not harmed/);
    expect(judgeOffset(-5_000).found).toMatch(/^5000 ms behind this machine's; /);
  });
});

describe("vecpipe's tables", () => {
  test.each([
    [{ found: 0, latest: 3 }, 'ok', /vecpipe init/],
    [{ found: 2, latest: 3 }, 'warn', /version 2 of 3 .*vecpipe init/],
    [{ found: 3, latest: 3 }, 'ok', /up to date/],
    [{ found: 4, latest: 3 }, 'fail', /newer vecpipe .*upgrade vecpipe/],
  ])('%j is %s', (versions, status, says) => {
    const finding = judgeVersions(versions);
    expect(finding.status).toBe(status);
    expect(`${finding.found} ${finding.fix}`).toMatch(says);
  });
});

describe('the rights of the database user', () => {
  const all = { mayUse: true, mayCreate: true, unwritable: [] as string[], foreign: [] as string[] };
  const rights = (schema: Partial<typeof all>) => ({
    mayCreateSchema: false,
    schema: { ...all, ...schema },
  });
  const done = { isBehind: false, makesTables: false };

  test.each([
    ['no schema, may make it', { mayCreateSchema: true, schema: null }, done, 'ok', ''],
    [
      'no schema, may not',
      { mayCreateSchema: false, schema: null },
      done,
      'fail',
      'GRANT CREATE ON DATABASE',
    ],
    ['everything', rights({}), { isBehind: true, makesTables: true }, 'ok', ''],
    ['no use', rights({ mayUse: false }), done, 'fail', 'GRANT USAGE'],
    ['no write', rights({ unwritable: ['queue'] }), done, 'fail', 'GRANT SELECT, INSERT'],
    ['no table, none needed', rights({ mayCreate: false }), done, 'warn', 'GRANT USAGE, CREATE'],
    [
      'no table, for pgvector',
      rights({ mayCreate: false }),
      { isBehind: false, makesTables: true },
      'fail',
      'GRANT USAGE, CREATE',
    ],
    ['tables of another, up to date', rights({ foreign: ['queue'] }), done, 'ok', ''],
    [
      'tables of another, behind',
      rights({ foreign: ['queue'] }),
      { isBehind: true, makesTables: false },
      'fail',
      'as that user',
    ],
  ])('%s', (_name, found, needed, status, fix) => {
    const finding = judgeRights(found, needed);
    expect(finding.status).toBe(status);
    expect(finding.fix ?? '').toContain(fix);
  });

  test('names a few tables', () => {
    const { found } = judgeRights(rights({ unwritable: ['a', 'b', 'c', 'd', 'e'] }), done);
    expect(found).toBe('the user may not read and write vecpipe.a, vecpipe.b, vecpipe.c and 2 more tables');
  });
});

describe('pgvector', () => {
  test.each([
    [{ installed: null, available: null, mayInstall: true }, 'fail'],
    [{ installed: null, available: '0.4.4', mayInstall: true }, 'fail'],
    [{ installed: '0.4.4', available: '0.8.1', mayInstall: true }, 'fail'],
    [{ installed: '0.5.0', available: '0.8.1', mayInstall: false }, 'ok'],
    [{ installed: null, available: '0.8.1', mayInstall: true }, 'ok'],
    [{ installed: null, available: '0.8.1', mayInstall: false }, 'warn'],
  ])('%j is %s', (found, status) => expect(judgePgvector(found).status).toBe(status));
});

describe('connections left', () => {
  const free = {
    maximum: 97,
    used: 3,
    databaseMaximum: -1,
    databaseUsed: 3,
    userMaximum: -1,
    userUsed: 3,
  };

  test.each([
    ['many', free, 'ok', '94 of the 97 of the server left'],
    ['nearly none', { ...free, used: 92 }, 'warn', '5 of the 97 of the server left'],
    ['more used than there are', { ...free, used: 99 }, 'warn', '0 of the 97 of the server left'],
    ['the database has fewer', { ...free, databaseMaximum: 5 }, 'warn', '2 of the 5 of the database left'],
    ['the user has fewer', { ...free, userMaximum: 10 }, 'ok', '7 of the 10 of the user left'],
  ])('%s', (_name, read, status, found) => {
    const finding = judgeConnections(read);
    expect(finding.status).toBe(status);
    expect(finding.found).toContain(found);
  });
});
