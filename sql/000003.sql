-- Credits. An account a tenant; no account means no limit. The four columns are caches of what the entries sum up to,
-- kept by the statement that writes the entries, so that one row lock is all that a reservation waits for.
create table vecpipe.credit_accounts (
  tenant text collate "C" primary key,
  -- Where the credits came from: what was granted, as a negative number.
  granted bigint not null default 0,
  -- May go below zero by what a batch used beyond its reservation.
  available bigint not null default 0,
  reserved bigint not null default 0 check (reserved >= 0),
  spent bigint not null default 0 check (spent >= 0),
  created_at timestamptz not null default now(),
  check (granted + available + reserved + spent = 0)
) with (fillfactor = 50);

-- The log, in double entry: the entries of one transfer sum to zero. Never changed, never deleted.
create table vecpipe.credit_entries (
  id bigint generated always as identity primary key,
  tenant text collate "C" not null,
  transfer_id uuid not null,
  kind text not null check (kind in ('grant', 'reserve', 'charge', 'release')),
  account text not null check (account in ('granted', 'available', 'reserved', 'spent')),
  amount bigint not null check (amount <> 0),
  -- Of the batch that it is about; null for a grant.
  reservation_id uuid,
  run_id uuid,
  entity text,
  -- Given with a grant, so that the same grant cannot be entered twice.
  idempotency_key text,
  reason text,
  created_at timestamptz not null default now()
);
create index credit_entries_tenant on vecpipe.credit_entries (tenant, id);
-- What a batch reserves, is charged or gets back is entered once, whatever is repeated.
create unique index credit_entries_reservation on vecpipe.credit_entries (reservation_id, kind, account)
  where reservation_id is not null;
create unique index credit_entries_key on vecpipe.credit_entries (tenant, idempotency_key, account)
  where idempotency_key is not null;

create function vecpipe.refuse_unbalanced_entries() returns trigger language plpgsql as $$
begin
  if exists (select from added group by tenant, transfer_id having sum(amount) <> 0) then
    raise exception 'credit entries of a transfer must sum to zero';
  end if;
  return null;
end $$;
create trigger credit_entries_balanced after insert on vecpipe.credit_entries
  referencing new table as added for each statement execute function vecpipe.refuse_unbalanced_entries();

create function vecpipe.refuse_entry_changes() returns trigger language plpgsql as $$
begin
  raise exception 'credit entries are never changed or deleted: enter the opposite';
end $$;
create trigger credit_entries_append_only before update or delete or truncate on vecpipe.credit_entries
  for each statement execute function vecpipe.refuse_entry_changes();

-- Open reservations, by the lease token of their batch; what has become of the others is in the entries.
create table vecpipe.credit_reservations (
  id uuid primary key,
  tenant text collate "C" not null,
  entity text collate "C" not null,
  run_id uuid not null,
  credits bigint not null check (credits > 0),
  -- Rows that the batch wants to embed.
  rows integer not null,
  -- False where there was no account, and only the run's own limit knows of it.
  from_account boolean not null default true,
  -- Renewed with the lease.
  expires_at timestamptz not null,
  created_at timestamptz not null default now()
);
create index credit_reservations_tenant on vecpipe.credit_reservations (tenant, expires_at);

-- In millionths of a credit: what is to be charged for the vector once it is delivered. It moves with the vector to
-- the batch that takes it over, so that it is charged once.
alter table vecpipe.receipts add column due_micros bigint not null default 0;

-- Who runs it, for people: user@host.
alter table vecpipe.runs add column who text;
-- The last sign of life, so that other machines can tell a run that died.
alter table vecpipe.runs add column seen_at timestamptz not null default now();
-- The run that started this one as a worker of its own.
alter table vecpipe.runs add column parent_id uuid;
create index runs_parent on vecpipe.runs (parent_id) where parent_id is not null;
-- Credits that it may still reserve; null without a limit.
alter table vecpipe.runs add column credits_left bigint;

-- How often the row, as it is, has failed.
alter table vecpipe.queue add column failures integer not null default 0;

-- Wakes whoever waits for work. A claim, a renewed lease or a finished batch sets none of these columns, and tells nobody.
create function vecpipe.notify_queued() returns trigger language plpgsql as $$
begin
  perform pg_notify('vecpipe_queue', '');
  return null;
end $$;
create trigger queue_notify_insert after insert on vecpipe.queue
  for each statement execute function vecpipe.notify_queued();
create trigger queue_notify_update after update of version, available_at on vecpipe.queue
  for each statement execute function vecpipe.notify_queued();
