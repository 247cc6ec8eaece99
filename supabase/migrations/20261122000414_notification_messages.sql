-- Messages come into being in the transaction that ends their job.

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

-- A plan made while the tables were small must not read them whole once they have grown: hence enable_seqscan.
create function headway_private.enqueue_notifications() returns trigger
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off
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
    where e.tenant_id = j.tenant_id
      and e.subscribed
      and (e.project_id is null or e.project_id = j.project_id)
      and (e.kinds is null or j.kind = any (e.kinds))
      and f.type = any (e.events)
      and e.paused_at is null
    union
    select e.id, e.blocked_until
    from headway.notification_endpoints e
    where e.all_tenants
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
      and coalesce(nullif(nullif(i.notify -> 'on', 'null'), '[]'), '["completed", "failed"]') ? f.type
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

-- Workers that deliver listen; one message per statement, however many are told.
create function headway_private.wake_notifiers() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  begin
    perform realtime.send('{}', 'wake', 'outbox', true)
    where exists (select from fresh f where f.status = 'pending' and f.due_at <= clock_timestamp());
  exception when others then
    raise warning 'headway could not wake notifiers: % (%)', sqlerrm, sqlstate;
  end;
  return null;
end
$$;

create trigger outbox_wake_notifiers
  after insert on headway.outbox
  referencing new table as fresh
  for each statement execute function headway_private.wake_notifiers();

revoke all on function
  headway_private.wake_notifiers(), headway_private.new_secret(), headway_private.ensure_endpoint(text, text, uuid, uuid, uuid, uuid, boolean),
  headway_private.accept_notify(), headway_private.enqueue_notifications()
from public, anon, authenticated, service_role;
