/** Rows a batch, unless a flag says otherwise. */
export const BATCH_SIZE = 256;

/** Batches under way at once, unless a flag or the provider says otherwise. */
export const BATCHES_IN_FLIGHT = 4;
/** A batch spends most of its time waiting for the endpoint; as many texts as a gateway has requests for by default. */
const REMOTE_BATCHES_IN_FLIGHT = 8;
const MAX_CONNECTIONS = 16;

/** @param wanted by a flag */
export function batchesInFlight(wanted: number | undefined, isRemote: boolean): number {
  return wanted ?? (isRemote ? REMOTE_BATCHES_IN_FLIGHT : BATCHES_IN_FLIGHT);
}

/** Each batch under way may want a connection, and the heartbeat must not have to wait for one. */
export function maxConnections(wanted: number | undefined): number {
  return Math.min(wanted ?? REMOTE_BATCHES_IN_FLIGHT, MAX_CONNECTIONS) + 2;
}
