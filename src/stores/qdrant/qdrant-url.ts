import type { VecpipeError } from '../../errors/vecpipe-error.ts';
import { usageError } from '../../errors/vecpipe-error.ts';

/** A Qdrant address taken apart. */
export interface QdrantUrl {
  /** Scheme, host and port. */
  origin: string;
  /** What a proxy puts before Qdrant's own paths, without a slash at its end; mostly empty. */
  basePath: string;
  /** The address for people and for the store's identity: normalised, without user, password or query. */
  shown: string;
  /** Value of the `authorization` header when the address holds a user and a password, as proxies ask for. */
  basicAuthorization: string | null;
}

/** @throws {VecpipeError} `usage` when it is not an http or https address */
export function parseQdrantUrl(url: string): QdrantUrl {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) throw urlInvalid();
  const basePath = parsed.pathname.replace(/\/+$/, '');
  return {
    origin: parsed.origin,
    basePath,
    shown: parsed.origin + basePath,
    basicAuthorization: basicAuthorization(parsed),
  };
}

function basicAuthorization({ username, password }: URL): string | null {
  if (username === '' && password === '') return null;
  try {
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(credentials).toString('base64')}`;
  } catch (error) {
    // A percent sign that begins no escape.
    throw urlInvalid(error);
  }
}

function urlInvalid(cause?: unknown): VecpipeError {
  return usageError(
    'store_url_invalid',
    'the address of Qdrant (QDRANT_URL) is not an http or https URL',
    'set it to something like http://localhost:6333',
    cause,
  );
}
