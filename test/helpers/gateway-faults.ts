import { seededRandom } from '../contract/vector-store-points.ts';
import type { Behaviour, SeenRequest } from './gateway-server.ts';

/** What an endpoint may do wrong, a kind at a time. */
export const GATEWAY_FAULTS = {
  /** The answer ends too early, or the connection does. */
  cut_bodies: ['truncated', 'cut_json', 'reset'],
  /** Vectors that are not those that were asked for. */
  wrong_counts: ['wrong_count', 'duplicate_index', 'foreign_index', 'wrong_width'],
  /** Errors of whatever stands before the endpoint. */
  bad_gateway: ['html_502', 'error_in_200', { status: 503 }],
  /** No answer, or no end of one. */
  hanging: ['hang', 'hang_in_body'],
} as const satisfies Record<string, readonly Behaviour[]>;

export type GatewayFault = keyof typeof GATEWAY_FAULTS | 'storms';

/** How long a storm lasts. */
const STORM_MS = 300;

/**
 * For `GatewayServerOptions.behave`: a share of the requests goes wrong, the same ones for the same seed. A storm
 * refuses every request for a while; the share is then that of the requests that begin one.
 */
export function gatewayFaults(options: {
  seed: number;
  faults: readonly GatewayFault[];
  share: number;
}): (request: SeenRequest) => Behaviour | null {
  const random = seededRandom(options.seed);
  let stormUntil = -Infinity;
  return () => {
    const isMet = random() < options.share;
    const fault = options.faults[Math.floor(random() * options.faults.length)];
    const place = random();
    if (performance.now() < stormUntil) return { status: 429, headers: { 'retry-after': '0.1' } };
    if (!isMet || fault === undefined) return null;
    if (fault === 'storms') {
      stormUntil = performance.now() + STORM_MS;
      return { status: 429 };
    }
    const behaviours: readonly Behaviour[] = GATEWAY_FAULTS[fault];
    return behaviours[Math.floor(place * behaviours.length)] ?? null;
  };
}
