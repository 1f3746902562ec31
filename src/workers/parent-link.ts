import type { ParentLink, WorkerMessage, WorkerOrder } from './worker-messages.ts';

/** What a process started with an IPC channel has, https://nodejs.org/api/process.html#processsendmessage-sendhandle-options-callback */
type Channel = Pick<NodeJS.Process, 'send' | 'disconnect' | 'connected' | 'on' | 'off'>;

/** The line to the run that started this process, or null when none has. */
export function openParentLink(channel: Channel): ParentLink | null {
  if (channel.send === undefined) return null;
  const sending = new Set<Promise<void>>();
  const listeners: (() => void)[] = [];
  const listen = (name: 'message' | 'disconnect', listener: (message?: unknown) => void) => {
    channel.on(name, listener);
    listeners.push(() => channel.off(name, listener));
  };
  return {
    send(message: WorkerMessage) {
      if (!channel.connected) return;
      const sent = new Promise<void>((resolve) => {
        // A run that is gone hears nothing any more, and `onGone` says so.
        channel.send?.(message, () => resolve());
      });
      sending.add(sent);
      void sent.then(() => sending.delete(sent));
    },
    onOrder(listener) {
      listen('message', (order) => listener(order as WorkerOrder));
    },
    onGone(listener) {
      listen('disconnect', listener);
      if (!channel.connected) listener();
    },
    async close() {
      await Promise.all(sending);
      for (const stop of listeners) stop();
      if (channel.connected) channel.disconnect?.();
    },
  };
}
