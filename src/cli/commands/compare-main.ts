import type { Readable } from 'node:stream';
import { comparisonOf } from '../../compare/comparison.ts';
import type { Comparison } from '../../compare/comparison.ts';
import { comparisonPage } from '../../compare/comparison-page.ts';
import { neighbours, queryCount, share } from '../../compare/format.ts';
import { queriesFromLabels, queriesFromTexts } from '../../compare/queries.ts';
import type { Query } from '../../compare/queries.ts';
import { readQueries } from '../../compare/read-queries.ts';
import { runVariants } from '../../compare/run-variants.ts';
import { drawSample } from '../../compare/sample.ts';
import type { Sample } from '../../compare/sample.ts';
import { openSources } from '../../compare/sources.ts';
import { OWN_TEMPLATE, readTemplates } from '../../compare/template-choice.ts';
import { variantsOf } from '../../compare/variant.ts';
import type { Variant } from '../../compare/variant.ts';
import { checkPagePath, writePage } from '../../compare/write-page.ts';
import type { Entity } from '../../entities/entity.ts';
import { usageError } from '../../errors/vecpipe-error.ts';
import type { Report } from '../../ports/run-events.ts';
import type { CommandContext, CommandResult, Main } from '../run-command.ts';
import { routeOf } from '../select.ts';
import { openSession } from '../session.ts';
import type { Session } from '../session.ts';
import type { CompareFlags } from './compare.ts';
import { comparisonText } from './compare-text.ts';

const SAMPLE_ROWS = 500;
const NEIGHBOURS = 10;
const SEED = 1;

/** What a comparison is made of, before a provider is opened. */
interface Prepared {
  tenant: string;
  entity: Entity;
  variants: Variant[];
  sample: Sample;
  queries: Query[];
  queriesFrom: Comparison['queriesFrom'];
}

/** Embeds one sample in several ways and shows what differs. Writes nothing but the page that it was asked for. */
export const compareMain: Main<CompareFlags> = async (context) => {
  const { options, io, report } = context;
  const signal = io.stop.stop;
  const { top = NEIGHBOURS, sample: size = SAMPLE_ROWS, seed = SEED, html } = options;
  // What the flags name is looked at before the database is opened, and all of it before a provider is.
  const page = html === undefined ? null : await checkPagePath(html, io.workingDirectory);
  const templates = await readTemplates(options.template ?? [], io.workingDirectory, { signal });
  const texts = await readOwnQueries(context);

  const session = await openSession(context);
  const { tenant, entity } = selectOne(session);
  const inUse = {
    provider: routeOf(session.config, tenant, entity.name).provider,
    template: OWN_TEMPLATE,
  };
  const variants = variantsOf(
    { providers: options.provider ?? [], templates },
    inUse,
    session.config.providers,
  );
  const sourceOf = await openSources(session.database, entity, tenant, variants, { signal });
  const [baseline] = variants;
  if (!baseline) throw new Error('a comparison without variants');
  report({ type: 'step', message: 'Drawing the sample' });
  const sample = await drawSample(session.database, sourceOf(baseline), { size, seed, signal });
  const queries = texts === null ? queriesFromLabels(sample, entity.name) : queriesFromTexts(texts);
  const queriesFrom = texts === null ? 'labels' : 'file';
  const prepared: Prepared = { tenant, entity, variants, sample, queries, queriesFrom };
  if (options.dryRun) return planOf(prepared, top);
  warnOfChance(sample.withText.length, top, report);

  const task = { variants, sourceOf, sample, queries, top };
  const { results, failed } = await runVariants(session.database, task, { report, signal });
  const [failure] = failed;
  if (failure && results.length < 2) throw failure.error;
  const comparison = comparisonOf({
    tenant,
    entity: entity.name,
    seed,
    top,
    queriesFrom,
    sample,
    queries,
    results,
    failed,
  });
  if (page !== null && html !== undefined)
    await writePage(page, comparisonPage(comparison, new Date()), html);
  const result: CommandResult = {
    text: comparisonText(comparison),
    json: { comparison, html: page },
    summary: html === undefined ? [] : [`Wrote ${html}`],
  };
  if (!failure) return result;
  // What is left is worth showing; the exit code says that it is not what was asked for.
  context.partial = () => result;
  for (const { variant, error } of failed) {
    const reason = error === failure.error ? '' : `: ${error.message}`;
    report({ type: 'warning', message: `${variant.name} is left out${reason}` });
  }
  throw failure.error;
};

async function readOwnQueries(context: CommandContext<CompareFlags>): Promise<string[] | null> {
  const { options, io, report } = context;
  if (options.queries === undefined) return null;
  report({ type: 'step', message: 'Reading the queries' });
  const openStdin = () => io.stdin as Readable;
  return readQueries(options.queries, io.workingDirectory, { signal: io.stop.stop, openStdin });
}

/** @throws {VecpipeError} `usage` that says which flag to add */
function selectOne({ tenants, entities }: Session): { tenant: string; entity: Entity } {
  const [tenant, ...moreTenants] = tenants;
  const [entity, ...moreEntities] = entities;
  if (tenant === undefined || entity === undefined) throw new Error('a session that selects nothing');
  if (moreTenants.length > 0) {
    throw usageError(
      'tenant_required',
      `compare looks at one tenant at a time, and ${tenants.length} are selected`,
      `add --tenant <id> (${tenants.slice(0, 10).join(', ')})`,
    );
  }
  if (moreEntities.length > 0) {
    const names = entities.map(({ name }) => name);
    throw usageError(
      'entity_required',
      `compare looks at one entity at a time, and ${entities.length} are selected`,
      `add --entity <name> (${names.slice(0, 10).join(', ')})`,
    );
  }
  return { tenant, entity };
}

/** Two lists of k rows drawn blindly from n have k / n of them in common. */
function warnOfChance(rows: number, top: number, report: Report): void {
  const byChance = Math.min(1, top / rows);
  if (byChance < 0.2) return;
  const message = `of ${rows} rows with text, lists of ${top} have ${share(byChance)} in common by chance; take a smaller --top or a larger --sample`;
  report({ type: 'warning', message });
}

/** What would be embedded. Embedding is what costs, so a dry run ends before it. */
function planOf(
  { tenant, entity, variants, sample, queries, queriesFrom }: Prepared,
  top: number,
): CommandResult {
  const rows = { total: sample.total, sampled: sample.rows.length, withText: sample.withText.length };
  const names = variants.map(({ name, provider, template }) => ({
    name,
    provider: provider.name,
    template: template.name,
  }));
  const lines = [
    `Would compare ${names.map(({ name }) => name).join(', ')}`,
    `on ${rows.sampled} of ${rows.total} rows of ${entity.name} (tenant ${tenant}), ${rows.withText} of them with text,`,
    `with ${queryCount(queries.length, queriesFrom)} and ${neighbours(top)} each`,
  ];
  const plan = {
    tenant,
    entity: entity.name,
    variants: names,
    rows,
    queries: queries.map(({ text }) => text),
    top,
  };
  return { text: lines.join('\n'), json: { plan } };
}
