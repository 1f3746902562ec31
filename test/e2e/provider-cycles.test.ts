import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { openGatewayServer } from '../helpers/gateway-server.ts';
import type { GatewayServer } from '../helpers/gateway-server.ts';
import { expectCleanCycles } from '../helpers/provider-cycles.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

describe.concurrent('opening, using and closing again and again leaves nothing behind', () => {
  let gateway: GatewayServer;
  beforeAll(async () => {
    gateway = await openGatewayServer({ dimensions: 8 });
  });
  afterAll(() => gateway[Symbol.asyncDispose]());

  test('10,000 times a gateway', { timeout: 120_000 }, async () => {
    const options = { kind: 'gateway', baseURL: gateway.url, model: 'm', dimensions: 8 } as const;
    await expectCleanCycles(options, 10_000, 40);
    await gateway.deserted();
  });

  test('10,000 times a static model', { timeout: 120_000 }, async () => {
    await expectCleanCycles({ kind: 'static', model: fixture('models/tiny-plain') }, 10_000, 40);
  });
});
