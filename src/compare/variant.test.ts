import { describe, expect, it } from 'vitest';
import { staticConfig } from '../../test/helpers/provider-configs.ts';
import type { ProviderConfig } from '../config/provider-config.ts';
import { OWN_TEMPLATE } from './template-choice.ts';
import { variantsOf } from './variant.ts';

const configured = new Map(
  ['static', 'gateway', 'local'].map((name): [string, ProviderConfig] => [name, staticConfig({ name })]),
);
const inUse = { provider: 'static', template: OWN_TEMPLATE };
const short = { name: 'short.liquid', text: '{{ name }}' };
const long = { name: 'long.liquid', text: '{{ name }} {{ description }}' };

const of = (providers: string[], templates: (typeof short | typeof OWN_TEMPLATE)[]) =>
  variantsOf({ providers, templates }, inUse, configured).map(({ name, provider, template }) => [
    name,
    provider.name,
    template.name,
  ]);

describe('variants', () => {
  it('are what is in use against the one thing that is given', () => {
    expect(of(['gateway'], [])).toEqual([
      ['static', 'static', 'own'],
      ['gateway', 'gateway', 'own'],
    ]);
    expect(of([], [short])).toEqual([
      ['own', 'static', 'own'],
      ['short.liquid', 'static', 'short.liquid'],
    ]);
    expect(of(['gateway'], [short])).toEqual([
      ['static · own', 'static', 'own'],
      ['gateway · short.liquid', 'gateway', 'short.liquid'],
    ]);
  });

  it('are what is given where that is several, in its order', () => {
    expect(of(['local', 'gateway', 'local'], [])).toEqual([
      ['local', 'local', 'own'],
      ['gateway', 'gateway', 'own'],
    ]);
    expect(of([], [long, OWN_TEMPLATE])).toEqual([
      ['long.liquid', 'static', 'long.liquid'],
      ['own', 'static', 'own'],
    ]);
    expect(of(['gateway', 'local'], [short, OWN_TEMPLATE]).map(([name]) => name)).toEqual([
      'gateway · short.liquid',
      'gateway · own',
      'local · short.liquid',
      'local · own',
    ]);
  });

  it('have to be two', () => {
    const tooFew = expect.objectContaining({
      family: 'usage',
      code: 'variants_too_few',
      hint: 'add --provider <name> (gateway, local) or --template <file|text>',
    }) as Error;
    for (const [providers, templates] of [
      [[], []],
      [['static'], []],
      [['static', 'static'], [OWN_TEMPLATE]],
    ] as const) {
      expect(() => of([...providers], [...templates])).toThrow(tooFew);
    }
  });

  it('name an unknown provider and the one that was meant', () => {
    const unknown = (hint: string) =>
      expect.objectContaining({ family: 'usage', code: 'provider_unknown', hint }) as unknown as Error;
    expect(() => of(['gatway'], [])).toThrow(unknown('did you mean gateway?'));
    expect(() => of(['openai'], [])).toThrow(unknown('the config has static, gateway, local'));
  });
});
