/**
 * Listens to each signal once, however many calls it belongs to: Node takes more than ten listeners of one signal
 * for a leak and warns on stderr.
 */
export class SignalHub {
  readonly #heard = new Map<AbortSignal, { callbacks: Set<() => void>; listener: () => void }>();

  /** Calls back once when the signal aborts; returns what removes the callback. The signal has not aborted yet. */
  listen(signal: AbortSignal, callback: () => void): () => void {
    let heard = this.#heard.get(signal);
    if (!heard) {
      const callbacks = new Set<() => void>();
      const listener = () => {
        this.#heard.delete(signal);
        for (const each of callbacks) each();
      };
      heard = { callbacks, listener };
      this.#heard.set(signal, heard);
      signal.addEventListener('abort', listener, { once: true });
    }
    const { callbacks, listener } = heard;
    callbacks.add(callback);
    return () => {
      callbacks.delete(callback);
      if (callbacks.size > 0 || !this.#heard.has(signal)) return;
      this.#heard.delete(signal);
      signal.removeEventListener('abort', listener);
    };
  }
}
