-- Telling the outside: webhooks and e-mails about the end of jobs, at least once.
--
-- A message is written in the transaction that ends its job, so neither exists without the other. Workers claim
-- messages under leases, deliver them, and report; what fails comes again later and later, and is kept as dead
-- when it never gets through. Signing follows the Standard Webhooks scheme: HMAC-SHA256 with the endpoint's
-- secret over "<message id>.<unix time>.<body>".

create table headway.notification_settings (
  id boolean primary key default true,
  allow_loopback boolean not null default false,
  constraint notification_settings_one_row check (id)
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

comment on table headway.notification_settings is 'allow_loopback: webhooks to this machine, for development only.';
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

-- Who may be told -----------------------------------------------------------------------------------------

-- Webhooks go to the public internet over TLS. Names are resolved, and private addresses refused again, by the
-- worker at delivery: a name may point elsewhere by then.
create function headway_private.check_webhook_url(url text, field text) returns void
language plpgsql stable set search_path = ''
as $$
declare
  parts text[] := regexp_match(
    url, '^(https?)://(\[[0-9a-f:.]{2,45}\]|[a-z0-9][a-z0-9.-]{0,252})(?::([0-9]{1,5}))?([/?][!-~]*)?$', 'i'
  );
  host text := rtrim(lower(parts[2]), '.');
  address inet;
  loopback boolean := false;
begin
  if parts is null or char_length(url) > 2000 or url ~ '[\\"#<>`{}|^[:space:]]' or coalesce(parts[3]::integer, 443) not between 1 and 65535 then
    perform headway_private.refuse('HW100', 'is not a webhook URL', field,
      'Send https://host/path in ASCII, without user name, password and fragment.');
  end if;
  if host like '[%' then
    begin
      address := btrim(host, '[]')::inet;
    exception when invalid_text_representation then
      perform headway_private.refuse('HW100', 'is not a webhook URL', field, 'Correct the IPv6 address.');
    end;
  elsif host ~ '^([0-9]{1,3}\.){3}[0-9]{1,3}$' and host !~ '(^|\.)0[0-9]' then
    begin
      address := host::inet;
    exception when invalid_text_representation then
      perform headway_private.refuse('HW100', 'is not a webhook URL', field, 'Correct the IPv4 address.');
    end;
  elsif host ~ '(^|\.)(0x[0-9a-f]*|[0-9]+)$' then
    -- 127.1, 0x7f000001, 2130706433: ways to write an address past a filter
    perform headway_private.refuse('HW100', 'has an address in an unusual notation', field, 'Write four decimal numbers, or a name.');
  end if;
  if address is not null then
    loopback := address <<= '127.0.0.0/8' or address = '::1';
    if not loopback and (
      case family(address)
        when 4 then address <<= any (array[
          '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24',
          '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3'
        ]::inet[])
        else not address <<= '2000::/3'
          or address <<= any (array['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']::inet[])
      end
    ) then
      perform headway_private.refuse('HW100', 'points into a private network', field, 'Use an address on the public internet.');
    end if;
  else
    loopback := host = 'localhost' or host like '%.localhost';
    if not loopback and (
      host !~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$'
      or host ~ '\.(local|internal|intranet|lan|home|corp|private|home\.arpa|onion|test|invalid)$'
    ) then
      perform headway_private.refuse('HW100', 'names no host on the public internet', field, 'Use a full host name such as hooks.example.com.');
    end if;
  end if;
  if loopback and not (select s.allow_loopback from headway.notification_settings s) then
    perform headway_private.refuse('HW100', 'points to the server itself', field,
      'In development: update headway.notification_settings set allow_loopback = true where id.');
  elsif lower(parts[1]) = 'http' and not loopback then
    perform headway_private.refuse('HW100', 'is not encrypted', field, 'Use https.');
  end if;
end
$$;

-- E-mail goes to people who have agreed to it: service staff may name anybody, others their own confirmed
-- address, or a fellow member's for an organisation's jobs. Otherwise anyone could make us send spam.
create function headway_private.check_email(address text, owner_id uuid, organization_id uuid, field text)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if address !~ '^[!-~]+@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$' or address ~ '[<>,;:"()\[\]\\@].*@'
    or char_length(address) > 254
  then
    perform headway_private.refuse('HW100', 'is not an e-mail address', field, 'Send one plain address.');
  end if;
  if headway_private.is_service() then
    return;
  end if;
  if not exists (
    select from auth.users u
    where lower(u.email) = lower(address)
      and u.email_confirmed_at is not null
      and (
        u.id = auth.uid()
        or (check_email.organization_id is not null and exists (
          select from public.organization_members m
          where m.organization_id = check_email.organization_id and m.user_id = u.id
        ))
      )
  ) then
    perform headway_private.refuse('HW302', 'is not your confirmed e-mail address', field,
      'Use your own address, or for an organisation''s jobs a member''s.');
  end if;
end
$$;

create function headway_private.check_notify(notify jsonb, owner_id uuid, organization_id uuid, field text)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if notify ->> 'webhook' is not null then
    perform headway_private.check_webhook_url(notify ->> 'webhook', field || '.webhook');
  end if;
  if notify ->> 'email' is not null then
    perform headway_private.check_email(notify ->> 'email', owner_id, organization_id, field || '.email');
  end if;
end
$$;

create function headway_private.new_secret() returns text
language sql volatile set search_path = ''
as $$
  -- 366 bits of the server's strong randomness, pressed into 256
  select 'whsec_' || encode(sha256(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
  ), 'base64')
$$;

-- The endpoint of a scope and target; made, with a secret, when it is new.
create function headway_private.ensure_endpoint(
  channel text, target text, tenant_id uuid, owner_id uuid, organization_id uuid, project_id uuid, subscribed boolean
) returns uuid
language plpgsql volatile set search_path = ''
as $$
declare
  endpoint_id uuid;
begin
  select e.id into endpoint_id
  from headway.notification_endpoints e
  where e.tenant_id = $3 and e.project_id is not distinct from $6 and e.channel = $1 and e.target = $2;
  if endpoint_id is not null then
    return endpoint_id;
  end if;
  if not headway_private.is_service() and (
    select count(*) from headway.notification_endpoints e where e.tenant_id = $3
  ) >= 200 then
    perform headway_private.refuse('HW202', 'there are 200 endpoints already', 'notify', 'Delete endpoints that are no longer needed.');
  end if;
  insert into headway.notification_endpoints as e (
    channel, target, tenant_id, owner_id, account_id, organization_id, project_id, subscribed, created_by
  ) values ($1, $2, $3, $4, headway_private.account_of($4, $5), $5, $6, $7, auth.uid())
  on conflict on constraint notification_endpoints_once do nothing
  returning e.id into endpoint_id;
  if endpoint_id is null then
    select e.id into endpoint_id
    from headway.notification_endpoints e
    where e.tenant_id = $3 and e.project_id is not distinct from $6 and e.channel = $1 and e.target = $2;
  else
    insert into headway_private.endpoint_secrets (endpoint_id, secret) values (endpoint_id, headway_private.new_secret());
  end if;
  return endpoint_id;
end
$$;

-- A job may name whom to tell: refused at submission when that cannot be, not found out at its end.
create function headway_private.accept_notify() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
declare
  job headway.jobs;
begin
  select j.* into job from headway.jobs j where j.id = new.job_id;
  perform headway_private.check_notify(new.notify, job.owner_id, job.organization_id, 'notify');
  if new.notify ->> 'webhook' is not null then
    perform headway_private.ensure_endpoint(
      'webhook', new.notify ->> 'webhook', job.tenant_id, job.owner_id, job.organization_id, null, false
    );
  end if;
  if new.notify ->> 'email' is not null then
    perform headway_private.ensure_endpoint(
      'email', lower(new.notify ->> 'email'), job.tenant_id, job.owner_id, job.organization_id, null, false
    );
  end if;
  return new;
end
$$;

create trigger job_inputs_accept_notify
  before insert or update of notify on headway.job_inputs
  for each row when (new.notify is not null)
  execute function headway_private.accept_notify();

-- Writing messages ----------------------------------------------------------------------------------------

create function headway_private.enqueue_notifications() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
declare
  ended uuid[];
begin
  select array_agg(f.job_id) into ended from fresh f where f.type in ('completed', 'failed', 'cancelled');
  if ended is null or not exists (select from headway.notification_endpoints) then
    return null;
  end if;
  insert into headway.outbox (endpoint_id, due_at, job_id, run, event, payload)
  select t.endpoint_id, coalesce(t.blocked_until, now()), j.id, f.run, 'job.' || f.type, jsonb_build_object(
    'type', 'job.' || f.type,
    'timestamp', f.at,
    'data', jsonb_build_object(
      'job_id', j.id, 'kind', j.kind, 'queue', j.queue, 'status', f.type, 'run', f.run, 'attempt', f.attempt,
      'seq', f.seq, 'message', j.message, 'metrics', j.metrics, 'tags', j.tags, 'owner_id', j.owner_id,
      'organization_id', j.organization_id, 'project_id', j.project_id, 'batch_id', j.batch_id,
      'created_at', j.created_at, 'started_at', j.started_at, 'finished_at', j.finished_at,
      'error', case when j.error_code is not null then jsonb_build_object(
        'code', j.error_code, 'message', j.error_message, 'hint', j.error_hint, 'step', j.error_step
      ) end
    )
  )
  from fresh f
  join headway.jobs j on j.id = f.job_id
  cross join lateral (
    select e.id as endpoint_id, e.blocked_until
    from headway.notification_endpoints e
    where e.subscribed
      and (e.tenant_id = j.tenant_id or e.all_tenants)
      and (e.project_id is null or e.project_id = j.project_id)
      and (e.kinds is null or j.kind = any (e.kinds))
      and f.type = any (e.events)
      and e.paused_at is null
    union
    select e.id, e.blocked_until
    from headway.job_inputs i
    join headway.notification_endpoints e on e.tenant_id = j.tenant_id and e.project_id is null and (
      (e.channel = 'webhook' and e.target = i.notify ->> 'webhook')
      or (e.channel = 'email' and e.target = lower(i.notify ->> 'email'))
    )
    where i.job_id = j.id
      and i.notify is not null
      and coalesce(i.notify -> 'on', '["completed", "failed"]') ? f.type
      and e.paused_at is null
  ) t
  where f.type in ('completed', 'failed', 'cancelled')
  on conflict do nothing;
  return null;
end
$$;

create trigger job_events_notify
  after insert on headway.job_events
  referencing new table as fresh
  for each statement execute function headway_private.enqueue_notifications();

-- Delivering them (workers) --------------------------------------------------------------------------------

create function headway.claim_outbox(
  worker_id uuid, request_id uuid, max_messages integer default 20, lease_seconds integer default 60
) returns table (
  id uuid, endpoint_id uuid, channel text, target text, event text, payload jsonb, attempt integer,
  secrets text[], lease_token uuid, lease_expires_at timestamptz
)
language plpgsql volatile security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  given alias for $2;
  lease interval;
begin
  if worker_id is null or given is null then
    perform headway_private.refuse('HW102', 'worker_id and request_id are required', 'request_id', 'Send a new UUID per claim, the same one when repeating it.');
  elsif max_messages is null or max_messages not between 1 and 500 then
    perform headway_private.refuse('HW103', 'must be from 1 to 500', 'max_messages', 'Leave it out for 20.');
  elsif lease_seconds is null or lease_seconds not between 5 and 3600 then
    perform headway_private.refuse('HW103', 'must be from 5 to 3600', 'lease_seconds', 'Leave it out for 60.');
  end if;
  lease := make_interval(secs => lease_seconds);

  -- A request that is known was granted before: its answer was lost, and it gets the same leases, never new ones.
  insert into headway_private.claim_requests (request_id, worker_id) values (given, $1) on conflict do nothing;
  if found then
    -- What is too old or was tried too often is dead, whether it failed or its worker died with it.
    update headway.outbox o
    set status = 'dead', finished_at = clock_timestamp(), last_error = coalesce(o.last_error, 'no answer in time')
    where o.id in (
      select d.id
      from headway.outbox d
      where d.status in ('pending', 'delivering')
        and d.due_at <= clock_timestamp()
        and (d.attempts >= 12 or d.give_up_at <= clock_timestamp())
      order by d.due_at
      limit 500
      for update skip locked
    );
    update headway.outbox o
    set
      status = 'delivering', attempts = o.attempts + 1, lease_token = gen_random_uuid(), worker_id = $1,
      request_id = given, due_at = clock_timestamp() + lease
    where o.id in (
      select d.id
      from headway.outbox d
      where d.status in ('pending', 'delivering')
        and d.due_at <= clock_timestamp()
        and d.attempts < 12
        and d.give_up_at > clock_timestamp()
      order by d.due_at
      limit max_messages
      for update skip locked
    );
  end if;
  return query
  select
    o.id, o.endpoint_id, e.channel, e.target, o.event, o.payload, o.attempts,
    case when e.channel = 'webhook' then array_remove(array[
      s.secret, case when s.previous_valid_until > clock_timestamp() then s.previous_secret end
    ], null) else '{}' end,
    o.lease_token, o.due_at
  from headway.outbox o
  join headway.notification_endpoints e on e.id = o.endpoint_id
  left join headway_private.endpoint_secrets s on s.endpoint_id = e.id
  where o.request_id = given and o.status = 'delivering' and o.due_at > clock_timestamp()
  order by o.created_at, o.id;
end
$$;

-- What became of messages: [{"id", "lease_token", "outcome": "delivered" | "retry" | "dead", "status_code",
-- "error", "retry_after_seconds"}]. Each row says whether it was applied, repeated or lost.
create function headway.finish_outbox(outcomes json) returns table (id uuid, state text, status text)
language plpgsql volatile security definer set search_path = ''
as $$
#variable_conflict use_column
declare
  list jsonb := headway_private.storable(outcomes, 'outcomes');
  entry record;
  field text;
  message headway.outbox;
  outcome text;
  message_id uuid;
  token uuid;
  delay numeric;
  failures_now integer;
begin
  if headway_private.read_array(list, 'outcomes', 500) is null then
    perform headway_private.refuse('HW102', 'is missing', 'outcomes', 'Send a list of outcomes.');
  end if;
  -- In the order of ids, so that two workers never wait for each other crosswise.
  for entry in
    select e.value, e.place from jsonb_array_elements(list) with ordinality e (value, place)
    order by e.value ->> 'id', e.place
  loop
    field := format('outcomes[%s].', entry.place - 1);
    if jsonb_typeof(entry.value) <> 'object' then
      perform headway_private.refuse('HW100', 'must be an object', rtrim(field, '.'), 'Send {"id", "lease_token", "outcome"}.');
    end if;
    perform headway_private.refuse_unknown_fields(
      entry.value, '{id,lease_token,outcome,status_code,error,retry_after_seconds}', field
    );
    message_id := headway_private.read_uuid(entry.value -> 'id', field || 'id');
    token := headway_private.read_uuid(entry.value -> 'lease_token', field || 'lease_token');
    outcome := headway_private.read_text(
      entry.value -> 'outcome', field || 'outcome', 10, '^(delivered|retry|dead)$', 'Send delivered, retry or dead.'
    );
    if message_id is null or token is null or outcome is null then
      perform headway_private.refuse('HW102', 'id, lease_token and outcome are required', rtrim(field, '.'), 'Send all three.');
    end if;
    delay := headway_private.read_number(entry.value -> 'retry_after_seconds', field || 'retry_after_seconds', 0, 86400);

    select o.* into message from headway.outbox o where o.id = message_id for no key update;
    id := message_id;
    if message.id is null or message.lease_token is distinct from token then
      state := 'lost';
      status := message.status;
      return next;
      continue;
    elsif message.status <> 'delivering' then
      state := 'repeated';
      status := message.status;
      return next;
      continue;
    end if;

    if outcome = 'retry' and (message.attempts >= 12 or message.give_up_at <= clock_timestamp()) then
      outcome := 'dead';
    end if;
    -- 10 s, 30 s, 90 s ... 6 h, each between half and whole so that a crowd spreads out; the endpoint's wish wins.
    delay := greatest(delay, least(10 * 3 ^ (message.attempts - 1), 21600) * (0.5 + random()::numeric / 2));
    update headway.outbox o
    set
      status = case outcome when 'retry' then 'pending' else outcome end,
      due_at = case outcome when 'retry' then clock_timestamp() + make_interval(secs => delay::double precision) else o.due_at end,
      finished_at = case when outcome <> 'retry' then clock_timestamp() end,
      last_status_code = headway_private.read_integer(entry.value -> 'status_code', field || 'status_code', 0, 999),
      last_error = left(entry.value ->> 'error', 2000)
    where o.id = message_id
    returning o.status into status;

    if outcome = 'delivered' then
      update headway.notification_endpoints e
      set failures = 0, blocked_until = null, last_success_at = clock_timestamp()
      where e.id = message.endpoint_id;
    else
      -- An endpoint that is down keeps its other messages waiting too, so that they do not take the workers' time.
      update headway.notification_endpoints e
      set
        failures = e.failures + 1, last_failure_at = clock_timestamp(), last_error = left(entry.value ->> 'error', 2000),
        blocked_until = greatest(
          e.blocked_until, clock_timestamp() + make_interval(secs => least(5 * 2 ^ least(e.failures, 20), 900))
        )
      where e.id = message.endpoint_id
      returning e.failures into failures_now;
      if failures_now >= 3 then
        update headway.outbox o
        set due_at = e.blocked_until
        from headway.notification_endpoints e
        where e.id = message.endpoint_id
          and o.endpoint_id = e.id
          and o.status = 'pending'
          and o.due_at < e.blocked_until;
      end if;
    end if;
    state := 'applied';
    return next;
  end loop;
end
$$;

create function headway.prune_outbox(max_messages integer default 1000) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  removed integer;
begin
  delete from headway.outbox o
  where o.id in (
    select d.id
    from headway.outbox d
    where (d.status = 'delivered' and d.finished_at < now() - interval '7 days')
      or (d.status = 'dead' and d.finished_at < now() - interval '30 days')
    order by d.finished_at
    limit least(greatest(coalesce(max_messages, 1000), 1), 10000)
    for update skip locked
  );
  get diagnostics removed = row_count;
  return removed;
end
$$;

-- Managing endpoints (callers) ------------------------------------------------------------------------------

create function headway.create_endpoint(json) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  service constant boolean := headway_private.is_service();
  body jsonb := headway_private.storable($1, 'body');
  scope headway_private.scope;
  channel text;
  target text;
  label text;
  kinds text[];
  events text[];
  everybody boolean := false;
  tenant uuid;
  stored headway.notification_endpoints;
  secret text := headway_private.new_secret();
begin
  if jsonb_typeof(body) is distinct from 'object' then
    perform headway_private.refuse('HW100', 'must be an object', 'body', 'Send {"channel", "target"}.');
  end if;
  perform headway_private.refuse_unknown_fields(
    body, '{channel,target,label,kinds,events,organization_id,project_id,owner_id,all_tenants}', ''
  );
  channel := headway_private.read_text(body -> 'channel', 'channel', 7, '^(webhook|email)$', 'Send webhook or email.');
  target := headway_private.read_text(body -> 'target', 'target', 2000);
  label := headway_private.read_text(body -> 'label', 'label', 200);
  if channel is null or target is null then
    perform headway_private.refuse('HW102', 'channel and target are required', 'target', 'Send {"channel": "webhook", "target": "https://..."}.');
  end if;
  select array_agg(headway_private.read_text(k, 'kinds', 100)) into kinds
  from jsonb_array_elements(headway_private.read_array(body -> 'kinds', 'kinds', 100)) k;
  select array_agg(distinct headway_private.read_text(v, 'events', 10, '^(completed|failed|cancelled)$', 'Send completed, failed or cancelled.'))
  into events
  from jsonb_array_elements(headway_private.read_array(body -> 'events', 'events', 3)) v;
  if jsonb_typeof(body -> 'all_tenants') not in ('boolean', 'null') then
    perform headway_private.refuse('HW100', 'must be true or false', 'all_tenants', 'Leave it out.');
  end if;
  everybody := coalesce((body ->> 'all_tenants')::boolean, false);
  if everybody and not service then
    perform headway_private.refuse('HW302', 'is for service staff', 'all_tenants', 'Leave it out.');
  end if;
  if not everybody then
    scope := headway_private.resolve_scope(
      (
        headway_private.read_uuid(body -> 'organization_id', 'organization_id'),
        headway_private.read_uuid(body -> 'project_id', 'project_id'),
        headway_private.read_uuid(body -> 'owner_id', 'owner_id')
      )::headway_private.scope, null, null, ''
    );
  end if;
  if channel = 'webhook' then
    perform headway_private.check_webhook_url(target, 'target');
  else
    target := lower(target);
    perform headway_private.check_email(target, scope.owner_id, scope.organization_id, 'target');
  end if;
  tenant := coalesce(scope.organization_id, scope.owner_id, '00000000-0000-0000-0000-000000000000');
  perform pg_advisory_xact_lock(hashtextextended('headway.create_endpoint:' || tenant, 0));
  if not service and (
    select count(*) from headway.notification_endpoints e where e.tenant_id = tenant and e.subscribed
  ) >= 20 then
    perform headway_private.refuse('HW202', 'there are 20 endpoints already', 'target', 'Delete one that is no longer needed.');
  end if;
  insert into headway.notification_endpoints as e (
    channel, target, label, kinds, events, all_tenants, tenant_id, owner_id, account_id, organization_id, project_id,
    created_by
  ) values (
    channel, target, label, kinds, coalesce(events, '{completed,failed}'), everybody, tenant, scope.owner_id,
    headway_private.account_of(scope.owner_id, scope.organization_id), scope.organization_id, scope.project_id, case when not service then auth.uid() end
  )
  on conflict on constraint notification_endpoints_once do update
  set subscribed = true, label = excluded.label, kinds = excluded.kinds, events = excluded.events
  where not e.subscribed -- known so far only because a job named it
  returning e.* into stored;
  if stored.id is null then
    perform headway_private.refuse('HW202', 'is an endpoint already', 'target', 'Change that one, or delete it first.');
  end if;
  insert into headway_private.endpoint_secrets as s (endpoint_id, secret)
  values (stored.id, secret)
  on conflict (endpoint_id) do update
  set secret = excluded.secret, previous_secret = s.secret, previous_valid_until = now() + interval '1 day', rotated_at = now();
  return jsonb_build_object(
    'id', stored.id, 'channel', stored.channel, 'target', stored.target,
    'secret', case when stored.channel = 'webhook' then secret end
  );
end
$$;

create function headway_private.lock_endpoint_for_caller(endpoint_id uuid) returns headway.notification_endpoints
language plpgsql volatile set search_path = ''
as $$
declare
  endpoint headway.notification_endpoints;
begin
  select e.* into endpoint from headway.notification_endpoints e where e.id = endpoint_id for no key update;
  if endpoint.id is null or not headway_private.can_read_scope(endpoint.owner_id, endpoint.organization_id) then
    perform headway_private.refuse('HW301', 'there is no such endpoint', 'endpoint_id', 'Check the id and who is signed in.');
  elsif not headway_private.can_write_scope(endpoint.owner_id, endpoint.organization_id) then
    perform headway_private.refuse(
      'HW302', 'you may see this endpoint but not change it', 'endpoint_id', 'Ask for the role editor in its organisation.'
    );
  end if;
  return endpoint;
end
$$;

-- Pausing writes no messages for what ends meanwhile; the target cannot be changed, or a secret would move with it.
create function headway.update_endpoint(endpoint_id uuid, changes json) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  endpoint headway.notification_endpoints := headway_private.lock_endpoint_for_caller(endpoint_id);
  body jsonb := headway_private.storable(changes, 'changes');
  new_kinds text[];
  new_events text[];
begin
  if jsonb_typeof(body) is distinct from 'object' then
    perform headway_private.refuse('HW100', 'must be an object', 'changes', 'Send {"kinds", "events", "label", "paused"}.');
  end if;
  perform headway_private.refuse_unknown_fields(body, '{label,kinds,events,paused}', 'changes.');
  if jsonb_typeof(body -> 'paused') <> 'boolean' then
    perform headway_private.refuse('HW100', 'must be true or false', 'changes.paused', 'Send true or false.');
  end if;
  select array_agg(headway_private.read_text(k, 'changes.kinds', 100)) into new_kinds
  from jsonb_array_elements(headway_private.read_array(body -> 'kinds', 'changes.kinds', 100)) k;
  select array_agg(distinct headway_private.read_text(v, 'changes.events', 10, '^(completed|failed|cancelled)$', 'Send completed, failed or cancelled.'))
  into new_events
  from jsonb_array_elements(headway_private.read_array(body -> 'events', 'changes.events', 3)) v;
  update headway.notification_endpoints e
  set
    label = case when body ? 'label' then headway_private.read_text(body -> 'label', 'changes.label', 200) else e.label end,
    kinds = case when body ? 'kinds' then new_kinds else e.kinds end,
    events = coalesce(new_events, e.events),
    paused_at = case (body ->> 'paused')::boolean
      when true then coalesce(e.paused_at, now())
      when false then null
      else e.paused_at
    end,
    -- Resumed by a person: tried again at once.
    blocked_until = case when not (body ->> 'paused')::boolean then null else e.blocked_until end,
    failures = case when not (body ->> 'paused')::boolean then 0 else e.failures end
  where e.id = endpoint.id
  returning e.* into endpoint;
  return to_jsonb(endpoint);
end
$$;

create function headway.delete_endpoint(endpoint_id uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  endpoint headway.notification_endpoints;
begin
  if not exists (select from headway.notification_endpoints e where e.id = endpoint_id) then
    return false; -- deleted before: repeating is harmless
  end if;
  endpoint := headway_private.lock_endpoint_for_caller(endpoint_id);
  delete from headway.notification_endpoints e where e.id = endpoint.id;
  return true;
end
$$;

-- A new secret, shown this once; the old one signs beside it for a day.
create function headway.rotate_endpoint_secret(endpoint_id uuid) returns text
language plpgsql volatile security definer set search_path = ''
as $$
declare
  endpoint headway.notification_endpoints := headway_private.lock_endpoint_for_caller(endpoint_id);
  fresh text := headway_private.new_secret();
begin
  if endpoint.channel <> 'webhook' then
    perform headway_private.refuse('HW202', 'e-mail is not signed', 'endpoint_id', 'Only webhooks have a secret.');
  end if;
  update headway_private.endpoint_secrets s
  set previous_secret = s.secret, previous_valid_until = now() + interval '1 day', secret = fresh, rotated_at = now()
  where s.endpoint_id = endpoint.id;
  return fresh;
end
$$;

create function headway.ping_endpoint(endpoint_id uuid) returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
  endpoint headway.notification_endpoints := headway_private.lock_endpoint_for_caller(endpoint_id);
  message_id uuid;
begin
  if exists (
    select from headway.outbox o
    where o.endpoint_id = endpoint.id and o.event = 'ping' and o.created_at > now() - interval '10 seconds'
  ) then
    perform headway_private.refuse('HW202', 'was pinged a moment ago', 'endpoint_id', 'Wait ten seconds.');
  end if;
  insert into headway.outbox as o (endpoint_id, event, payload, give_up_at)
  values (
    endpoint.id, 'ping', jsonb_build_object('type', 'ping', 'timestamp', now(), 'data', '{}'::jsonb), now() + interval '10 minutes'
  )
  returning o.id into message_id;
  return message_id;
end
$$;

-- A finished message once more: one that died, or one that the receiver lost.
create function headway.redeliver(message_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  message headway.outbox;
begin
  select o.* into message from headway.outbox o where o.id = message_id;
  if message.id is not null then
    perform headway_private.lock_endpoint_for_caller(message.endpoint_id);
    update headway.outbox o
    set
      status = 'pending', attempts = 0, due_at = now(), give_up_at = now() + interval '3 days', finished_at = null,
      lease_token = null
    where o.id = message.id and o.status in ('delivered', 'dead');
    return jsonb_build_object('id', message.id, 'changed', found);
  end if;
  perform headway_private.refuse('HW301', 'there is no such message', 'message_id', 'Check the id and who is signed in.');
  return null;
end
$$;

comment on function headway.claim_outbox(uuid, uuid, integer, integer) is
  'Messages to deliver, leased; the same request id answers the same leases.';
comment on function headway.finish_outbox(json) is 'Report deliveries; repeating a report is harmless.';
comment on function headway.prune_outbox(integer) is 'Remove delivered messages after 7 days and dead ones after 30.';
comment on function headway.create_endpoint(json) is
  'Tell somebody when jobs end: {"channel", "target", "label", "kinds", "events", "organization_id", "project_id"}; a webhook''s secret is shown this once.';
comment on function headway.update_endpoint(uuid, json) is 'Change label, kinds, events; pause and resume.';
comment on function headway.delete_endpoint(uuid) is 'Remove an endpoint with its messages. False when there was none.';
comment on function headway.rotate_endpoint_secret(uuid) is 'A new signing secret; the old one stays valid for a day.';
comment on function headway.ping_endpoint(uuid) is 'Send a test message.';
comment on function headway.redeliver(uuid) is 'Deliver a finished message once more.';

revoke all on function
  headway_private.check_webhook_url(text, text), headway_private.check_email(text, uuid, uuid, text),
  headway_private.check_notify(jsonb, uuid, uuid, text), headway_private.new_secret(),
  headway_private.ensure_endpoint(text, text, uuid, uuid, uuid, uuid, boolean), headway_private.accept_notify(),
  headway_private.enqueue_notifications(), headway_private.lock_endpoint_for_caller(uuid),
  headway.claim_outbox(uuid, uuid, integer, integer), headway.finish_outbox(json), headway.prune_outbox(integer),
  headway.create_endpoint(json), headway.update_endpoint(uuid, json), headway.delete_endpoint(uuid),
  headway.rotate_endpoint_secret(uuid), headway.ping_endpoint(uuid), headway.redeliver(uuid)
from public, anon, authenticated, service_role;
grant execute on function
  headway.claim_outbox(uuid, uuid, integer, integer), headway.finish_outbox(json), headway.prune_outbox(integer)
to service_role;
grant execute on function
  headway.create_endpoint(json), headway.update_endpoint(uuid, json), headway.delete_endpoint(uuid),
  headway.rotate_endpoint_secret(uuid), headway.ping_endpoint(uuid), headway.redeliver(uuid)
to authenticated, service_role;
