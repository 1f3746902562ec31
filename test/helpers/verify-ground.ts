import { openRowSource } from '../../src/sources/rows/open-row-source.ts';
import type { Finding } from '../../src/verify/finding.ts';
import type { Unit } from '../../src/verify/unit.ts';
import { noVerification, verify } from '../../src/verify/verify.ts';
import type { Verification, VerifyRunOptions } from '../../src/verify/verify.ts';
import type { Items, PipelineContext } from './pipeline.ts';

/** The collection of some items as the command makes it; of several, when tenants share one. */
export function unitOf({ database }: PipelineContext, all: readonly Items[], isWhole = true): Unit {
  const [{ entity, tenant }] = all as [Items];
  return {
    collection: entity.collection.replace('{tenant}', tenant),
    entity: entity.name,
    isWhole,
    sources: all.map((items) => ({
      tenant: items.tenant,
      open: (template, options) =>
        openRowSource(
          database,
          { ...items.entity, text: template ?? items.entity.text },
          items.tenant,
          options,
        ),
    })),
  };
}

export interface Verified extends Verification {
  /** Every finding, in order. */
  all: Finding[];
  /** `kind key#chunk`, sorted. */
  names: string[];
}

/** One verification with every finding that it made. */
export async function verifyUnit(
  context: PipelineContext,
  unit: Unit,
  { onFound, ...changes }: Partial<VerifyRunOptions> = {},
): Promise<Verified> {
  const all: Finding[] = [];
  const result = await verify(
    { report: () => {}, ...context },
    [unit],
    {
      isFast: false,
      withVectors: false,
      sample: 0,
      seed: 1,
      examples: 10,
      providerOf: async () => null,
      onFound: async (each, confirmed) => {
        all.push(...confirmed.map(({ finding }) => finding));
        await onFound?.(each, confirmed);
      },
      ...changes,
    },
    noVerification(),
  );
  const names = all.map(
    ({ kind, key, chunk }) => `${kind} ${key ?? '-'}${chunk === null ? '' : `#${chunk}`}`,
  );
  return { ...result, all, names: names.toSorted() };
}
