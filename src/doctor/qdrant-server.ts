import type { StoreConfig } from '../config/config.ts';
import type { CallOptions } from '../ports/database.ts';
import { QdrantApi } from '../stores/qdrant/qdrant-api.ts';
import { QdrantHttp } from '../stores/qdrant/qdrant-http.ts';
import { versionShape } from '../stores/qdrant/qdrant-shapes.ts';
import { parseQdrantUrl } from '../stores/qdrant/qdrant-url.ts';
import { readVersion } from '../stores/qdrant/qdrant-version.ts';
import { shownMs } from './check.ts';

const DEADLINE_MS = 5_000;

/**
 * Version and speed of a Qdrant that was opened before, on a connection of its own, for people.
 * @throws {VecpipeError} as opening the store does
 */
export async function describeQdrant(
  { url, apiKey }: Extract<StoreConfig, { kind: 'qdrant' }>,
  { signal }: CallOptions,
): Promise<string> {
  await using http = new QdrantHttp({
    url: parseQdrantUrl(url),
    apiKey,
    connectTimeoutMs: DEADLINE_MS,
    answerTimeoutMs: DEADLINE_MS,
  });
  const api = new QdrantApi(http, { maxAttempts: 1, deadlineMs: DEADLINE_MS });
  const ask = async () => {
    const answer = await api.send({ method: 'GET', path: '/', readAnswer: readVersion }, signal);
    return api.result(answer, versionShape, 'tell its version');
  };
  const { version } = await ask();
  // The first one made the connection.
  const startedAt = performance.now();
  await ask();
  return `version ${version}, answers in ${shownMs(performance.now() - startedAt)}`;
}
