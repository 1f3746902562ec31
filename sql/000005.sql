-- Entities whose tables have triggers that put changed rows in the queue.
create table vecpipe.row_triggers (
  entity text collate "C" primary key,
  -- As the config names the table, for people.
  relation text not null,
  -- Of everything that the triggers were made from: another hash means that they are to be made anew.
  definition_hash text not null,
  installed_at timestamptz not null default now(),
  -- Goes up whenever the queue alone no longer says what changed: when triggers are made, and when the table is emptied.
  epoch bigint not null
);

-- Since which epoch a generation was compared completely: from then on the queue says what changed.
create table vecpipe.trigger_baselines (
  generation_id bigint not null references vecpipe.generations (id) on delete cascade,
  tenant text collate "C" not null,
  entity text collate "C" not null references vecpipe.row_triggers (entity) on delete cascade,
  epoch bigint not null,
  -- The table's file: a new one holds rows that were rewritten without a trigger.
  relation_file bigint not null,
  primary key (generation_id, tenant, entity)
);
