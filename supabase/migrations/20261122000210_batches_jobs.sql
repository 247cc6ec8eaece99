-- The job: a durable request to run a kind, one small row. What is large or cold lives in tables beside it.

create table headway.batches (
  id uuid primary key,
  name text,
  tenant_id uuid not null,
  owner_id uuid,
  organization_id uuid references public.organizations (id) on delete set null,
  project_id uuid references public.projects (id) on delete set null,
  total integer not null default 0,
  completed integer not null default 0,
  failed integer not null default 0,
  cancelled integer not null default 0,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint batches_name_length check (char_length(name) <= 200),
  constraint batches_counts check (
    total >= 0 and completed >= 0 and failed >= 0 and cancelled >= 0 and completed + failed + cancelled <= total
  ),
  constraint batches_end check ((finished_at is not null) = (total > 0 and completed + failed + cancelled = total))
) with (fillfactor = 50);

create index batches_owner_idx on headway.batches (owner_id, created_at desc) where owner_id is not null;
create index batches_organization_idx on headway.batches (organization_id, created_at desc)
  where organization_id is not null;
create index batches_project_idx on headway.batches (project_id, created_at desc) where project_id is not null;

comment on table headway.batches is 'Jobs that were submitted together and have one progress.';

create sequence headway_private.ready_order as bigint cache 1;

create table headway.jobs (
  id uuid primary key,
  kind text not null,
  queue text not null,
  status text not null default 'pending',
  priority smallint not null,
  ready_order bigint,
  run_at timestamptz not null,
  waiting_for text,
  waiting_on text,
  attempt integer not null default 0,
  failures integer not null default 0,
  max_attempts integer not null,
  run integer not null default 1,
  seq integer not null default 1,
  revision integer not null default 1,
  percent numeric(5, 2) not null default 0,
  stage text,
  stage_started_at timestamptz,
  message text,
  metrics jsonb not null default '{}',
  error_code text,
  error_message text,
  error_hint text,
  error_step text,
  cancel_requested_at timestamptz,
  cancel_reason text,
  tenant_id uuid not null,
  owner_id uuid,
  organization_id uuid references public.organizations (id) on delete set null,
  project_id uuid references public.projects (id) on delete set null,
  parent_id uuid references headway.jobs (id) on delete set null,
  depth smallint not null default 0,
  batch_id uuid references headway.batches (id) on delete set null,
  tags text[] not null default '{}',
  idempotency_key text,
  idempotency_expires_at timestamptz,
  unique_key text,
  debounce_key text,
  retention interval not null,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  delete_after timestamptz,
  updated_at timestamptz not null default now(),
  constraint jobs_status_known check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  constraint jobs_priority_range check (priority between 0 and 9),
  constraint jobs_ready_only_pending check (ready_order is null or (status = 'pending' and waiting_for is null)),
  constraint jobs_waiting check (
    (waiting_for is null and waiting_on is null)
    or (status = 'pending' and waiting_for = 'children' and waiting_on is null)
    or (status = 'pending' and waiting_for = 'signal' and waiting_on is not null)
  ),
  constraint jobs_counts check (attempt >= 0 and run >= 1 and seq >= 1 and revision >= 1),
  constraint jobs_failures check (
    failures between 0 and max_attempts and max_attempts between 1 and 100
    and (status not in ('pending', 'processing') or failures < max_attempts)
  ),
  constraint jobs_percent_range check (percent between 0 and 100 and (status <> 'completed' or percent = 100)),
  constraint jobs_started check (status not in ('processing', 'completed') or (attempt >= 1 and started_at is not null)),
  constraint jobs_end check (
    (status in ('completed', 'failed', 'cancelled')) = (finished_at is not null)
    and (finished_at is not null) = (delete_after is not null)
  ),
  constraint jobs_error check (
    (status <> 'failed' or (error_code is not null and error_message is not null))
    and (status <> 'completed' or error_code is null)
    and (error_code is not null or (error_message is null and error_hint is null and error_step is null))
  ),
  constraint jobs_cancel_request check (
    (cancel_reason is null or cancel_requested_at is not null)
    and (status <> 'cancelled' or cancel_requested_at is not null)
    and (status <> 'pending' or cancel_requested_at is null)
  ),
  constraint jobs_idempotency check ((idempotency_key is null) = (idempotency_expires_at is null)),
  constraint jobs_one_merge_key check (unique_key is null or debounce_key is null),
  constraint jobs_depth_range check (depth between 0 and 10 and (parent_id is null or depth > 0) and parent_id <> id),
  constraint jobs_metrics_small check (jsonb_typeof(metrics) = 'object' and octet_length(metrics::text) <= 4096),
  constraint jobs_text_lengths check (
    char_length(stage) <= 100 and char_length(message) <= 1000 and char_length(error_code) <= 100
    and char_length(error_message) <= 4000 and char_length(error_hint) <= 1000 and char_length(error_step) <= 200
    and char_length(cancel_reason) <= 500 and char_length(idempotency_key) <= 255
    and char_length(unique_key) <= 255 and char_length(debounce_key) <= 255 and char_length(waiting_on) <= 100
  ),
  constraint jobs_tags_few check (cardinality(tags) <= 32)
) with (
  -- Progress is written to a job many times between two indexed changes: room on the page keeps those HOT.
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 1
);

-- Claiming walks this index only: waiting jobs leave it when they start, so neither history nor delayed jobs
-- are in it. Its order is the order of service: queue, kind, priority, then each tenant's own line.
create index jobs_ready_idx on headway.jobs (queue, kind, priority desc, tenant_id, ready_order)
  where ready_order is not null;
create index jobs_delayed_idx on headway.jobs (run_at) where status = 'pending' and ready_order is null;
create index jobs_owner_idx on headway.jobs (owner_id, created_at desc) where owner_id is not null;
create index jobs_organization_idx on headway.jobs (organization_id, created_at desc) where organization_id is not null;
create index jobs_project_idx on headway.jobs (project_id, created_at desc) where project_id is not null;
-- Lists that are watched: what has not ended, and what has ended since, whatever has gathered before.
create index jobs_owner_ends_idx on headway.jobs (owner_id, finished_at) where owner_id is not null;
create index jobs_organization_ends_idx on headway.jobs (organization_id, finished_at)
  where organization_id is not null;
create index jobs_project_ends_idx on headway.jobs (project_id, finished_at) where project_id is not null;
create index jobs_parent_idx on headway.jobs (parent_id) where parent_id is not null;
create index jobs_batch_idx on headway.jobs (batch_id) where batch_id is not null;
create index jobs_retention_idx on headway.jobs (delete_after) where delete_after is not null;
create index jobs_failed_idx on headway.jobs (finished_at desc) where status = 'failed';
create unique index jobs_idempotency_key on headway.jobs (tenant_id, idempotency_key) where idempotency_key is not null;
create unique index jobs_unique_key on headway.jobs (tenant_id, kind, unique_key)
  where unique_key is not null and status in ('pending', 'processing');
create unique index jobs_debounce_key on headway.jobs (tenant_id, kind, debounce_key)
  where debounce_key is not null and status = 'pending' and attempt = 0;

comment on table headway.jobs is 'Durable requests to run a kind. Written by functions only; see docs/engine.md.';
comment on column headway.jobs.ready_order is 'Place in the tenant''s line; null while the job cannot be claimed.';
comment on column headway.jobs.attempt is 'Number of the latest execution; rises at every start and never falls.';
comment on column headway.jobs.failures is 'Executions of this run that count against max_attempts.';
comment on column headway.jobs.run is '1, plus one for every retry by a person.';
comment on column headway.jobs.seq is 'The seq of the job''s latest event.';
comment on column headway.jobs.revision is 'Rises with every change of the row, progress included.';
comment on column headway.jobs.tenant_id is
  'Whose turn, limits and budget the job counts for: the organisation, else the person, else the zero id.';

-- kind and queue carry no foreign key: its check would lock the same kind and queue row for every job
-- submitted at once. Only submit writes them, after it has read both. owner_id carries none either: subjects
-- of third-party auth are not in auth.users, and a deleted user's jobs and files go with their retention.

alter table headway.batches enable row level security;
alter table headway.jobs enable row level security;

revoke all on table headway.batches, headway.jobs from public, anon, authenticated, service_role;
revoke all on sequence headway_private.ready_order from public, anon, authenticated, service_role;
grant select on table headway.batches, headway.jobs to authenticated, service_role;
