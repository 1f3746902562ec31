export interface Call {
  method: string;
  args: readonly unknown[];
}

export interface Hooks {
  /** Awaited before the method runs: throw to fail the call, wait to hold it. */
  before?: (call: Call) => unknown;
  /** Awaited after it has succeeded: throw to lose its answer. */
  after?: (call: Call) => unknown;
}

/** The same thing with hooks around every method; properties and disposal are those of the original. */
export function intercept<Target extends object>(target: Target, { before, after }: Hooks): Target {
  return new Proxy(target, {
    get(_target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      const method = (value as (...args: unknown[]) => unknown).bind(target);
      if (typeof name === 'symbol') return method;
      return async (...args: unknown[]) => {
        await before?.({ method: name, args });
        const result = await method(...args);
        await after?.({ method: name, args });
        return result;
      };
    },
  });
}
