-- Endpoints: whom to tell of which jobs, for people and for service staff.

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
  -- Looked at before it is locked: a stranger must not be able to hold somebody else's messages up.
  select e.* into endpoint from headway.notification_endpoints e where e.id = endpoint_id;
  if headway_private.can_write_scope(endpoint.owner_id, endpoint.organization_id) then
    select e.* into endpoint from headway.notification_endpoints e where e.id = endpoint_id for no key update;
  end if;
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

comment on function headway.create_endpoint(json) is
  'Tell somebody when jobs end: {"channel", "target", "label", "kinds", "events", "organization_id", "project_id"}; a webhook''s secret is shown this once.';
comment on function headway.update_endpoint(uuid, json) is 'Change label, kinds, events; pause and resume.';
comment on function headway.delete_endpoint(uuid) is 'Remove an endpoint with its messages. False when there was none.';
comment on function headway.rotate_endpoint_secret(uuid) is 'A new signing secret; the old one stays valid for a day.';
comment on function headway.ping_endpoint(uuid) is 'Send a test message.';
comment on function headway.redeliver(uuid) is 'Deliver a finished message once more.';

revoke all on function
  headway_private.lock_endpoint_for_caller(uuid), headway.create_endpoint(json), headway.update_endpoint(uuid, json),
  headway.delete_endpoint(uuid), headway.rotate_endpoint_secret(uuid), headway.ping_endpoint(uuid),
  headway.redeliver(uuid)
from public, anon, authenticated, service_role;
grant execute on function
  headway.create_endpoint(json), headway.update_endpoint(uuid, json), headway.delete_endpoint(uuid),
  headway.rotate_endpoint_secret(uuid), headway.ping_endpoint(uuid), headway.redeliver(uuid)
to authenticated, service_role;
