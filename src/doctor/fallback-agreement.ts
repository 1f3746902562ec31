import { refuseOther } from '../providers/router/refuse-other.ts';
import { fail, ok } from './check.ts';
import type { Finding } from './check.ts';
import type { ProbedProvider } from './provider-probe.ts';
import { cosine } from '../util/vector-math.ts';

/** Two roundings of one model (int8 and float) stay above it; two models never do. */
const LEAST_COSINE = 0.98;

/**
 * Whether a fallback gives the vectors of the provider that it steps in for. Equal names do not prove it: what an
 * endpoint serves under a name is its own business.
 * @throws {VecpipeError} usage `fallback_mismatch` when model or width differ already
 */
export function checkFallback(
  primary: { name: string; probed: ProbedProvider },
  fallback: { name: string; probed: ProbedProvider },
): Finding {
  refuseOther(primary.probed, primary.name, fallback.probed, fallback.name);
  const similarity = cosine(primary.probed.vector, fallback.probed.vector);
  const found = `cosine ${similarity.toFixed(4)} between their vectors of one text`;
  // Also when it is not a number.
  if (!(similarity >= LEAST_COSINE)) {
    return fail(
      `${found}, and at least ${LEAST_COSINE} is needed: a collection would get vectors of two kinds`,
      `name another fallback for ${primary.name}, or none; or make both serve the same weights, pooling and prefixes`,
    );
  }
  return ok(found);
}
