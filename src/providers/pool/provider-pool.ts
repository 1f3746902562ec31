import type { ProviderConfig } from '../../config/provider-config.ts';
import { waitOrAbort } from '../../lifetime/abort.ts';
import { Scope } from '../../lifetime/scope.ts';
import type { CleanupWarning } from '../../lifetime/scope.ts';
import type { CallOptions } from '../../ports/database.ts';
import type { EmbeddingProvider, OpenProviderOptions } from '../../ports/embedding-provider.ts';
import type { Report } from '../../ports/run-events.ts';
import { stableJson } from '../../util/hash.ts';
import { openProvider } from '../open-provider.ts';

export interface PoolOptions {
  /** Providers open at once at the most, those that are being opened or closed included. */
  maxModels: number;
  /** Told about downloads and steps of what is opened, and warned of cleanups that fail. Must not throw. */
  report?: Report;
  /** Left out: the program's own. */
  open?: (config: ProviderConfig, options: OpenProviderOptions) => Promise<EmbeddingProvider>;
}

/** A provider for as long as it is held. The holder disposes; one of a pool stays open for the next. */
export interface ProviderLease extends AsyncDisposable {
  readonly provider: EmbeddingProvider;
}

interface Entry {
  opening: Promise<EmbeddingProvider>;
  /** Ends a load that nobody waits for any more. */
  controller: AbortController;
  /** Owns the provider once it is open. */
  scope: Scope;
  isOpen: boolean;
  users: number;
}

/**
 * Open providers, shared by all who ask for the same config. When a new one is wanted and the pool is full, the
 * least recently used that nobody uses is closed; where all are in use, the caller waits. Concurrent callers of
 * one config share a single load; a load that fails, or that all its callers have given up, leaves nothing
 * behind and can be tried again.
 *
 * Whoever holds a lease while waiting for another one in a pool of one model waits for ever: pass a signal.
 */
export class EmbeddingProviderPool implements AsyncDisposable {
  readonly #maxModels: number;
  readonly #report: Report;
  readonly #open: NonNullable<PoolOptions['open']>;
  readonly #warn: CleanupWarning;
  /** By config, the least recently used first. */
  readonly #entries = new Map<string, Entry>();
  /** Entries that are on their way out and still take memory. */
  readonly #closing = new Set<Promise<void>>();
  #waiting: (() => void)[] = [];
  #isDisposed = false;

  constructor({ maxModels, report = () => {}, open = openProvider }: PoolOptions) {
    if (!(maxModels >= 1)) throw new RangeError(`maxModels must be at least 1, got ${maxModels}`);
    this.#maxModels = maxModels;
    this.#report = report;
    this.#open = open;
    this.#warn = (message) => report({ type: 'warning', message });
  }

  /** Providers that are open or being opened. */
  get size(): number {
    return this.#entries.size;
  }

  /** @throws whatever the provider's opener throws; the signal's reason when aborted */
  async acquire(config: ProviderConfig, { signal }: CallOptions = {}): Promise<ProviderLease> {
    const key = keyOf(config);
    for (;;) {
      if (this.#isDisposed) throw new Error('the provider pool has been disposed');
      signal?.throwIfAborted();
      const entry = this.#entries.get(key);
      if (entry) return this.#join(key, entry, signal);
      if (this.#entries.size + this.#closing.size < this.#maxModels) {
        return this.#join(key, this.#load(key, config), signal);
      }
      const idle = [...this.#entries].find(([, { users }]) => users === 0);
      if (idle) await this.#close(...idle);
      else await this.#change(signal);
    }
  }

  /** Closes every provider, those in use included, whose calls are rejected. Never throws. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    for (const [key, entry] of this.#entries) void this.#close(key, entry);
    this.#announceChange();
    await Promise.all(this.#closing);
  }

  #load(key: string, config: ProviderConfig): Entry {
    const controller = new AbortController();
    const scope = new Scope(this.#warn);
    const opening = this.#open(config, { signal: controller.signal, report: this.#report });
    const entry: Entry = { opening, controller, scope, isOpen: false, users: 0 };
    this.#entries.set(key, entry);
    // Before any caller hears of it: one that comes right after a failure must find nothing left of it.
    entry.opening = opening.then(
      (provider) => {
        entry.isOpen = true;
        scope.use(`provider ${config.name}`, provider);
        return provider;
      },
      (error: unknown) => {
        this.#forget(key, entry);
        throw error;
      },
    );
    entry.opening.catch(() => {});
    return entry;
  }

  async #join(key: string, entry: Entry, signal: AbortSignal | undefined): Promise<ProviderLease> {
    entry.users += 1;
    // The most recently used comes last.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    try {
      const provider = await waitOrAbort(entry.opening, signal);
      return this.#lease(key, entry, provider);
    } catch (error) {
      this.#giveBack(key, entry);
      throw error;
    }
  }

  #lease(key: string, entry: Entry, provider: EmbeddingProvider): ProviderLease {
    let isHeld = true;
    return {
      provider,
      [Symbol.asyncDispose]: async () => {
        if (isHeld) this.#giveBack(key, entry);
        isHeld = false;
      },
    };
  }

  #giveBack(key: string, entry: Entry): void {
    entry.users -= 1;
    if (entry.users === 0 && !entry.isOpen && this.#entries.get(key) === entry) void this.#close(key, entry);
    this.#announceChange();
  }

  /** Takes the entry out and releases what it holds, also when it is still being opened. */
  #close(key: string, entry: Entry): Promise<void> {
    this.#forget(key, entry);
    entry.controller.abort(new Error('nobody waits for the provider any more'));
    const closing = entry.opening
      .then(
        () => entry.scope[Symbol.asyncDispose](),
        () => {},
      )
      .finally(() => {
        this.#closing.delete(closing);
        this.#announceChange();
      });
    this.#closing.add(closing);
    return closing;
  }

  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
    this.#announceChange();
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    return waitOrAbort(new Promise<void>((resolve) => this.#waiting.push(resolve)), signal);
  }

  #announceChange(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}

/** What the provider is, whatever the config calls it and whatever it costs. */
function keyOf(config: ProviderConfig): string {
  return stableJson({
    ...config,
    name: '',
    pricePerMillionTokens: null,
    creditsPerMillionTokens: 0,
    keepVectorsBytes: null,
  });
}
