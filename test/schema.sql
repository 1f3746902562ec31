table credit_accounts
  tenant text not null
  granted bigint not null default 0
  available bigint not null default 0
  reserved bigint not null default 0
  spent bigint not null default 0
  created_at timestamp with time zone not null default now()
  constraint credit_accounts_check CHECK (((((granted + available) + reserved) + spent) = 0))
  constraint credit_accounts_pkey PRIMARY KEY (tenant)
  constraint credit_accounts_reserved_check CHECK ((reserved >= 0))
  constraint credit_accounts_spent_check CHECK ((spent >= 0))

table credit_entries
  id bigint not null generated always as identity
  tenant text not null
  transfer_id uuid not null
  kind text not null
  account text not null
  amount bigint not null
  reservation_id uuid
  run_id uuid
  entity text
  idempotency_key text
  reason text
  created_at timestamp with time zone not null default now()
  constraint credit_entries_account_check CHECK ((account = ANY (ARRAY['granted'::text, 'available'::text, 'reserved'::text, 'spent'::text])))
  constraint credit_entries_amount_check CHECK ((amount <> 0))
  constraint credit_entries_kind_check CHECK ((kind = ANY (ARRAY['grant'::text, 'reserve'::text, 'charge'::text, 'release'::text])))
  constraint credit_entries_pkey PRIMARY KEY (id)
  CREATE INDEX credit_entries_tenant ON vecpipe.credit_entries USING btree (tenant, id)
  CREATE UNIQUE INDEX credit_entries_key ON vecpipe.credit_entries USING btree (tenant, idempotency_key, account) WHERE (idempotency_key IS NOT NULL)
  CREATE UNIQUE INDEX credit_entries_reservation ON vecpipe.credit_entries USING btree (reservation_id, kind, account) WHERE (reservation_id IS NOT NULL)
  CREATE TRIGGER credit_entries_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON vecpipe.credit_entries FOR EACH STATEMENT EXECUTE FUNCTION vecpipe.refuse_entry_changes()
  CREATE TRIGGER credit_entries_balanced AFTER INSERT ON vecpipe.credit_entries REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION vecpipe.refuse_unbalanced_entries()

table credit_reservations
  id uuid not null
  tenant text not null
  entity text not null
  run_id uuid not null
  credits bigint not null
  rows integer not null
  from_account boolean not null default true
  expires_at timestamp with time zone not null
  created_at timestamp with time zone not null default now()
  constraint credit_reservations_credits_check CHECK ((credits > 0))
  constraint credit_reservations_pkey PRIMARY KEY (id)
  CREATE INDEX credit_reservations_tenant ON vecpipe.credit_reservations USING btree (tenant, expires_at)

table generations
  id bigint not null generated always as identity
  store text not null
  collection text not null
  generation integer not null
  fingerprint text not null
  settings jsonb not null
  dimensions integer not null
  status text not null
  created_at timestamp with time zone not null default now()
  run_id uuid
  held_until timestamp with time zone
  load_settings jsonb
  retired_at timestamp with time zone
  keep_until timestamp with time zone
  constraint generations_dimensions_check CHECK ((dimensions > 0))
  constraint generations_generation_check CHECK ((generation > 0))
  constraint generations_pkey PRIMARY KEY (id)
  constraint generations_status_check CHECK ((status = ANY (ARRAY['building'::text, 'live'::text, 'retired'::text, 'dropped'::text])))
  constraint generations_store_collection_generation_key UNIQUE (store, collection, generation)
  CREATE UNIQUE INDEX generations_building ON vecpipe.generations USING btree (store, collection) WHERE (status = 'building'::text)
  CREATE UNIQUE INDEX generations_live ON vecpipe.generations USING btree (store, collection) WHERE (status = 'live'::text)

table kept_vectors
  tenant text not null
  vector_space text not null
  text_hash text not null
  vector bytea not null
  used_at timestamp with time zone not null default now()
  constraint kept_vectors_pkey PRIMARY KEY (tenant, vector_space, text_hash)

table migrations
  version integer not null
  applied_at timestamp with time zone not null default now()
  constraint migrations_pkey PRIMARY KEY (version)

table pgvector_aliases
  alias text not null
  collection_id bigint not null
  constraint pgvector_aliases_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES vecpipe.pgvector_collections(id)
  constraint pgvector_aliases_pkey PRIMARY KEY (alias)

table pgvector_collections
  id bigint not null generated always as identity
  name text not null
  dimensions integer not null
  created_at timestamp with time zone not null default now()
  constraint pgvector_collections_dimensions_check CHECK ((dimensions > 0))
  constraint pgvector_collections_name_key UNIQUE (name)
  constraint pgvector_collections_pkey PRIMARY KEY (id)

table projects
  tenant text not null
  id text not null
  key text not null
  name text not null
  description text
  type text
  lead text
  url text
  updated_at timestamp with time zone
  attributes jsonb not null default '{}'::jsonb
  constraint projects_pkey PRIMARY KEY (tenant, id)

table queue
  tenant text not null
  entity text not null
  key text not null
  operation text not null
  version bigint not null default 1
  row_hash bytea
  attempts integer not null default 0
  available_at timestamp with time zone not null default now()
  lease_token uuid
  lease_until timestamp with time zone
  lease_run uuid
  unconfirmed boolean not null default false
  error_code text
  error text
  failed_generation bigint
  failures integer not null default 0
  building bigint not null default 0
  constraint queue_operation_check CHECK ((operation = ANY (ARRAY['upsert'::text, 'delete'::text])))
  constraint queue_pkey PRIMARY KEY (tenant, entity, building, key)
  CREATE INDEX queue_claim ON vecpipe.queue USING btree (tenant, entity, building, available_at, key)
  CREATE TRIGGER queue_notify_insert AFTER INSERT ON vecpipe.queue FOR EACH STATEMENT EXECUTE FUNCTION vecpipe.notify_queued()
  CREATE TRIGGER queue_notify_update AFTER UPDATE OF version, available_at ON vecpipe.queue FOR EACH STATEMENT EXECUTE FUNCTION vecpipe.notify_queued()

table receipts
  tenant text not null
  vector_space text not null
  text_hash text not null
  lease_token uuid not null
  vector bytea not null
  kept_at timestamp with time zone not null default now()
  due_micros bigint not null default 0
  constraint receipts_pkey PRIMARY KEY (tenant, vector_space, text_hash, lease_token)
  CREATE INDEX receipts_lease ON vecpipe.receipts USING btree (lease_token)

table row_triggers
  entity text not null
  relation text not null
  definition_hash text not null
  installed_at timestamp with time zone not null default now()
  epoch bigint not null
  constraint row_triggers_pkey PRIMARY KEY (entity)

table runs
  id uuid not null
  command text not null
  tenants text[] not null
  entities text[] not null
  machine text not null
  pid integer not null
  process_started_ticks bigint
  started_at timestamp with time zone not null default now()
  finished_at timestamp with time zone
  exit_code integer
  counts jsonb
  error text
  who text
  seen_at timestamp with time zone not null default now()
  parent_id uuid
  credits_left bigint
  constraint runs_pkey PRIMARY KEY (id)
  CREATE INDEX runs_parent ON vecpipe.runs USING btree (parent_id) WHERE (parent_id IS NOT NULL)
  CREATE INDEX runs_started_at ON vecpipe.runs USING btree (started_at DESC)

table statuses
  tenant text not null
  id text not null
  name text not null
  category text
  description text
  attributes jsonb not null default '{}'::jsonb
  constraint statuses_pkey PRIMARY KEY (tenant, id)

table trigger_baselines
  generation_id bigint not null
  tenant text not null
  entity text not null
  epoch bigint not null
  relation_file bigint not null
  constraint trigger_baselines_entity_fkey FOREIGN KEY (entity) REFERENCES vecpipe.row_triggers(entity) ON DELETE CASCADE
  constraint trigger_baselines_generation_id_fkey FOREIGN KEY (generation_id) REFERENCES vecpipe.generations(id) ON DELETE CASCADE
  constraint trigger_baselines_pkey PRIMARY KEY (generation_id, tenant, entity)

table vector_state
  generation_id bigint not null
  tenant text not null
  entity text not null
  key text not null
  row_hash bytea
  text_hash text not null
  payload_hash text not null
  chunks integer not null
  stored_at timestamp with time zone not null default now()
  constraint vector_state_chunks_check CHECK ((chunks >= 0))
  constraint vector_state_generation_id_fkey FOREIGN KEY (generation_id) REFERENCES vecpipe.generations(id) ON DELETE CASCADE
  constraint vector_state_pkey PRIMARY KEY (generation_id, tenant, entity, key)

table wits
  tenant text not null
  id text not null
  name text not null
  description text
  hierarchy_level integer
  attributes jsonb not null default '{}'::jsonb
  constraint wits_pkey PRIMARY KEY (tenant, id)

function CREATE OR REPLACE FUNCTION vecpipe.notify_queued()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_notify('vecpipe_queue', '');
  return null;
end $function$


function CREATE OR REPLACE FUNCTION vecpipe.refuse_entry_changes()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'credit entries are never changed or deleted: enter the opposite';
end $function$


function CREATE OR REPLACE FUNCTION vecpipe.refuse_unbalanced_entries()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if exists (select from added group by tenant, transfer_id having sum(amount) <> 0) then
    raise exception 'credit entries of a transfer must sum to zero';
  end if;
  return null;
end $function$

