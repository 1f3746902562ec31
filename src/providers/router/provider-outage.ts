import { VecpipeError } from '../../errors/vecpipe-error.ts';
import { Outage } from '../../lifetime/outage.ts';
import type { WaitOptions } from '../../lifetime/outage.ts';

/**
 * What passes by itself. Not a used up quota, a refused key or an answer that is not vectors; nor a crashed worker
 * thread of a local model, which would only crash again.
 */
const OUTAGES: ReadonlySet<string> = new Set(['provider_unavailable', 'provider_rate_limited']);

/** While its circuit is open, a provider is as far away as the error that opened it says. */
const CIRCUIT_OPEN = 'provider_down';

/** For one route: what was never answered in this run is not waited for. The opener disposes. */
export function openProviderOutage(name: string, options: WaitOptions): Outage {
  return new Outage({
    ...options,
    service: `Provider ${name}`,
    hasAnswered: false,
    isCostly: true,
    isOutage: (error) => OUTAGES.has(reasonOf(error).code),
  });
}

function reasonOf(error: VecpipeError): VecpipeError {
  return error.code === CIRCUIT_OPEN && error.cause instanceof VecpipeError ? error.cause : error;
}
