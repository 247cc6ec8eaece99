-- Delivering messages, for workers: claim, report, prune. Every call may be repeated.

create function headway.claim_outbox(
  worker_id uuid, request_id uuid, max_messages integer default 20, lease_seconds integer default 60,
  channels text[] default null
) returns table (
  id uuid, endpoint_id uuid, channel text, target text, event text, payload jsonb, attempt integer,
  secrets text[], lease_token uuid, lease_expires_at timestamptz
)
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off
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
  elsif not channels <@ '{webhook,email}'::text[] then
    perform headway_private.refuse('HW103', 'must be webhook, email or both', 'channels', 'Leave it out for both.');
  end if;
  lease := make_interval(secs => lease_seconds);

  -- A request that is known was granted before: its answer was lost, and it gets the same leases, never new ones.
  insert into headway_private.claim_requests (request_id, worker_id) values (given, $1) on conflict do nothing;
  if found then
    -- What is too old or was tried too often is dead, whether it failed or its worker died with it.
    -- Rows are locked for an array, here and below: a plan may run a subquery of IN once per row of the table, and
    -- then each run locks other rows, beyond the limit and without taking them.
    update headway.outbox o
    set status = 'dead', finished_at = clock_timestamp(), last_error = coalesce(o.last_error, 'no answer in time')
    where o.id = any (array(
      select d.id
      from headway.outbox d
      where d.status in ('pending', 'delivering')
        and d.due_at <= clock_timestamp()
        and (d.attempts >= 12 or d.give_up_at <= clock_timestamp())
      order by d.due_at
      limit 500
      for update skip locked
    ));
    update headway.outbox o
    set
      status = 'delivering', attempts = o.attempts + 1, lease_token = gen_random_uuid(), worker_id = $1,
      request_id = given, due_at = clock_timestamp() + lease
    where o.id = any (array(
      select d.id
      from headway.outbox d
      where d.status in ('pending', 'delivering')
        and d.due_at <= clock_timestamp()
        and d.attempts < 12
        and d.give_up_at > clock_timestamp()
        and (
          channels is null
          or exists (
            select from headway.notification_endpoints e
            where e.id = d.endpoint_id and e.channel = any (claim_outbox.channels)
          )
        )
      order by d.due_at
      limit max_messages
      for update skip locked
    ));
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
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off
as $$
declare
  removed integer;
begin
  delete from headway.outbox o
  where o.id = any (array(
    select d.id
    from headway.outbox d
    where (d.status = 'delivered' and d.finished_at < now() - interval '7 days')
      or (d.status = 'dead' and d.finished_at < now() - interval '30 days')
    order by d.finished_at
    limit least(greatest(coalesce(max_messages, 1000), 1), 10000)
    for update skip locked
  ));
  get diagnostics removed = row_count;
  return removed;
end
$$;

comment on function headway.claim_outbox(uuid, uuid, integer, integer, text[]) is
  'Messages to deliver, leased; the same request id answers the same leases.';
comment on function headway.finish_outbox(json) is 'Report deliveries; repeating a report is harmless.';
comment on function headway.prune_outbox(integer) is 'Remove delivered messages after 7 days and dead ones after 30.';

revoke all on function
  headway.claim_outbox(uuid, uuid, integer, integer, text[]), headway.finish_outbox(json), headway.prune_outbox(integer)
from public, anon, authenticated, service_role;
grant execute on function
  headway.claim_outbox(uuid, uuid, integer, integer, text[]), headway.finish_outbox(json), headway.prune_outbox(integer)
to service_role;
