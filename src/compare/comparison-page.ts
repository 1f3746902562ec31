import { createHash } from 'node:crypto';
import type { ComparedAnswer, ComparedNeighbour, ComparedQuery, Comparison } from './comparison.ts';
import { neighbours, queryCount, share } from './format.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { measureTable } from './measure-table.ts';
import { PAGE_STYLE } from './page-style.ts';

/** Stands near the start of every report and of nothing else. */
export const PAGE_MARK = '<meta name="generator" content="vecpipe compare">';

/** Queries that are shown unfolded. */
const OPEN_QUERIES = 10;

/**
 * A comparison as one HTML page that loads nothing and runs nothing, so it can be sent around and opened from
 * disk: its policy allows the one style sheet by its hash, and nothing else.
 */
export function comparisonPage(comparison: Comparison, madeAt: Date): string {
  const { entity, tenant, sampled, rows, seed, queries, queriesFrom, top } = comparison;
  const styleHash = createHash('sha256').update(PAGE_STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'`;
  const asked = queryCount(queries.length, queriesFrom);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        ${{ markup: PAGE_MARK }}
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${entity} compared</title>
        ${{ markup: `<style>${PAGE_STYLE}</style>` }}
      </head>
      <body>
        <h1>${entity} compared</h1>
        <p>${sampled} of ${rows} rows of tenant ${tenant}, ${asked}, ${neighbours(top)} each.</p>
        <p class="quiet">
          Sample ${seed}, made ${madeAt.toISOString().slice(0, 16).replace('T', ' ')} UTC by vecpipe compare.
        </p>
        ${failedPart(comparison)}
        <h2>Measures</h2>
        ${measuresPart(comparison)}
        <h2>Neighbours</h2>
        ${legendPart(comparison)} ${queriesPart(comparison)}
      </body>
    </html> `.markup;
}

function failedPart({ failed }: Comparison): Html {
  if (failed.length === 0) return html``;
  const items = failed.map(({ name, message }) => html`<li>${name}: ${message}</li> `);
  return html`<h2>Left out</h2>
    <ul>
      ${items}
    </ul> `;
}

function measuresPart(comparison: Comparison): Html {
  const heads = comparison.variants.map(
    ({ name }, index) =>
      html`<th scope="col">${name}${index === 0 ? html` <small>baseline</small>` : ''}</th>`,
  );
  const lines = measureTable(comparison).map(
    ({ name, meaning, cells }) =>
      html`<tr>
        <th scope="row">${name}<small>${meaning}</small></th>
        ${cells.map((cell) => html`<td>${cell}</td>`)}
      </tr> `,
  );
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <td></td>
          ${heads}
        </tr>
      </thead>
      <tbody>
        ${lines}
      </tbody>
    </table>
  </div>`;
}

function legendPart({ queriesFrom }: Comparison): Html {
  const own = queriesFrom === 'labels' ? html` Bold: the row whose label is the query.` : '';
  return html`<p class="quiet">
    Queries that differ most come first. Beside a row stand its score and how it has moved against the
    baseline: <span class="up">↑1</span> up, <span class="down">↓1</span> down,
    <span class="new">new</span> not among the baseline's.${own}
  </p>`;
}

function queriesPart(comparison: Comparison): Html[] {
  return comparison.queries
    .map((query) => ({ query, overlap: meanOverlap(query) }))
    .toSorted((a, b) => (a.overlap ?? 1) - (b.overlap ?? 1))
    .map(({ query, overlap }, index) => {
      const answers = comparison.variants.map(({ name }, variant) =>
        answerPart(name, query.answers[variant] ?? null, variant === 0 ? null : (query.answers[0] ?? null)),
      );
      return html`<details${index < OPEN_QUERIES ? html` open` : ''}><summary>${query.text} <small>overlap ${share(overlap)}</small></summary>
<div class="answers">
${answers}</div></details>
`;
    });
}

function meanOverlap({ answers }: ComparedQuery): number | null {
  const overlaps = answers.map((answer) => answer?.overlap ?? null).filter((overlap) => overlap !== null);
  return overlaps.length === 0 ? null : overlaps.reduce((sum, each) => sum + each, 0) / overlaps.length;
}

/** @param baseline null for the baseline's own answer, and where it has none */
function answerPart(name: string, answer: ComparedAnswer | null, baseline: ComparedAnswer | null): Html {
  if (answer === null)
    return html`<section class="answer">
      <h3>${name}</h3>
      <p class="quiet">The provider refused the query.</p>
    </section> `;
  const items = answer.neighbours.map((each, rank) =>
    neighbourPart(each, baseline === null ? null : moveOf(each, rank + 1)),
  );
  const keys = new Set(answer.neighbours.map(({ key }) => key));
  const gone = (baseline?.neighbours ?? []).filter(({ key }) => !keys.has(key)).map(({ label }) => label);
  const list =
    items.length === 0
      ? html`<p class="quiet">No row.</p>`
      : html`<ol>
          ${items}
        </ol>`;
  const missing =
    gone.length === 0 ? '' : html` <p><small>Not among them any more: ${gone.join(', ')}</small></p>`;
  return html`<section class="answer">
    <h3>${name}</h3>
    ${list}${missing}
  </section> `;
}

function neighbourPart({ key, label, score, isWanted }: ComparedNeighbour, move: Html | null): Html {
  const name = isWanted ? html`<span class="wanted">${label}</span>` : label;
  const shownKey = key === label ? '' : html` <small>${key}</small>`;
  return html`<li>
    ${name}${shownKey} <small>${score.toFixed(3)}</small>${move === null ? '' : html` ${move}`}
  </li> `;
}

function moveOf({ baselineRank }: ComparedNeighbour, rank: number): Html {
  if (baselineRank === null) return html`<span class="new">new</span>`;
  if (baselineRank === rank) return html``;
  return rank < baselineRank
    ? html`<span class="up">↑${baselineRank - rank}</span>`
    : html`<span class="down">↓${rank - baselineRank}</span>`;
}
