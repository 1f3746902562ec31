-- Ready-made entities. The key is (tenant, id); fields that a record has beyond these are kept in `attributes`.
create table vecpipe.projects (
  tenant text not null,
  id text not null,
  key text not null,
  name text not null,
  description text,
  type text,
  lead text,
  url text,
  updated_at timestamptz,
  attributes jsonb not null default '{}',
  primary key (tenant, id)
);

create table vecpipe.wits (
  tenant text not null,
  id text not null,
  name text not null,
  description text,
  hierarchy_level integer,
  attributes jsonb not null default '{}',
  primary key (tenant, id)
);

create table vecpipe.statuses (
  tenant text not null,
  id text not null,
  name text not null,
  category text,
  description text,
  attributes jsonb not null default '{}',
  primary key (tenant, id)
);

-- One row a command, so that `status` can tell what ran and which run died.
create table vecpipe.runs (
  id uuid primary key,
  command text not null,
  tenants text[] not null,
  entities text[] not null,
  -- The process space (host, boot, pid namespace) in which `pid` means something.
  machine text not null,
  pid integer not null,
  -- Tells a process from a later one with the same id; null where the system does not say.
  process_started_ticks bigint,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  exit_code integer,
  counts jsonb,
  error text
);
create index runs_started_at on vecpipe.runs (started_at desc);

-- A physical collection in one store. What is recorded as stored hangs on `id`, so that another store, or the
-- same collection built anew, starts from nothing.
create table vecpipe.generations (
  id bigint generated always as identity primary key,
  store text not null,
  collection text not null,
  generation integer not null check (generation > 0),
  fingerprint text not null,
  -- The parts of the fingerprint, to say which one changed.
  settings jsonb not null,
  dimensions integer not null check (dimensions > 0),
  status text not null check (status in ('building', 'live', 'retired')),
  created_at timestamptz not null default now(),
  unique (store, collection, generation)
);
create unique index generations_live on vecpipe.generations (store, collection) where status = 'live';

-- Work to do: one row a changed row, however often it was queued.
create table vecpipe.queue (
  tenant text collate "C" not null,
  entity text collate "C" not null,
  -- Bytes: keys are only ever compared for being equal, or paged through, and that is several times as fast.
  key text collate "C" not null,
  operation text not null check (operation in ('upsert', 'delete')),
  -- Bumped at every enqueue of something new; a completion must name the version it worked on.
  version bigint not null default 1,
  -- Hash of the row when it was queued: queueing the same content again changes nothing.
  row_hash bytea,
  attempts integer not null default 0,
  -- 'infinity' while the row rests as failed.
  available_at timestamptz not null default now(),
  lease_token uuid,
  lease_until timestamptz,
  lease_run uuid,
  -- A worker held this row and has not said that it wrote nothing: what vector_state says may be outdated.
  unconfirmed boolean not null default false,
  error_code text,
  error text,
  -- In which generation it failed: another one, with another template or model, is worth another try.
  failed_generation bigint,
  primary key (tenant, entity, key)
);
-- Leases are left out on purpose: claiming and releasing then updates no index.
create index queue_claim on vecpipe.queue (tenant, entity, available_at, key);

-- What the store holds for a row, as confirmed.
create table vecpipe.vector_state (
  generation_id bigint not null references vecpipe.generations (id) on delete cascade,
  tenant text collate "C" not null,
  entity text collate "C" not null,
  -- Bytes: keys are only ever compared for being equal, or paged through, and that is several times as fast.
  key text collate "C" not null,
  -- Computed in SQL over the columns that matter; null when it has to be looked at again.
  row_hash bytea,
  text_hash text not null,
  payload_hash text not null,
  -- 0 for a row whose text is empty.
  chunks integer not null check (chunks >= 0),
  stored_at timestamptz not null default now(),
  primary key (generation_id, tenant, entity, key)
);

-- Catalogue of the pgvector store; the points themselves are in vecpipe.points_<id>.
create table vecpipe.pgvector_collections (
  id bigint generated always as identity primary key,
  name text not null unique,
  dimensions integer not null check (dimensions > 0),
  created_at timestamptz not null default now()
);

create table vecpipe.pgvector_aliases (
  alias text primary key,
  collection_id bigint not null references vecpipe.pgvector_collections (id)
);
