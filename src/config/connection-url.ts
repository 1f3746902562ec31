/**
 * What is wrong with the URL of a Postgres server, to follow its name and a space; null when nothing is. Never
 * quotes the URL, which may hold a password.
 */
export function postgresUrlProblem(url: string): string | null {
  const [, authority, rest] = /^postgres(?:ql)?:\/\/([^/?#]*)(.*)$/is.exec(url) ?? [];
  if (authority === undefined || rest === undefined) return 'must begin with postgres:// or postgresql://';
  // A password with a bare / ? or # ends the authority too early, and its tail would pass for a database name.
  const isCutShort = rest.includes('#') || (!authority.includes('@') && rest.includes('@'));
  return URL.canParse(url) && !isCutShort
    ? null
    : 'cannot be read; characters such as / # ? % @ : in a password must be percent-encoded';
}

/** The same for the URL of a Qdrant server or of a gateway. */
export function httpUrlProblem(url: string): string | null {
  if (!/^https?:\/\//i.test(url)) return 'must begin with http:// or https://';
  return URL.canParse(url) ? null : 'cannot be read as a URL';
}

/** Server, port and database of a Postgres URL; no user, password or query string. */
export function shownPostgresUrl(url: string): string {
  const parsed = new URL(url);
  // Sockets are named by `?host=/folder`, with nothing where the host name usually is.
  const host = parsed.host === '' ? (parsed.searchParams.get('host') ?? 'localhost') : parsed.host;
  return `${decode(host)}${decode(parsed.pathname)}`;
}

/** Scheme, server, port and path of such a URL; no user, password or query string. */
export function shownHttpUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname.replace(/\/+$/, '');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
