import { expect, test } from 'vitest';
import { gatewayConfig, localConfig, staticConfig } from '../../test/helpers/provider-configs.ts';
import type { ProviderConfig } from '../config/provider-config.ts';
import { shareLimits } from './share-limits.ts';

const sharedBy = (processes: number, provider: ProviderConfig, cores = 8) =>
  shareLimits(new Map([['one', provider]]), processes, cores).get('one');

test('a local model without numbers of its own gets its part of the cores, and one at least', () => {
  const open = localConfig({ workers: null, threads: null });
  expect(sharedBy(4, open)).toMatchObject({ workers: 2, threads: 1 });
  expect(sharedBy(4, open, 2)).toMatchObject({ workers: 1, threads: 1 });
  expect(sharedBy(4, localConfig({ workers: 3, threads: null }))).toMatchObject({
    workers: 3,
    threads: null,
  });
});

test('an endpoint sees no more requests than from one process', () => {
  const limited = gatewayConfig({ maxConcurrency: 16, requestsPerMinute: 600 });
  expect(sharedBy(4, limited)).toMatchObject({ maxConcurrency: 4, requestsPerMinute: 150 });
  const free = gatewayConfig({ maxConcurrency: 3, requestsPerMinute: null });
  expect(sharedBy(4, free)).toMatchObject({ maxConcurrency: 1, requestsPerMinute: null });
});

test('one process has everything, and the static model has nothing to share', () => {
  const limited = gatewayConfig();
  expect(sharedBy(1, limited)).toBe(limited);
  const model = staticConfig();
  expect(sharedBy(4, model)).toBe(model);
});
