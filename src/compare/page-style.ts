/** The report's one style sheet: light and dark, and one column on a phone. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fff; --text: #1c1e21; --quiet: #5d6470; --line: #d9dde3; --raised: #f5f6f8;
  --good: #116329; --bad: #a40e26; --new: #0550ae;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171c; --text: #e4e7eb; --quiet: #9aa3af; --line: #343a43; --raised: #1d2128;
    --good: #6fdd8b; --bad: #ff9492; --new: #80bdff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 80rem; padding: 1rem; background: var(--ground); color: var(--text);
  font: 1rem/1.45 system-ui, sans-serif;
}
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: .95rem; margin: 0 0 .4rem; }
p { margin: .25rem 0; }
.quiet, small { color: var(--quiet); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody th { font-weight: normal; min-width: 9rem; }
tbody th small { display: block; max-width: 22rem; }
td { overflow-wrap: anywhere; min-width: 5rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; }
summary { padding: .5rem .75rem; cursor: pointer; overflow-wrap: anywhere; }
.answers {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr)); gap: .75rem;
  padding: 0 .75rem .75rem;
}
.answer { background: var(--raised); border-radius: .3rem; padding: .6rem .75rem; min-width: 0; }
ol { margin: 0; padding-left: 1.8rem; font-variant-numeric: tabular-nums; }
li { padding: .1rem 0; overflow-wrap: anywhere; }
.up { color: var(--good); } .down { color: var(--bad); } .new { color: var(--new); }
.up, .down, .new { font-size: .85rem; font-weight: 600; white-space: nowrap; }
.wanted { font-weight: 600; }
`;
