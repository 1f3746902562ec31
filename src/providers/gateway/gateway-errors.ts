import type { GatewayProviderConfig } from '../../config/provider-config.ts';
import { unavailableError, usageError } from '../../errors/vecpipe-error.ts';
import type { VecpipeError } from '../../errors/vecpipe-error.ts';
import { shownReason } from './shown-reason.ts';

/** More are only counted. */
const SHOWN_ATTEMPTS = 8;

/** What went wrong before, for a message. */
export interface Attempts {
  /** One each, such as `503`. */
  failures: readonly string[];
  elapsedMs: number;
}

/**
 * The errors of one gateway, each naming provider, model and URL. None has a cause: what the SDK and the HTTP client
 * throw may hold a request with its key and its texts.
 */
export class GatewayErrors {
  readonly #config: GatewayProviderConfig;
  readonly #place: string;
  readonly #secrets: readonly string[];

  constructor(config: GatewayProviderConfig, shownUrl: string) {
    this.#config = config;
    this.#place = `provider ${config.name} (model ${config.model} at ${shownUrl})`;
    const { password } = new URL(config.baseURL);
    this.#secrets = [config.apiKey ?? '', decodeURIComponent(password), password];
  }

  disposed(): Error {
    return new Error(`${this.#place} has been disposed`);
  }

  /** What the endpoint says of a text that it refuses, fit to be shown. */
  reasonFor(reason: string, texts: readonly string[]): string {
    return shownReason(reason, texts, this.#secrets);
  }

  gaveUp(attempts: Attempts): VecpipeError {
    return unavailableError(
      'provider_unavailable',
      `${this.#place} did not answer: ${summary(attempts)}`,
      'run the same command again when the endpoint is back; `retrySeconds` of the provider is how long a request is tried again',
    );
  }

  limited(waitMs: number | null, attempts: Attempts | null): VecpipeError {
    const tried = attempts === null ? '' : `: ${summary(attempts)}`;
    const when = waitMs === null ? '' : `, and asks to be left alone for ${duration(waitMs)}`;
    return unavailableError(
      'provider_rate_limited',
      `${this.#place} takes no more requests for now${when}${tried}`,
      waitMs === null
        ? 'run the same command again later, or set `requestsPerMinute` of the provider to its limit'
        : `run the same command again in ${duration(waitMs)}, or set \`retrySeconds\` of the provider to more than that`,
    );
  }

  outOfQuota(reason: string, texts: readonly string[]): VecpipeError {
    return unavailableError(
      'provider_quota',
      `${this.#place} says that the quota of its account is used up${this.#quote(reason, texts)}`,
      'raise the quota or the budget there, then run the same command again',
    );
  }

  unauthorized(status: number): VecpipeError {
    const { apiKey, apiKeyEnv } = this.#config;
    return unavailableError(
      'provider_auth',
      apiKey === null
        ? `${this.#place} asks for a key (status ${status}), and the environment variable ${apiKeyEnv} holds none`
        : `${this.#place} does not accept the key in the environment variable ${apiKeyEnv} (status ${status})`,
      `set ${apiKeyEnv} to a key that may use this model; \`apiKeyEnv\` of the provider names the variable`,
    );
  }

  notFound(status: number, reason: string, texts: readonly string[]): VecpipeError {
    return unavailableError(
      'provider_not_found',
      `${this.#place} is not there (status ${status})${this.#quote(reason, texts)}`,
      'check `model` and `baseURL` of the provider: the URL is everything before /embeddings',
    );
  }

  refusedRequest(status: number | null, reason: string, texts: readonly string[]): VecpipeError {
    const shown = status === null ? '' : ` (status ${status})`;
    return unavailableError(
      'provider_refused_request',
      `${this.#place} refuses every request${shown}${this.#quote(reason, texts)}`,
      'check `model`, `dimensions` and `sendDimensions` of the provider',
    );
  }

  contract(what: string, isWidth: boolean): VecpipeError {
    return unavailableError(
      'provider_contract',
      `${this.#place} answered ${what}`,
      isWidth
        ? 'nothing of that answer was stored; set `dimensions` of the provider to the width of the model, and `sendDimensions` if the model can be asked for another width'
        : 'nothing of that answer was stored; check that `baseURL` is everything before /embeddings of an endpoint that speaks the OpenAI protocol',
    );
  }

  brokenAnswers(attempts: Attempts): VecpipeError {
    return this.contract(`something else than vectors: ${summary(attempts)}`, false);
  }

  #quote(reason: string, texts: readonly string[]): string {
    const shown = this.reasonFor(reason, texts);
    return shown === '' ? '' : `: ${shown}`;
  }
}

/** @throws {VecpipeError} usage: `api_key_missing`, or `api_key_invalid` for one that no header can carry */
export function checkApiKey({ name, apiKey, apiKeyEnv, needsApiKey }: GatewayProviderConfig): void {
  if (apiKey === null) {
    if (!needsApiKey) return;
    throw usageError(
      'api_key_missing',
      `provider ${name} needs an API key, and the environment variable ${apiKeyEnv} is not set`,
      `set ${apiKeyEnv}, or name another variable with \`apiKeyEnv\` of the provider`,
    );
  }
  if (/^[\x20-\x7e]+$/.test(apiKey)) return;
  throw usageError(
    'api_key_invalid',
    `the environment variable ${apiKeyEnv}, the API key of provider ${name}, has characters that no header can carry`,
    `set ${apiKeyEnv} again, without line breaks or anything but plain letters, digits and signs`,
  );
}

function summary({ failures, elapsedMs }: Attempts): string {
  const shown = failures.slice(0, SHOWN_ATTEMPTS);
  const rest = failures.length > shown.length ? ', …' : '';
  const attempts = failures.length === 1 ? '1 attempt' : `${failures.length} attempts`;
  return `${attempts} in ${duration(elapsedMs)}: ${shown.join(', ')}${rest}`;
}

function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  return seconds < 7200 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 360) / 10} h`;
}
