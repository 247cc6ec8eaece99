-- Claiming: up to n jobs by priority, then round robin over tenants, within every limit.
--
-- Claims of one queue go one after the other (a transaction-level advisory lock per queue, and per kind that has
-- a limit), so a limit cannot be passed even for an instant, and the round goes on where the last claim left it.
-- The cost depends on how many jobs are asked for, not on how many wait or have ended: every look into the
-- backlog is a probe of jobs_ready_idx, and what runs is counted in the small table of leases. The functions pin
-- their plans: whatever the statistics say, or do not say yet, tables are probed by key and never scanned.

-- What is due leaves the delay: it gets its place in the line. Deadlines of waiting jobs count as due.
create function headway_private.promote_due(most integer) returns integer
language plpgsql volatile set search_path = '' set plan_cache_mode = 'force_generic_plan' set enable_seqscan = off
as $$
declare
  -- A variable, because an index cannot be searched for a volatile function's value.
  moment constant timestamptz := clock_timestamp();
  promoted integer;
begin
  if not exists (
    select from headway.jobs j where j.status = 'pending' and j.ready_order is null and j.run_at <= moment
  ) then
    return 0;
  end if;
  with due as materialized (
    select j.id, j.waiting_for from headway.jobs j
    where j.status = 'pending' and j.ready_order is null and j.run_at <= moment
    order by j.run_at
    limit most
    for no key update skip locked
  ),
  ready as (
    update headway.jobs j
    set ready_order = nextval('headway_private.ready_order'), waiting_for = null, waiting_on = null,
      seq = j.seq + (d.waiting_for is not null)::integer, revision = j.revision + 1, updated_at = clock_timestamp()
    from due d
    where j.id = d.id
    returning j.id, j.seq, j.run, j.attempt, d.waiting_for
  ),
  told as (
    insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
    select r.id, r.seq, 'resumed', r.run, r.attempt, clock_timestamp(), '{"by": "deadline"}'
    from ready r
    where r.waiting_for is not null
  )
  select count(*) into promoted from ready;
  return promoted;
end
$$;

-- The kinds a claim may start now, with how many of each: what is at its limit is left out.
create type headway_private.open_kind as (kind text, room integer, tenant_limit integer);

create function headway_private.open_kinds(kinds text[]) returns headway_private.open_kind[]
language plpgsql volatile set search_path = '' set plan_cache_mode = 'force_generic_plan'
as $$
begin
  return (
    select array_agg((o.kind, o.room, o.tenant_concurrency)::headway_private.open_kind order by o.kind)
    from (
      select k.kind, k.tenant_concurrency, case when k.concurrency is not null then
        k.concurrency - (select count(*) from headway.leases l where l.kind = k.kind)::integer end as room
      from headway.kinds k
      where k.kind = any (kinds)
    ) o
    where o.room is null or o.room > 0
  );
end
$$;

-- One round of a queue at one priority: the next tenants in turn, an equal share for each. Answers the jobs in the
-- order of their turns, locked, and whether every line was emptied by it.
create function headway_private.pick_round(
  queue text, priority smallint, open headway_private.open_kind[], most integer, tenant_limit integer,
  out jobs uuid[], out last_tenant uuid, out emptied boolean
)
language plpgsql volatile
set search_path = '' set plan_cache_mode = 'force_generic_plan'
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  nobody constant uuid := '00000000-0000-0000-0000-000000000000';
  start uuid := (select r.tenant_id from headway_private.rotations r where r.queue = pick_round.queue and r.priority = pick_round.priority);
  -- A row-wise bound, so that "from the very first" and "after this tenant" are the same index condition.
  after_tenant uuid := coalesce(start, nobody);
  after_order bigint := case when start is null then -9223372036854775808 else 9223372036854775807 end;
  wrapped boolean := start is null;
  lane_limits constant boolean := exists (select from unnest(open) k where k.tenant_limit is not null);
  tenant uuid;
  room integer;
  tenants uuid[] := '{}';
  rooms integer[] := '{}';
  share integer;
begin
  loop
    exit when cardinality(tenants) >= most;
    select f.tenant_id into tenant
    from unnest(open) k
    cross join lateral (
      select j.tenant_id from headway.jobs j
      where j.queue = pick_round.queue and j.kind = k.kind and j.priority = pick_round.priority
        and j.ready_order is not null and (j.tenant_id, j.ready_order) > (after_tenant, after_order)
      order by j.tenant_id, j.ready_order
      limit 1
    ) f
    order by f.tenant_id
    limit 1;
    if tenant is null or (wrapped and tenant > start) then
      exit when wrapped;
      wrapped := true;
      after_tenant := nobody;
      after_order := -9223372036854775808;
      continue;
    end if;
    after_tenant := tenant;
    after_order := 9223372036854775807;
    room := most;
    if tenant_limit is not null then
      room := tenant_limit - (
        select count(*) from headway.leases l where l.queue = pick_round.queue and l.tenant_id = tenant
      );
    end if;
    -- A tenant whose every line is at its kind's limit must not use up a turn.
    if room > 0 and lane_limits and not exists (
      select from unnest(open) k
      where (
        k.tenant_limit is null
        or k.tenant_limit > (select count(*) from headway.leases l where l.kind = k.kind and l.tenant_id = tenant)
      ) and exists (
        select from headway.jobs j
        where j.queue = pick_round.queue and j.kind = k.kind and j.priority = pick_round.priority
          and j.tenant_id = tenant and j.ready_order is not null
      )
    ) then
      room := 0;
    end if;
    if room > 0 then
      tenants := tenants || tenant;
      rooms := rooms || room;
    end if;
  end loop;

  if tenants = '{}' then
    emptied := true;
    return;
  end if;
  share := ceil(most::numeric / cardinality(tenants));

  with line as materialized (
    select t.tenant_id, t.room, t.place
    from unnest(tenants, rooms) with ordinality t (tenant_id, room, place)
  ),
  candidate as materialized (
    select l.tenant_id, l.place, c.id, c.kind, c.kind_room,
      row_number() over (partition by l.tenant_id order by c.ready_order) as lap
    from line l
    cross join lateral (
      select j.id, j.ready_order, k.kind, k.room as kind_room
      from unnest(open) k
      cross join lateral (
        select j.id, j.ready_order from headway.jobs j
        where j.queue = pick_round.queue and j.kind = k.kind and j.priority = pick_round.priority
          and j.tenant_id = l.tenant_id and j.ready_order is not null
        order by j.ready_order
        limit greatest(0, least(
          share, l.room, k.room,
          -- Counted only where there is a limit: the cost of a claim does not grow with the leases that are held.
          case when k.tenant_limit is not null then k.tenant_limit - (
            select count(*) from headway.leases x where x.kind = k.kind and x.tenant_id = l.tenant_id
          ) end
        ))
        for no key update skip locked
      ) j
      order by j.ready_order
      limit least(share, l.room)
    ) c
  ),
  allowed as (
    select a.*, row_number() over (order by a.lap, a.place) as turn
    from (
      select c.*, row_number() over (partition by c.kind order by c.lap, c.place) as kind_turn from candidate c
    ) a
    where a.kind_room is null or a.kind_turn <= a.kind_room
  )
  select array_agg(a.id order by a.turn), (array_agg(a.tenant_id order by a.turn desc))[1],
    coalesce(max(a.lap), 0) < share
  into jobs, last_tenant, emptied
  from allowed a
  where a.turn <= most;
end
$$;

-- Starts jobs, given in the order of their turns after `before` others: lease, row and event in one statement.
create function headway_private.start_jobs(
  jobs uuid[], before integer, worker_id uuid, request_id uuid, lease_seconds integer
) returns void
language plpgsql volatile
set search_path = '' set plan_cache_mode = 'force_generic_plan'
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  with started as (
    update headway.jobs j
    set status = 'processing', ready_order = null, attempt = j.attempt + 1, seq = j.seq + 1, revision = j.revision + 1,
      started_at = coalesce(j.started_at, m.moment), updated_at = m.moment,
      error_code = null, error_message = null, error_hint = null, error_step = null
    from unnest(jobs) with ordinality t (id, place)
    cross join (select clock_timestamp() as moment) m
    where j.id = t.id
    returning j.id, j.attempt, j.seq, j.run, j.kind, j.queue, j.tenant_id, j.updated_at, t.place
  ),
  leased as (
    insert into headway.leases (
      job_id, attempt, token, worker_id, request_id, turn, kind, queue, tenant_id, started_at, expires_at,
      deadline_at
    )
    select s.id, s.attempt, gen_random_uuid(), start_jobs.worker_id, start_jobs.request_id, before + s.place, s.kind, s.queue,
      s.tenant_id, s.updated_at,
      -- As a heartbeat extends it: a lease that outlived the timeout would keep a dead worker's job.
      s.updated_at + least(
        make_interval(secs => lease_seconds), make_interval(secs => k.timeout_seconds) + interval '30 seconds'
      ),
      s.updated_at + make_interval(secs => k.timeout_seconds)
    from started s
    join headway.kinds k on k.kind = s.kind
  )
  insert into headway.job_events (job_id, seq, type, run, attempt, at)
  select s.id, s.seq, 'started', s.run, s.attempt, s.updated_at from started s;
end
$$;

-- Takes up to `most` jobs of one queue, whose locks the caller holds, after `before` of other queues. Answers how many.
create function headway_private.claim_queue(
  queue text, kinds text[], worker_id uuid, request_id uuid, before integer, most integer, lease_seconds integer
) returns integer
language plpgsql volatile
set search_path = '' set plan_cache_mode = 'force_generic_plan' set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
  lane headway.queues;
  open headway_private.open_kind[];
  level smallint := 10;
  taken integer := 0;
  round record;
begin
  select q.* into lane from headway.queues q where q.queue = claim_queue.queue;
  if lane.state = 'paused' then
    return 0;
  end if;
  if lane.concurrency is not null then
    most := least(most, lane.concurrency - (select count(*) from headway.leases l where l.queue = lane.queue)::integer);
  end if;
  <<levels>>
  while taken < most loop
    open := headway_private.open_kinds(kinds);
    select f.priority into level
    from unnest(open) k
    cross join lateral (
      select j.priority from headway.jobs j
      where j.queue = lane.queue and j.kind = k.kind and j.priority < level and j.ready_order is not null
      order by j.priority desc
      limit 1
    ) f
    order by f.priority desc
    limit 1;
    exit levels when level is null;
    loop
      select r.jobs, r.last_tenant, r.emptied into round
      from headway_private.pick_round(lane.queue, level, open, most - taken, lane.tenant_concurrency) r;
      exit when round.jobs is null;
      perform headway_private.start_jobs(round.jobs, before + taken, worker_id, request_id, lease_seconds);
      taken := taken + cardinality(round.jobs);
      insert into headway_private.rotations as r (queue, priority, tenant_id)
      values (lane.queue, level, round.last_tenant)
      on conflict on constraint rotations_pkey do update set tenant_id = excluded.tenant_id;
      exit levels when taken >= most;
      exit when round.emptied;
      open := headway_private.open_kinds(kinds);
      exit when open is null;
    end loop;
  end loop;
  return taken;
end
$$;

-- What a worker is handed for its leases.
create type headway.claimed as (
  job_id uuid, attempt integer, lease_token uuid, lease_expires_at timestamptz, deadline_at timestamptz, kind text,
  queue text, priority smallint, run integer, failures integer, max_attempts integer, timeout_seconds integer,
  payload jsonb, steps jsonb, signals jsonb, files jsonb, tags text[], tenant_id uuid, owner_id uuid,
  organization_id uuid, project_id uuid, parent_id uuid, batch_id uuid, cost_budget numeric, cost_spent numeric,
  created_at timestamptz, cancel_requested boolean
);

create function headway_private.claimed_by(request_id uuid) returns setof headway.claimed
language plpgsql stable
set search_path = '' set plan_cache_mode = 'force_generic_plan'
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set join_collapse_limit = 1
as $$
begin
  return query
  select j.id, l.attempt, l.token, l.expires_at, l.deadline_at, j.kind, j.queue, j.priority, j.run, j.failures,
    j.max_attempts, k.timeout_seconds, i.payload,
    (
      select coalesce(jsonb_object_agg(s.name, s.result), '{}') from headway.job_steps s
      where s.job_id = j.id and s.status = 'completed'
    ),
    (select coalesce(jsonb_object_agg(g.name, g.payload), '{}') from headway.signals g where g.job_id = j.id),
    (
      select coalesce(jsonb_agg(jsonb_build_object(
        'direction', f.direction, 'name', f.name, 'bucket', f.bucket, 'path', f.path, 'content_type', f.content_type,
        'bytes', f.bytes, 'sha256', f.sha256
      ) order by f.direction, f.name), '[]')
      from headway.job_files f
      where f.job_id = j.id
    ),
    j.tags, j.tenant_id, j.owner_id, j.organization_id, j.project_id, j.parent_id, j.batch_id,
    coalesce(c.budget, k.cost_budget), coalesce(c.spent, 0), j.created_at, j.cancel_requested_at is not null
  from headway.leases l
  join headway.jobs j on j.id = l.job_id
  join headway.kinds k on k.kind = j.kind
  join headway.job_inputs i on i.job_id = j.id
  left join headway.job_costs c on c.job_id = j.id
  where l.request_id = $1
  order by l.turn;
end
$$;

create function headway.claim(
  worker_id uuid,
  request_id uuid,
  queues text[] default null,
  kinds text[] default null,
  max_jobs integer default 1,
  lease_seconds integer default 30
) returns setof headway.claimed
language plpgsql volatile security definer
set search_path = '' set plan_cache_mode = 'force_generic_plan' set enable_seqscan = off
as $$
declare
  worker headway.workers;
  lanes text[];
  lane text;
  remaining integer := max_jobs;
begin
  if worker_id is null or request_id is null then
    perform headway_private.refuse(
      'HW102', 'is missing', case when worker_id is null then 'worker_id' else 'request_id' end, 'Send a UUID.'
    );
  end if;
  if max_jobs is null or max_jobs not between 1 and 1000 then
    perform headway_private.refuse('HW103', 'must be from 1 to 1000', 'max_jobs', 'Claim 1 to 1000 jobs at a time.');
  end if;
  if lease_seconds is null or lease_seconds not between 5 and 3600 then
    perform headway_private.refuse('HW103', 'must be from 5 to 3600', 'lease_seconds', 'Send 5 to 3600 seconds.');
  end if;
  select w.* into worker from headway.workers w where w.id = claim.worker_id;
  if worker.id is null or worker.stopped_at is not null then
    perform headway_private.refuse('HW002', 'is not registered', 'worker_id', 'Call register_worker first.');
  end if;
  claim.kinds := coalesce(claim.kinds, worker.kinds);

  if exists (select from headway_private.claim_requests r where r.request_id = claim.request_id) then
    return query select * from headway_private.claimed_by(claim.request_id);
    return;
  end if;

  perform headway_private.promote_due(200);
  -- In the order asked for, or every queue, wherever its kinds were submitted to: nothing waits unseen. Those only
  -- that have something to do: an idle poll takes no lock and writes nothing.
  -- Without an order of preference chance decides, so that no queue is always first.
  select array_agg(q.queue order by array_position(claim.queues, q.queue), random()) into lanes
  from headway.queues q
  where (claim.queues is null or q.queue = any (claim.queues)) and q.state <> 'paused' and exists (
    select from unnest(claim.kinds) k (kind)
    cross join lateral (
      select from headway.jobs j
      where j.queue = q.queue and j.kind = k.kind and j.ready_order is not null
      limit 1
    ) j
  );
  if lanes is null then
    return;
  end if;

  insert into headway_private.claim_requests (request_id, worker_id)
  values (claim.request_id, claim.worker_id)
  on conflict do nothing;
  if found then
    perform pg_advisory_xact_lock(hashtextextended(l.lock_name, 0))
    from (
      select 'headway queue ' || q.queue as lock_name from unnest(lanes) q (queue)
      union
      select 'headway kind ' || k.kind from headway.kinds k
      where k.kind = any (claim.kinds) and (k.concurrency is not null or k.tenant_concurrency is not null)
      order by lock_name
    ) l;
    foreach lane in array lanes loop
      remaining := remaining - headway_private.claim_queue(
        lane, claim.kinds, claim.worker_id, claim.request_id, max_jobs - remaining, remaining, lease_seconds
      );
      exit when remaining <= 0;
    end loop;
  end if;
  return query select * from headway_private.claimed_by(claim.request_id);
end
$$;

comment on function headway.claim(uuid, uuid, text[], text[], integer, integer) is
  'Leases up to max_jobs jobs to a worker. The same request_id answers the same leases again, never new ones.';

revoke all on function
  headway_private.promote_due(integer), headway_private.open_kinds(text[]),
  headway_private.pick_round(text, smallint, headway_private.open_kind[], integer, integer),
  headway_private.start_jobs(uuid[], integer, uuid, uuid, integer),
  headway_private.claim_queue(text, text[], uuid, uuid, integer, integer, integer), headway_private.claimed_by(uuid),
  headway.claim(uuid, uuid, text[], text[], integer, integer)
from public, anon, authenticated, service_role;
grant execute on function headway.claim(uuid, uuid, text[], text[], integer, integer) to service_role;
