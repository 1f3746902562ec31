import type { ProviderConfig } from '../config/provider-config.ts';
import { usageError } from '../errors/vecpipe-error.ts';
import { nearest } from '../util/did-you-mean.ts';
import type { TemplateChoice } from './template-choice.ts';

/** One way to turn rows into vectors. */
export interface Variant {
  /** Says what sets it apart from the others of the comparison, and differs from theirs. */
  name: string;
  provider: ProviderConfig;
  template: TemplateChoice;
}

export interface VariantWishes {
  /** Names as given; none means the one in use. */
  providers: readonly string[];
  /** Without repetitions; none means the one in use. */
  templates: readonly TemplateChoice[];
}

/** What the tenant's entity is embedded with today. */
export interface InUse {
  provider: string;
  template: TemplateChoice;
}

/**
 * Every wished provider with every wished template, providers in the order given and for each of them the
 * templates in theirs. What makes only one variant is compared with what is in use, which then comes first.
 * @returns two or more; the first is the baseline
 * @throws {VecpipeError} usage: `provider_unknown`, or `variants_too_few` when there is nothing to compare
 */
export function variantsOf(
  wishes: VariantWishes,
  inUse: InUse,
  configured: ReadonlyMap<string, ProviderConfig>,
): Variant[] {
  const providers = wishes.providers.length === 0 ? [inUse.provider] : [...new Set(wishes.providers)];
  const templates = wishes.templates.length === 0 ? [inUse.template] : wishes.templates;
  const wished = providers.flatMap((provider) => templates.map((template) => ({ provider, template })));
  const [only, ...others] = wished;
  const pairs = only !== undefined && others.length === 0 ? [inUse, only] : wished;
  // The templates' own names differ, so the pair of names tells two variants apart.
  const names = new Set(pairs.map(({ provider, template }) => pairName(provider, template)));
  if (names.size < 2) {
    throw usageError(
      'variants_too_few',
      `there is only one variant, provider ${inUse.provider} with the template that is in use, and nothing to compare it with`,
      `add --provider <name> (${otherNames(configured, inUse.provider)}) or --template <file|text>`,
    );
  }
  const isProviderSame = new Set(pairs.map(({ provider }) => provider)).size === 1;
  const isTemplateSame = new Set(pairs.map(({ template }) => template.name)).size === 1;
  return pairs.map(({ provider, template }) => ({
    name: isTemplateSame ? provider : isProviderSame ? template.name : pairName(provider, template),
    provider: find(provider, configured),
    template,
  }));
}

function pairName(provider: string, template: TemplateChoice): string {
  return `${provider} · ${template.name}`;
}

function find(name: string, configured: ReadonlyMap<string, ProviderConfig>): ProviderConfig {
  const found = configured.get(name);
  if (found) return found;
  const names = [...configured.keys()];
  const suggestion = nearest(name, names);
  throw usageError(
    'provider_unknown',
    `--provider ${name} is not in the config`,
    suggestion === null ? `the config has ${names.slice(0, 20).join(', ')}` : `did you mean ${suggestion}?`,
  );
}

function otherNames(configured: ReadonlyMap<string, ProviderConfig>, used: string): string {
  const others = [...configured.keys()].filter((name) => name !== used);
  return others.length === 0 ? 'name another one under `providers:` first' : others.slice(0, 20).join(', ');
}
