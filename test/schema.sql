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
  constraint generations_dimensions_check CHECK ((dimensions > 0))
  constraint generations_generation_check CHECK ((generation > 0))
  constraint generations_pkey PRIMARY KEY (id)
  constraint generations_status_check CHECK ((status = ANY (ARRAY['building'::text, 'live'::text, 'retired'::text])))
  constraint generations_store_collection_generation_key UNIQUE (store, collection, generation)
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
  constraint queue_operation_check CHECK ((operation = ANY (ARRAY['upsert'::text, 'delete'::text])))
  constraint queue_pkey PRIMARY KEY (tenant, entity, key)
  CREATE INDEX queue_claim ON vecpipe.queue USING btree (tenant, entity, available_at, key)

table receipts
  tenant text not null
  vector_space text not null
  text_hash text not null
  lease_token uuid not null
  vector bytea not null
  kept_at timestamp with time zone not null default now()
  constraint receipts_pkey PRIMARY KEY (tenant, vector_space, text_hash, lease_token)
  CREATE INDEX receipts_lease ON vecpipe.receipts USING btree (lease_token)

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
  constraint runs_pkey PRIMARY KEY (id)
  CREATE INDEX runs_started_at ON vecpipe.runs USING btree (started_at DESC)

table statuses
  tenant text not null
  id text not null
  name text not null
  category text
  description text
  attributes jsonb not null default '{}'::jsonb
  constraint statuses_pkey PRIMARY KEY (tenant, id)

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
