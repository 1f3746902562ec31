/** For people: `0.8 s`, `12 s`, `5 min`, `2 h`. */
export function shownDuration(durationMs: number): string {
  const seconds = durationMs / 1000;
  if (seconds < 10) return `${round(seconds)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${round(seconds / 60)} min`;
  return `${round(seconds / 3600)} h`;
}

function round(number: number): string {
  return String(Math.round(number * 10) / 10);
}
