import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PAGE_MARK } from './comparison-page.ts';
import { checkPagePath, writePage } from './write-page.ts';

const PAGE = `<!doctype html>\n${PAGE_MARK}\n`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vecpipe-page-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the page', () => {
  it('is written, and later replaced, with nothing left beside it', async () => {
    await writePage(await checkPagePath('report.html', folder), `${PAGE}one`, 'report.html');
    const path = await checkPagePath('report.html', folder);
    expect(path).toBe(join(folder, 'report.html'));
    await writePage(path, `${PAGE}two`, 'report.html');
    expect(await readFile(path, 'utf8')).toBe(`${PAGE}two`);
    expect(await readdir(folder)).toEqual(['report.html']);
  });

  it('never takes the place of another file', async () => {
    await writeFile(join(folder, 'index.html'), '<!doctype html><title>mine</title>');
    await expect(checkPagePath('index.html', folder)).rejects.toMatchObject({
      family: 'usage',
      code: 'report_exists',
      message: 'index.html is there already and is no report of vecpipe compare (--html)',
    });
    await writeFile(join(folder, 'empty'), '');
    await expect(checkPagePath('empty', folder)).rejects.toMatchObject({ code: 'report_exists' });
  });

  it('needs a folder that is there', async () => {
    await expect(checkPagePath('no/report.html', folder)).rejects.toMatchObject({
      family: 'usage',
      code: 'report_unwritable',
      message: 'there is no folder no for the report (--html no/report.html)',
    });
    await expect(checkPagePath('.', folder)).rejects.toMatchObject({
      code: 'report_unwritable',
      message: 'the report . cannot be written: it is a folder (--html)',
    });
  });

  it('leaves nothing behind when it cannot be put in its place', async () => {
    await mkdir(join(folder, 'report.html'));
    await expect(writePage(join(folder, 'report.html'), PAGE, 'report.html')).rejects.toMatchObject({
      code: 'report_unwritable',
    });
    expect(await readdir(folder)).toEqual(['report.html']);
  });
});
