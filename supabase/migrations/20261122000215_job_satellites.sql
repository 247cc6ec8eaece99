-- What belongs to a job and is large, cold or many: inputs, outputs, steps, events, attempts, files, signals.

create table headway.job_inputs (
  job_id uuid primary key references headway.jobs (id) on delete cascade,
  payload jsonb not null,
  bytes integer not null,
  notify jsonb,
  constraint job_inputs_notify_object check (jsonb_typeof(notify) = 'object' and octet_length(notify::text) <= 4096)
);

comment on table headway.job_inputs is 'What each job was given.';
comment on column headway.job_inputs.notify is
  'Where to tell of the end: {"webhook", "email", "on": ["completed", "failed", "cancelled"]}.';

create table headway.job_outputs (
  job_id uuid primary key references headway.jobs (id) on delete cascade,
  result jsonb not null,
  bytes integer not null,
  attempt integer not null,
  created_at timestamptz not null default now()
);

comment on table headway.job_outputs is 'What each completed job has answered.';

create table headway.job_steps (
  job_id uuid not null references headway.jobs (id) on delete cascade,
  name text not null,
  ordinal integer not null,
  status text not null,
  attempt integer not null,
  result jsonb,
  error_code text,
  error_message text,
  started_at timestamptz not null,
  finished_at timestamptz,
  primary key (job_id, name),
  constraint job_steps_name_length check (char_length(name) between 1 and 200),
  constraint job_steps_status_known check (status in ('running', 'completed', 'failed')),
  constraint job_steps_end check ((status = 'running') = (finished_at is null)),
  constraint job_steps_result_only_completed check (result is null or status = 'completed'),
  constraint job_steps_error_only_failed check ((status = 'failed') = (error_code is not null)),
  constraint job_steps_text_lengths check (char_length(error_code) <= 100 and char_length(error_message) <= 4000)
);

comment on table headway.job_steps is 'Named checkpoints; a retry skips the completed ones.';

create table headway.job_events (
  job_id uuid not null references headway.jobs (id) on delete cascade,
  seq integer not null,
  type text not null,
  run integer not null,
  attempt integer not null,
  at timestamptz not null,
  data jsonb not null default '{}',
  primary key (job_id, seq),
  constraint job_events_seq_positive check (seq >= 1),
  constraint job_events_type_known check (
    type in (
      'submitted', 'replaced', 'resumed', 'started', 'stage_started', 'step_started', 'step_completed', 'step_failed',
      'emitted', 'file_added', 'retry_scheduled', 'snoozed', 'released', 'lost', 'waiting', 'signalled',
      'cancel_requested', 'completed', 'failed', 'cancelled', 'retried'
    )
  ),
  constraint job_events_data_object check (jsonb_typeof(data) = 'object')
) with (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- Exactly one end per run: a second terminal event cannot be stored.
create unique index job_events_one_end on headway.job_events (job_id, run)
  where type in ('completed', 'failed', 'cancelled');

comment on table headway.job_events is 'Append-only facts; seq counts 1, 2, 3 ... within a job without holes.';

create table headway.attempts (
  job_id uuid not null references headway.jobs (id) on delete cascade,
  attempt integer not null,
  run integer not null,
  kind text not null,
  queue text not null,
  tenant_id uuid not null,
  worker_id uuid not null,
  lease_token uuid not null,
  outcome text not null,
  error_code text,
  error_message text,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  primary key (job_id, attempt),
  constraint attempts_outcome_known check (
    outcome in ('completed', 'failed', 'retried', 'snoozed', 'released', 'waiting', 'cancelled', 'lost')
  ),
  constraint attempts_text_lengths check (char_length(error_code) <= 100 and char_length(error_message) <= 4000)
) with (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

create index attempts_ended_idx on headway.attempts (ended_at);

comment on table headway.attempts is 'Executions that have ended; the running one is a lease.';

-- The exclusive, expiring right to write for one attempt. One row per running job, so the table stays as
-- small as the workers are many, and a heartbeat touches neither the job nor what is published of it.
-- No foreign key: its check would cost as much as the lease; a trigger removes the leases of deleted jobs.
create table headway.leases (
  job_id uuid primary key,
  attempt integer not null,
  token uuid not null,
  worker_id uuid not null,
  request_id uuid not null,
  turn integer not null,
  kind text not null,
  queue text not null,
  tenant_id uuid not null,
  started_at timestamptz not null,
  expires_at timestamptz not null,
  deadline_at timestamptz not null,
  emitted integer not null default 0
) with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);

create index leases_queue_idx on headway.leases (queue, tenant_id);
create index leases_kind_idx on headway.leases (kind, tenant_id);
create index leases_request_idx on headway.leases (request_id);

comment on table headway.leases is 'Who is running which job, until when. Tokens are secret: service role only.';
comment on column headway.leases.turn is 'The job''s place in its claim, which answers in that order.';
comment on column headway.leases.emitted is 'The highest number among the events that this attempt has emitted.';
comment on column headway.leases.deadline_at is 'The attempt''s timeout; a lease is not extended past it.';

create function headway_private.drop_leases() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  delete from headway.leases l using gone g where l.job_id = g.id;
  return null;
end
$$;

revoke all on function headway_private.drop_leases() from public, anon, authenticated, service_role;

create trigger jobs_drop_leases
  after delete on headway.jobs
  referencing old table as gone
  for each statement execute function headway_private.drop_leases();

create table headway.job_files (
  id uuid primary key default gen_random_uuid(),
  job_id uuid not null references headway.jobs (id) on delete cascade,
  direction text not null,
  name text not null,
  bucket text not null,
  path text not null,
  content_type text,
  bytes bigint,
  sha256 text,
  removable boolean not null default true,
  created_at timestamptz not null default now(),
  constraint job_files_direction_known check (direction in ('input', 'output')),
  constraint job_files_once unique (job_id, direction, name),
  constraint job_files_text_lengths check (
    char_length(name) between 1 and 255 and char_length(bucket) between 1 and 100
    and char_length(path) between 1 and 1024 and char_length(content_type) <= 255
  ),
  constraint job_files_bytes_range check (bytes >= 0),
  constraint job_files_sha256_format check (sha256 ~ '^[0-9a-f]{64}$')
);

create index job_files_object_idx on headway.job_files (bucket, path);

comment on table headway.job_files is 'Storage objects that a job reads or has made.';
comment on column headway.job_files.removable is
  'Whether the object goes with the job. Not so what its submitter could see but had not uploaded.';

create table headway.signals (
  job_id uuid not null references headway.jobs (id) on delete cascade,
  name text not null,
  payload jsonb not null,
  sent_by uuid,
  sent_at timestamptz not null,
  primary key (job_id, name),
  constraint signals_name_format check (name ~ '^[a-z][a-z0-9_.:-]{0,99}$')
);

comment on table headway.signals is
  'Answers that a job waits for. The first of a name counts; names that begin with "system." are the service role''s.';

-- Ids of submissions that ended up in another job (same key); a repeated submission finds that job again.
create table headway_private.job_aliases (
  id uuid primary key,
  job_id uuid not null references headway.jobs (id) on delete cascade,
  reason text not null
);

create index job_aliases_job_idx on headway_private.job_aliases (job_id);

-- Claims that were granted, so that a repeated request gets the same leases and never new ones.
create table headway_private.claim_requests (
  request_id uuid primary key,
  worker_id uuid not null,
  at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

create index claim_requests_at_idx on headway_private.claim_requests (at);

-- Where each queue's round over the tenants stands, per priority.
create table headway_private.rotations (
  queue text not null,
  priority smallint not null,
  tenant_id uuid not null,
  primary key (queue, priority)
) with (fillfactor = 50);

-- Topics that somebody watches, for kinds that are pushed only then.
create table headway_private.watches (
  topic text primary key,
  expires_at timestamptz not null
) with (fillfactor = 50);

-- Storage objects whose jobs are gone and that a worker still has to remove through the Storage API.
create table headway.file_removals (
  bucket text not null,
  path text not null,
  due_at timestamptz not null default now(),
  primary key (bucket, path)
);

comment on table headway.file_removals is 'Storage objects to remove; prune lists them, files_removed ticks them off.';

alter table headway.job_inputs enable row level security;
alter table headway.job_outputs enable row level security;
alter table headway.job_steps enable row level security;
alter table headway.job_events enable row level security;
alter table headway.attempts enable row level security;
alter table headway.leases enable row level security;
alter table headway.job_files enable row level security;
alter table headway.signals enable row level security;
alter table headway.file_removals enable row level security;
alter table headway_private.job_aliases enable row level security;
alter table headway_private.claim_requests enable row level security;
alter table headway_private.rotations enable row level security;
alter table headway_private.watches enable row level security;

revoke all on table
  headway.job_inputs, headway.job_outputs, headway.job_steps, headway.job_events, headway.attempts, headway.leases,
  headway.job_files, headway.signals, headway.file_removals, headway_private.job_aliases,
  headway_private.claim_requests, headway_private.rotations, headway_private.watches
from public, anon, authenticated, service_role;
grant select on table
  headway.job_outputs, headway.job_steps, headway.job_events, headway.attempts, headway.job_files, headway.signals
to authenticated, service_role;
-- notify may hold a webhook address that is a secret of its own.
grant select (job_id, payload, bytes) on table headway.job_inputs to authenticated;
grant select on table headway.job_inputs, headway.leases, headway.file_removals to service_role;
