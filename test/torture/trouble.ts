import { openFaultProxy } from '../helpers/fault-proxy.ts';
import type { ConnectionFault, FaultProxy } from '../helpers/fault-proxy.ts';
import { gatewayFaults } from '../helpers/gateway-faults.ts';
import type { GatewayFault } from '../helpers/gateway-faults.ts';
import type { Behaviour, SeenRequest } from '../helpers/gateway-server.ts';
import type { Ground } from './ground.ts';

export interface TroubleOptions {
  seed: number;
  /** What may be wrong with connections to the database, to Qdrant and to the gateway. */
  connections: readonly ConnectionFault[];
  /** Of the connections, from 0 to 1. */
  connectionShare: number;
  /** What the gateway may answer. */
  gateway: readonly GatewayFault[];
  /** Of the requests, from 0 to 1. */
  gatewayShare: number;
}

/** Everything that processes reach goes wrong now and then, until it is calm. */
export interface Trouble extends AsyncDisposable {
  /** What becomes of a request to the gateway. */
  behave(request: SeenRequest): Behaviour | null;
  /** Connections and answers that have gone wrong so far. */
  readonly count: number;
  /** The same for people. */
  shown(): string;
  /** Nothing goes wrong any more; processes reach everything under the same addresses as before. */
  calm(): void;
}

/** Puts itself between the servers and the processes that the ground starts from now on. */
export async function bringTrouble(ground: Ground, options: TroubleOptions): Promise<Trouble> {
  const { seed, connections, connectionShare } = options;
  const proxies: [name: string, proxy: FaultProxy][] = [];
  const before = async (name: string, target: string) => {
    const proxySeed = seed + proxies.length;
    const proxy = await openFaultProxy(target, {
      seed: proxySeed,
      faults: connections,
      share: connectionShare,
    });
    proxies.push([name, proxy]);
    return proxy.url;
  };
  const { databaseUrl, qdrantUrl, gatewayUrl } = ground.addresses;
  await ground.redirect({
    databaseUrl: await before('the database', databaseUrl),
    qdrantUrl: qdrantUrl === null ? null : await before('Qdrant', qdrantUrl),
    gatewayUrl: await before('the gateway', gatewayUrl),
  });
  const misbehave = gatewayFaults({ seed, faults: options.gateway, share: options.gatewayShare });
  let isCalm = false;
  let badAnswers = 0;
  return {
    behave: (request) => {
      const behaviour = isCalm ? null : misbehave(request);
      if (behaviour !== null) badAnswers += 1;
      return behaviour;
    },
    get count() {
      return proxies.reduce((sum, [, { faulty }]) => sum + faulty, badAnswers);
    },
    shown: () =>
      [
        ...proxies.map(([name, { faulty }]) => `${faulty} connections to ${name}`),
        `${badAnswers} answers`,
      ].join(', '),
    calm: () => {
      isCalm = true;
      for (const [, proxy] of proxies) proxy.calm();
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(proxies.map(([, proxy]) => proxy[Symbol.asyncDispose]()));
    },
  };
}
