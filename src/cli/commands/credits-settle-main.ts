import { readDueCharges } from '../../credits/read-due-charges.ts';
import { findAbandonedReservations, settleReservations } from '../../credits/settle-reservations.ts';
import type { FreedReservations } from '../../credits/settle-reservations.ts';
import { findDeadRuns } from '../../runs/recover-leases.ts';
import { counted } from '../counted.ts';
import { openCreditsSession } from '../credits-session.ts';
import type { Main } from '../run-command.ts';

/** Gives back what runs that are over have reserved, tenant by tenant, and tells what is still due. */
export const creditsSettleMain: Main<object> = async (context) => {
  const { options, io, runId } = context;
  const { dryRun = false } = options;
  const { database, tenants } = await openCreditsSession(context);
  const signal = io.stop.stop;
  const runIds = await findDeadRuns(database, runId, { signal });
  const settle = dryRun ? findAbandonedReservations : settleReservations;
  const settled: ({ tenant: string } & FreedReservations)[] = [];
  // One after the other: a tenant whose account is busy holds up those after it for no longer than a batch is recorded.
  for (const tenant of tenants) {
    settled.push({ tenant, ...(await settle(database, tenant, { runIds, signal })) });
  }
  const due = await readDueCharges(database, tenants, { signal });
  const freed = settled.filter(({ reservations }) => reservations > 0);
  return {
    json: { settled, due },
    summary: [
      ...freed.map((each) => freedSentence(each, dryRun)),
      ...(freed.length === 0 ? ['No reservation was left behind.'] : []),
      ...due.map(
        ({ tenant, credits, vectors }) =>
          `Still due from tenant ${tenant}: ${counted(Math.ceil(credits), 'credit')} for ${counted(vectors, 'vector')} bought before; the next vectorize charges what it delivers.`,
      ),
    ],
  };
};

function freedSentence(
  { tenant, reservations, credits }: { tenant: string } & FreedReservations,
  dryRun: boolean,
): string {
  const done = dryRun ? 'Would give back' : 'Gave back';
  return `${done} ${counted(credits, 'credit')} of ${counted(reservations, 'reservation')} to tenant ${tenant}.`;
}
