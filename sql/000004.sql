-- Reindexing. A generation that is being built has its own work in the queue, beside that of the live one.
alter table vecpipe.queue
  -- Id of the generation under construction that the work is for; 0 for whichever is live.
  add column building bigint not null default 0,
  drop constraint queue_pkey,
  add primary key (tenant, entity, building, key);
drop index vecpipe.queue_claim;
create index queue_claim on vecpipe.queue (tenant, entity, building, available_at, key);

alter table vecpipe.generations
  drop constraint generations_status_check,
  -- `retired` ones can be made live again; of a `dropped` one nothing is left but its number.
  add constraint generations_status_check check (status in ('building', 'live', 'retired', 'dropped')),
  -- The reindex that builds it; null for the first generation, which vectorize makes.
  add column run_id uuid,
  -- Nothing is claimed for it until then: it is about to be replaced.
  add column held_until timestamptz,
  -- The store's settings from before the load, as long as they are not back.
  add column load_settings jsonb,
  add column retired_at timestamptz,
  -- From then on a retired one may be dropped by any run; null: only when somebody asks for it.
  add column keep_until timestamptz;
create unique index generations_building on vecpipe.generations (store, collection) where status = 'building';
