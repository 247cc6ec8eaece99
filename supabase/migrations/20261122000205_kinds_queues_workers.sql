-- What can be run, where it waits, and who runs it. Workers register all three; operators set the limits.

create table headway.queues (
  queue text primary key,
  state text not null default 'active',
  state_reason text,
  state_changed_at timestamptz not null default now(),
  concurrency integer,
  tenant_concurrency integer,
  created_at timestamptz not null default now(),
  constraint queues_name_format check (queue ~ '^[a-z][a-z0-9_-]{0,62}$'),
  constraint queues_state_known check (state in ('active', 'paused', 'draining')),
  constraint queues_state_reason_length check (char_length(state_reason) <= 500),
  constraint queues_concurrency_range check (concurrency between 0 and 1000000),
  constraint queues_tenant_concurrency_range check (tenant_concurrency between 1 and 1000000)
);

comment on table headway.queues is
  'Named lanes. Paused: nothing starts. Draining: nothing new is accepted, what waits still runs.';
comment on column headway.queues.concurrency is 'How many jobs of the queue may run at once; null is no limit.';
comment on column headway.queues.tenant_concurrency is
  'How many jobs of one tenant may run at once in the queue; null is no limit.';

create table headway.kinds (
  kind text primary key,
  queue text not null references headway.queues (queue),
  description text,
  submitters text not null default 'users',
  priority smallint not null default 5,
  max_priority smallint not null default 9,
  max_attempts integer not null default 5,
  timeout_seconds integer not null default 900,
  backoff_base_seconds numeric(10, 3) not null default 5,
  backoff_max_seconds numeric(10, 3) not null default 3600,
  stages jsonb not null default '[]',
  retention interval not null default '7 days',
  concurrency integer,
  tenant_concurrency integer,
  limits_pinned boolean not null default false,
  cost_budget numeric(24, 12),
  push text not null default 'always',
  payload_schema jsonb,
  payload_limit integer not null default 1048576,
  result_limit integer not null default 4194304,
  registered_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint kinds_name_format check (kind ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$' and char_length(kind) <= 100),
  constraint kinds_description_length check (char_length(description) <= 1000),
  constraint kinds_submitters_known check (submitters in ('users', 'service')),
  constraint kinds_priority_range check (priority between 0 and max_priority and max_priority <= 9),
  constraint kinds_max_attempts_range check (max_attempts between 1 and 100),
  constraint kinds_timeout_range check (timeout_seconds between 1 and 604800),
  constraint kinds_backoff_range check (backoff_base_seconds >= 0 and backoff_max_seconds between 0 and 604800),
  constraint kinds_stages_array check (jsonb_typeof(stages) = 'array'),
  constraint kinds_retention_range check (retention between interval '1 minute' and interval '3660 days'),
  constraint kinds_concurrency_range check (concurrency between 0 and 1000000),
  constraint kinds_tenant_concurrency_range check (tenant_concurrency between 1 and 1000000),
  constraint kinds_cost_budget_range check (cost_budget >= 0),
  constraint kinds_push_known check (push in ('always', 'watched')),
  constraint kinds_payload_schema_object check (jsonb_typeof(payload_schema) = 'object'),
  constraint kinds_payload_limit_range check (payload_limit between 2 and 16777216),
  constraint kinds_result_limit_range check (result_limit between 2 and 67108864)
);

create index kinds_queue_idx on headway.kinds (queue);

comment on table headway.kinds is 'What a job can be: a stable dotted name with the defaults its jobs start with.';
comment on column headway.kinds.submitters is
  'users: anybody signed in may submit it; service: only workers and operators (children, schedules).';
comment on column headway.kinds.max_priority is
  'The most urgent that users may ask for: a priority overtakes every tenant''s jobs below it.';
comment on column headway.kinds.stages is 'Ordered stages: [{"name", "label", "weight"}].';
comment on column headway.kinds.payload_schema is
  'JSON Schema that a payload has to fit before a job exists; null accepts everything.';
comment on column headway.kinds.limits_pinned is
  'An operator set the limits; a worker that registers the kind again leaves them alone.';
comment on column headway.kinds.push is
  'always: every change is pushed; watched: only while somebody holds a watch lease on the job or its list.';

create table headway.workers (
  id uuid primary key,
  name text not null,
  version text,
  queues text[] not null default '{}',
  kinds text[] not null default '{}',
  slots integer not null default 1,
  info jsonb not null default '{}',
  started_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  stopped_at timestamptz,
  constraint workers_name_length check (char_length(name) between 1 and 200),
  constraint workers_version_length check (char_length(version) <= 100),
  constraint workers_slots_range check (slots between 0 and 100000),
  constraint workers_info_small check (jsonb_typeof(info) = 'object' and octet_length(info::text) <= 8192)
) with (fillfactor = 50);

create index workers_last_seen_idx on headway.workers (stopped_at) where stopped_at is null;

comment on table headway.workers is 'Processes that run jobs; one row per start.';

alter table headway.queues enable row level security;
alter table headway.kinds enable row level security;
alter table headway.workers enable row level security;

revoke all on table headway.queues, headway.kinds, headway.workers from public, anon, authenticated, service_role;
grant select on table headway.queues, headway.kinds, headway.workers to service_role;
grant select on table headway.kinds to authenticated;

create policy "everybody signed in sees what can be submitted" on headway.kinds
  for select to authenticated
  using (submitters = 'users');
