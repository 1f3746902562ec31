import { pause } from '../lifetime/abort.ts';
import type { BatchContext } from '../pipeline/process-batch.ts';
import { readBacklog } from '../queue/backlog.ts';
import { recoverLeases } from '../runs/recover-leases.ts';

const POLL_MS = 250;
/** How often dead workers are looked for. */
const RECOVER_MS = 5_000;

/** Until no other run has leased a row of the live generation that it could still write, or a stop is asked for. */
export async function waitForLeases(
  { database, report }: Pick<BatchContext, 'database' | 'report'>,
  { entity, tenants }: { entity: string; tenants: readonly string[] },
  { runId, stop }: { runId: string; stop: AbortSignal },
): Promise<void> {
  let isSaid = false;
  let recoverAt = performance.now();
  while (!stop.aborted) {
    let leased = 0;
    for (const tenant of tenants) {
      leased += (await readBacklog(database, tenant, entity, { signal: stop })).leased;
    }
    if (leased === 0) return;
    if (!isSaid) {
      const message = `Waiting for ${leased} rows that other vecpipe processes have leased, before the swap`;
      report({ type: 'notice', message });
    }
    isSaid = true;
    if (performance.now() >= recoverAt) {
      recoverAt = performance.now() + RECOVER_MS;
      await recoverLeases(database, runId, { signal: stop });
    }
    await pause(POLL_MS, stop);
  }
}
