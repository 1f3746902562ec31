-- Vectors that were bought, by the batch they were bought for, until it is recorded: whoever works on its rows
-- after a crash finds them here and does not pay again.
create table vecpipe.receipts (
  tenant text collate "C" not null,
  -- Hash of provider kind, model, width and variant: the same text has the same vector there.
  vector_space text collate "C" not null,
  text_hash text collate "C" not null,
  lease_token uuid not null,
  -- 32-bit floats, little-endian.
  vector bytea not null,
  kept_at timestamptz not null default now(),
  primary key (tenant, vector_space, text_hash, lease_token)
);
create index receipts_lease on vecpipe.receipts (lease_token);
-- Numbers do not compress.
alter table vecpipe.receipts alter column vector set storage external;

-- Vectors that a provider with `keepVectors` keeps beyond that, the longest unused ones going first.
create table vecpipe.kept_vectors (
  tenant text collate "C" not null,
  vector_space text collate "C" not null,
  text_hash text collate "C" not null,
  vector bytea not null,
  used_at timestamptz not null default now(),
  primary key (tenant, vector_space, text_hash)
);
alter table vecpipe.kept_vectors alter column vector set storage external;
