import { readLedger } from '../../credits/read-ledger.ts';
import type { Transfer } from '../../credits/read-ledger.ts';
import type { Main } from '../run-command.ts';
import { openSession } from '../session.ts';
import { oneLine, renderTable } from '../table.ts';
import type { LedgerFlags } from './credits.ts';

const SHOWN_TRANSFERS = 50;
const REASON_WIDTH = 60;

/** Shows the last transfers of the selected tenants, of all entities or of those that `--entity` names. */
export const creditsLedgerMain: Main<LedgerFlags> = async (context) => {
  const { options, io } = context;
  const { database, tenants, entities } = await openSession(context);
  const transfers = await readLedger(database, {
    tenants,
    entities: options.entity ? entities.map(({ name }) => name) : null,
    limit: options.limit ?? SHOWN_TRANSFERS,
    signal: io.stop.stop,
  });
  return {
    text: transfers.length === 0 ? 'No credits were moved.' : ledgerTable(transfers),
    json: { transfers },
  };
};

function ledgerTable(transfers: readonly Transfer[]): string {
  return renderTable(
    ['time', 'tenant', 'kind', 'available', 'reserved', 'spent', 'entity', 'run', 'reason'],
    transfers.map((transfer) => [
      transfer.time.toISOString().slice(0, 19).replace('T', ' '),
      transfer.tenant,
      transfer.kind,
      signed(transfer.available),
      signed(transfer.reserved),
      signed(transfer.spent),
      transfer.entity,
      transfer.runId?.slice(0, 8) ?? null,
      oneLine(whatFor(transfer), REASON_WIDTH),
    ]),
  );
}

/** What moved between the accounts reads like a bank statement. */
function signed(amount: number): string {
  if (amount === 0) return '';
  return amount > 0 ? `+${amount}` : `${amount}`;
}

function whatFor({ reason, key }: Transfer): string {
  return [reason, key === null ? null : `(key ${key})`].filter((part) => part !== null).join(' ');
}
