-- Telling the outside: webhooks and e-mails about the end of jobs, at least once.
--
-- A message is written in the transaction that ends its job, so neither exists without the other. Workers claim
-- messages under leases, deliver them, and report; what fails comes again later and later, and is kept as dead
-- when it never gets through. Signing follows the Standard Webhooks scheme: HMAC-SHA256 with the endpoint's
-- secret over "<message id>.<unix time>.<body>".

create table headway.notification_settings (
  id boolean primary key default true,
  allow_loopback boolean not null default false,
  internal_origins text[] not null default '{}',
  constraint notification_settings_one_row check (id),
  constraint notification_settings_origins_few check (cardinality(internal_origins) <= 100)
);
insert into headway.notification_settings default values;

create table headway.notification_endpoints (
  id uuid primary key default gen_random_uuid(),
  channel text not null,
  target text not null,
  label text,
  kinds text[],
  events text[] not null default '{completed,failed}',
  -- false: only jobs that name it in their `notify`.
  subscribed boolean not null default true,
  all_tenants boolean not null default false,
  tenant_id uuid not null,
  owner_id uuid,
  -- The owner's account where this project keeps it: it takes its endpoints along.
  account_id uuid references auth.users (id) on delete cascade,
  organization_id uuid references public.organizations (id) on delete cascade,
  project_id uuid references public.projects (id) on delete cascade,
  paused_at timestamptz,
  failures integer not null default 0,
  blocked_until timestamptz,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  last_error text,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint notification_endpoints_once unique nulls not distinct (tenant_id, project_id, channel, target),
  constraint notification_endpoints_channel_known check (channel in ('webhook', 'email')),
  constraint notification_endpoints_target_length check (char_length(target) between 3 and 2000),
  constraint notification_endpoints_label_length check (char_length(label) <= 200),
  constraint notification_endpoints_kinds_few check (cardinality(kinds) between 1 and 100),
  constraint notification_endpoints_events_known check (
    events <@ '{completed,failed,cancelled}'::text[] and cardinality(events) between 1 and 3
  ),
  constraint notification_endpoints_all_tenants check (
    not all_tenants or (owner_id is null and organization_id is null and project_id is null)
  ),
  constraint notification_endpoints_failures_range check (failures >= 0)
);

create index notification_endpoints_owner_idx on headway.notification_endpoints (owner_id) where owner_id is not null;
create index notification_endpoints_account_idx on headway.notification_endpoints (account_id)
  where account_id is not null;
create index notification_endpoints_organization_idx on headway.notification_endpoints (organization_id)
  where organization_id is not null;
create index notification_endpoints_project_idx on headway.notification_endpoints (project_id)
  where project_id is not null;
create index notification_endpoints_all_idx on headway.notification_endpoints (id) where all_tenants;

-- Beside the endpoint and not exposed: only claim_outbox hands secrets out, to workers.
create table headway_private.endpoint_secrets (
  endpoint_id uuid primary key references headway.notification_endpoints (id) on delete cascade,
  secret text not null,
  previous_secret text,
  previous_valid_until timestamptz,
  rotated_at timestamptz not null default now()
);

create table headway.outbox (
  id uuid primary key default gen_random_uuid(),
  endpoint_id uuid not null references headway.notification_endpoints (id) on delete cascade,
  job_id uuid,
  run integer,
  event text not null,
  payload jsonb not null,
  status text not null default 'pending',
  attempts integer not null default 0,
  due_at timestamptz not null default now(),
  give_up_at timestamptz not null default now() + interval '3 days',
  lease_token uuid,
  worker_id uuid,
  request_id uuid,
  last_status_code integer,
  last_error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint outbox_event_known check (event in ('job.completed', 'job.failed', 'job.cancelled', 'ping')),
  constraint outbox_status_known check (status in ('pending', 'delivering', 'delivered', 'dead')),
  constraint outbox_payload_object check (jsonb_typeof(payload) = 'object'),
  constraint outbox_attempts_range check (attempts between 0 and 100),
  constraint outbox_lease check (status <> 'delivering' or (lease_token is not null and request_id is not null)),
  constraint outbox_end check ((status in ('delivered', 'dead')) = (finished_at is not null)),
  constraint outbox_last_error_length check (char_length(last_error) <= 2000)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- The same end of the same run is told to an endpoint once.
create unique index outbox_job_event_once on headway.outbox (endpoint_id, job_id, run, event) where job_id is not null;
create index outbox_due_idx on headway.outbox (due_at) where status in ('pending', 'delivering');
create index outbox_request_idx on headway.outbox (request_id) where status = 'delivering';
create index outbox_endpoint_pending_idx on headway.outbox (endpoint_id, due_at) where status = 'pending';
create index outbox_endpoint_idx on headway.outbox (endpoint_id, created_at desc);
create index outbox_finished_idx on headway.outbox (finished_at) where finished_at is not null;
create index outbox_job_idx on headway.outbox (job_id) where job_id is not null;
-- Which jobs name somebody themselves: few, and asked about at every end.
create index job_inputs_notify_idx on headway.job_inputs (job_id) where notify is not null;

comment on table headway.notification_settings is 'Where webhooks may go beside the public internet.';
comment on column headway.notification_settings.allow_loopback is 'Webhooks to this machine, for development only.';
comment on column headway.notification_settings.internal_origins is
  'Receivers inside your network, such as http://hooks:8080, that the service role may name; workers must admit them too.';
comment on table headway.notification_endpoints is 'Who is told when jobs end. Signing secrets are kept elsewhere.';
comment on table headway.outbox is 'Messages to endpoints: pending, being delivered, delivered, or dead for a person to look at.';
comment on column headway.outbox.due_at is 'Pending: when it is tried (again). Delivering: when its lease ends.';

create trigger notification_endpoints_set_updated_at
  before update on headway.notification_endpoints for each row execute function public.set_updated_at();

alter table headway.notification_settings enable row level security;
alter table headway.notification_endpoints enable row level security;
alter table headway_private.endpoint_secrets enable row level security;
alter table headway.outbox enable row level security;

create policy "owners and members see endpoints" on headway.notification_endpoints
  for select to authenticated
  using (
    case
      when organization_id is not null then organization_id = any ((select public.member_org_ids())::uuid[])
      else owner_id = (select auth.uid())
    end
  );
create policy "endpoint readers see messages" on headway.outbox
  for select to authenticated using (endpoint_id in (select e.id from headway.notification_endpoints e));

revoke all on table
  headway.notification_settings, headway.notification_endpoints, headway_private.endpoint_secrets, headway.outbox
from public, anon, authenticated, service_role;
grant select on table headway.notification_endpoints to authenticated, service_role;
grant select (
  id, endpoint_id, job_id, run, event, payload, status, attempts, due_at, give_up_at, last_status_code, last_error,
  created_at, finished_at
) on table headway.outbox to authenticated;
grant select on table headway.outbox to service_role;
grant select, update on table headway.notification_settings to service_role;
