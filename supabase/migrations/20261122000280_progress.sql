-- What a worker writes while a job runs: leases extended, progress, events, checkpoints. All of it is fenced by
-- job, attempt and lease token. Locks are taken in one order everywhere: leases by job, then jobs by id.

-- The lease of a running attempt, locked together with its job; refused when it is no longer the caller's.
create function headway_private.hold_lease(job_id uuid, attempt integer, lease_token uuid) returns headway.leases
language plpgsql volatile set search_path = ''
as $$
declare
  lease headway.leases;
begin
  select l.* into lease from headway.leases l
  where l.job_id = hold_lease.job_id and l.attempt = hold_lease.attempt and l.token = hold_lease.lease_token
  for update;
  if not found then
    perform headway_private.refuse(
      'HW001', 'the lease is lost: this attempt has ended or another one owns the job', 'lease_token',
      'Stop working on this job and write nothing more.'
    );
  end if;
  perform from headway.jobs j where j.id = hold_lease.job_id for no key update;
  return lease;
end
$$;

-- Appends one event to a job that the caller has locked. Answers its seq.
create function headway_private.add_event(job_id uuid, type text, data jsonb) returns integer
language plpgsql volatile set search_path = ''
as $$
declare
  added integer;
begin
  with told as (
    update headway.jobs j
    set seq = j.seq + 1, revision = j.revision + 1, updated_at = clock_timestamp()
    where j.id = $1
    returning j.id, j.seq, j.run, j.attempt, j.updated_at
  )
  insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
  select t.id, t.seq, $2, t.run, t.attempt, t.updated_at, $3 from told t
  returning seq into added;
  return added;
end
$$;

-- Rows of a batch, each readable or with the reason why it is not: one unreadable row never spoils the others.
create function headway_private.read_rows(body json, field text, longest integer)
returns table (place integer, value jsonb, code text, reason text)
language plpgsql volatile set search_path = ''
as $$
declare
  part record;
begin
  if json_typeof(body) is distinct from 'array' then
    perform headway_private.refuse('HW100', 'must be an array', field, 'Send a JSON array.');
  end if;
  if json_array_length(body) > longest then
    perform headway_private.refuse(
      'HW103', format('has %s entries, more than %s', json_array_length(body), longest), field,
      format('Send at most %s entries at a time.', longest)
    );
  end if;
  begin
    return query
    select e.place::integer - 1, e.value, null::text, null::text
    from jsonb_array_elements(body::jsonb) with ordinality e (value, place);
    return;
  exception when data_exception or program_limit_exceeded then
    null; -- some row cannot be stored; which one is found out below
  end;
  for part in select e.value, e.place from json_array_elements(body) with ordinality e (value, place) loop
    place := part.place - 1;
    begin
      value := headway_private.storable(part.value, '');
      code := null;
      reason := null;
    exception when sqlstate 'HW105' or sqlstate 'HW106' or sqlstate 'HW104' then
      code := sqlstate;
      reason := sqlerrm;
      value := headway_private.lease_of(part.value);
    end;
    return next;
  end loop;
end
$$;

-- Which lease an unreadable row speaks of, read from its text.
create function headway_private.lease_of(written json) returns jsonb
language sql immutable set search_path = ''
as $$
  select jsonb_build_object(
    'job_id', substring($1::text from '"job_id"\s*:\s*"([0-9a-fA-F-]{36})"'),
    'attempt', substring($1::text from '"attempt"\s*:\s*(\d{1,9})')::integer,
    'lease_token', substring($1::text from '"lease_token"\s*:\s*"([0-9a-fA-F-]{36})"')
  )
$$;

-- What every write of a worker begins with.
create function headway_private.read_held(
  value jsonb, path text, out job_id uuid, out attempt integer, out lease_token uuid
)
language plpgsql immutable set search_path = ''
as $$
declare
  uuid_form constant text := '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$';
begin
  if value ->> 'job_id' ~ uuid_form and value ->> 'lease_token' ~ uuid_form and value ->> 'attempt' ~ '^[1-9][0-9]{0,8}$'
    and jsonb_typeof(value -> 'attempt') = 'number'
  then
    job_id := value ->> 'job_id';
    attempt := value ->> 'attempt';
    lease_token := value ->> 'lease_token';
    return;
  end if;
  -- Something is wrong with it; which of them, and what, the careful readers say.
  if jsonb_typeof(value) is distinct from 'object' then
    perform headway_private.refuse('HW100', 'must be an object', rtrim(path, '.'), 'Send {"job_id", "attempt", "lease_token"}.');
  end if;
  job_id := headway_private.read_uuid(value -> 'job_id', path || 'job_id');
  attempt := headway_private.read_integer(value -> 'attempt', path || 'attempt', 1, 2147483647);
  lease_token := headway_private.read_uuid(value -> 'lease_token', path || 'lease_token');
  if job_id is null or attempt is null or lease_token is null then
    perform headway_private.refuse('HW102', 'is incomplete', rtrim(path, '.'), 'Send job_id, attempt and lease_token.');
  end if;
end
$$;

create type headway_private.beat as (
  place integer, job_id uuid, attempt integer, lease_token uuid, percent numeric, stage text, message text,
  metrics jsonb, events jsonb, code text, reason text
);

create function headway_private.read_events(value jsonb, field text) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  entry record;
begin
  if headway_private.read_array(value, field, 50) is null then
    return null;
  end if;
  for entry in
    select e.value, format('%s[%s]', field, e.place - 1) as path from jsonb_array_elements(value) with ordinality e (value, place)
  loop
    if headway_private.read_object(entry.value, entry.path, 65536) is null then
      perform headway_private.refuse('HW100', 'must be an object', entry.path, 'Send {"name", "data", "n"}.');
    end if;
    perform headway_private.refuse_unknown_fields(entry.value, '{name,data,n}', entry.path || '.');
    if headway_private.read_text(entry.value -> 'name', entry.path || '.name', 100) is null then
      perform headway_private.refuse('HW102', 'is missing', entry.path || '.name', 'Name every event.');
    end if;
    perform headway_private.read_integer(entry.value -> 'n', entry.path || '.n', 1, 2147483647);
  end loop;
  return value;
end
$$;

create function headway_private.read_beat(value jsonb, at_place integer) returns headway_private.beat
language plpgsql immutable set search_path = ''
as $$
declare
  beat headway_private.beat;
  path constant text := format('jobs[%s].', at_place);
begin
  beat.place := at_place;
  select h.job_id, h.attempt, h.lease_token into beat.job_id, beat.attempt, beat.lease_token
  from headway_private.read_held(value, path) h;
  if value - '{job_id,attempt,lease_token}'::text[] = '{}' then
    return beat;
  end if;
  perform headway_private.refuse_unknown_fields(
    value, '{job_id,attempt,lease_token,percent,stage,message,metrics,events}', path
  );
  beat.percent := round(headway_private.read_number(value -> 'percent', path || 'percent', 0, 100), 2);
  beat.stage := headway_private.read_text(value -> 'stage', path || 'stage', 100);
  if jsonb_typeof(value -> 'message') not in ('string', 'null') then
    perform headway_private.refuse('HW100', 'must be a string', path || 'message', 'Send a JSON string; "" clears it.');
  end if;
  beat.message := left(value ->> 'message', 1000);
  beat.metrics := headway_private.read_object(value -> 'metrics', path || 'metrics', 4096);
  beat.events := headway_private.read_events(value -> 'events', path || 'events');
  return beat;
end
$$;

-- A beat whose progress is refused still extends its lease.
create function headway_private.read_beats(body json) returns headway_private.beat[]
language plpgsql volatile set search_path = ''
as $$
declare
  beats headway_private.beat[] := '{}';
  beat headway_private.beat;
  part record;
begin
  for part in select r.* from headway_private.read_rows(body, 'jobs', 1000) r loop
    begin
      if part.code is null then
        beats := beats || headway_private.read_beat(part.value, part.place);
        continue;
      end if;
    exception when others then
      if sqlstate not like 'HW%' then
        raise;
      end if;
      part.code := sqlstate;
      part.reason := sqlerrm;
    end;
    beat := headway_private.read_beat(
      jsonb_build_object(
        'job_id', part.value -> 'job_id', 'attempt', part.value -> 'attempt', 'lease_token', part.value -> 'lease_token'
      ),
      part.place
    );
    beat.code := part.code;
    beat.reason := part.reason;
    beats := beats || beat;
  end loop;
  if (select count(distinct b.job_id) <> count(*) from unnest(beats) b) then
    perform headway_private.refuse('HW100', 'holds a job twice', 'jobs', 'Send each job once, with its latest progress.');
  end if;
  return beats;
end
$$;

-- Writes progress and events of jobs whose leases and rows the caller has locked.
create function headway_private.write_progress(beats headway_private.beat[]) returns void
language plpgsql volatile
-- Jobs and leases are probed by key, whatever the statistics said when the plan was made.
set search_path = '' set plan_cache_mode = 'force_generic_plan' set enable_seqscan = off
as $$
begin
  with news as materialized (
    select b.job_id, b.percent, b.stage, b.message, b.metrics, j.seq as last_seq,
      b.stage is distinct from j.stage and b.stage is not null as new_stage, l.emitted, b.events
    from unnest(beats) b
    join headway.jobs j on j.id = b.job_id
    join headway.leases l on l.job_id = b.job_id
    where b.code is null
  ),
  emissions as materialized (
    select n.job_id, e.value, e.place
    from news n
    cross join lateral jsonb_array_elements(n.events) with ordinality e (value, place)
    where coalesce(nullif(e.value -> 'n', 'null')::integer > n.emitted, true)
  ),
  changes as (
    select n.*, n.new_stage::integer + (select count(*) from emissions e where e.job_id = n.job_id)::integer as added
    from news n
  ),
  written as (
    update headway.jobs j
    set percent = greatest(j.percent, c.percent), stage = coalesce(c.stage, j.stage),
      stage_started_at = case when c.new_stage then clock_timestamp() else j.stage_started_at end,
      message = case when c.message is null then j.message else nullif(c.message, '') end,
      metrics = coalesce(c.metrics, j.metrics), seq = j.seq + c.added, revision = j.revision + 1,
      updated_at = clock_timestamp()
    from changes c
    where j.id = c.job_id and (
      c.added > 0 or c.percent > j.percent or c.metrics <> j.metrics
      or (c.message is not null and nullif(c.message, '') is distinct from j.message)
    )
    returning j.id, j.run, j.attempt, j.updated_at, j.percent, j.message
  ),
  numbered as (
    update headway.leases l
    set emitted = e.highest
    from (select e.job_id, max(nullif(e.value -> 'n', 'null')::integer) as highest from emissions e group by e.job_id) e
    where l.job_id = e.job_id and e.highest is not null
  )
  insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
  select w.id, c.last_seq + row_number() over (partition by w.id order by f.place), f.type, w.run, w.attempt, w.updated_at,
    coalesce(f.data, jsonb_build_object('stage', c.stage, 'percent', w.percent, 'message', w.message))
  from written w
  join changes c on c.job_id = w.id
  join (
    select n.job_id, 'stage_started' as type, 0 as place, null::jsonb as data from news n where n.new_stage
    union all
    select e.job_id, 'emitted', e.place, e.value - 'n' from emissions e
  ) f on f.job_id = w.id;
end
$$;

create function headway.heartbeat(worker_id uuid, jobs json default '[]', lease_seconds integer default 30)
returns table (
  job_id uuid, attempt integer, state text, code text, reason text, lease_expires_at timestamptz, cancel_reason text
)
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = 'force_generic_plan'
as $$
#variable_conflict use_column
declare
  beats headway_private.beat[];
  held headway_private.beat[];
  moment timestamptz;
begin
  if lease_seconds is null or lease_seconds not between 5 and 3600 then
    perform headway_private.refuse('HW103', 'must be from 5 to 3600', 'lease_seconds', 'Send 5 to 3600 seconds.');
  end if;
  beats := headway_private.read_beats(jobs);

  with mine as materialized (
    select b, l.job_id from unnest(beats) b
    join headway.leases l on l.job_id = b.job_id and l.attempt = b.attempt and l.token = b.lease_token
    order by l.job_id
    for update of l
  )
  select array_agg(m.b) into held from mine m;

  if exists (
    select from unnest(held) b
    where b.code is null and coalesce(b.percent::text, b.stage, b.message, b.metrics::text, b.events::text) is not null
  ) then
    perform from headway.jobs j
    where j.id in (
      select b.job_id from unnest(held) b
      where b.code is null and coalesce(b.percent::text, b.stage, b.message, b.metrics::text, b.events::text) is not null
    )
    order by j.id
    for no key update;
    perform headway_private.write_progress(held);
  end if;

  moment := clock_timestamp();
  -- Never past the attempt's timeout: a worker that hangs but still beats loses the job all the same.
  update headway.leases l
  set expires_at = greatest(
    l.expires_at, least(moment + make_interval(secs => lease_seconds), l.deadline_at + interval '30 seconds')
  )
  from unnest(held) b
  where l.job_id = b.job_id;

  update headway.workers w
  set last_seen_at = moment
  where w.id = heartbeat.worker_id and w.stopped_at is null;
  if not found then
    perform headway_private.refuse('HW002', 'is not registered', 'worker_id', 'Call register_worker first.');
  end if;

  return query
  select b.job_id, b.attempt,
    case when l.job_id is null then 'lost' when b.code is not null then 'invalid'
      when j.cancel_requested_at is not null then 'cancel' else 'ok' end,
    case when l.job_id is null then 'HW001' else b.code end,
    case when l.job_id is null then 'the lease is lost' else b.reason end,
    l.expires_at, j.cancel_reason
  from unnest(beats) b
  left join headway.leases l on l.job_id = b.job_id and l.attempt = b.attempt and l.token = b.lease_token
  left join headway.jobs j on j.id = l.job_id
  order by b.place;
end
$$;

comment on function headway.heartbeat(uuid, json, integer) is
  'Extends all of a worker''s leases, flushes its jobs'' progress, and brings requests to cancel.';

create function headway.emit(job_id uuid, attempt integer, lease_token uuid, events json) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  beat headway_private.beat;
begin
  beat.job_id := emit.job_id;
  beat.attempt := emit.attempt;
  beat.lease_token := emit.lease_token;
  beat.events := headway_private.read_events(headway_private.storable(emit.events, 'events'), 'events');
  perform headway_private.hold_lease(emit.job_id, emit.attempt, emit.lease_token);
  perform headway_private.write_progress(array[beat]);
  return (select j.seq from headway.jobs j where j.id = emit.job_id);
end
$$;

comment on function headway.emit(uuid, integer, uuid, json) is
  'Appends events to a running job at once. Answers the job''s seq. Events numbered n are taken once.';

create function headway.checkpoint(
  job_id uuid,
  attempt integer,
  lease_token uuid,
  step text,
  status text default 'completed',
  result json default null,
  error json default null
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  outcome jsonb := headway_private.storable(checkpoint.result, 'result');
  fault jsonb := headway_private.read_object(headway_private.storable(checkpoint.error, 'error'), 'error', 16384);
  lease headway.leases;
  present headway.job_steps;
  most integer;
  moment timestamptz;
begin
  if step is null or char_length(step) not between 1 and 200 then
    perform headway_private.refuse('HW103', 'must have 1 to 200 characters', 'step', 'Name the step.');
  end if;
  if status is null or status not in ('running', 'completed', 'failed') then
    perform headway_private.refuse('HW100', 'is unknown', 'status', 'Send running, completed or failed.');
  end if;
  lease := headway_private.hold_lease(checkpoint.job_id, checkpoint.attempt, checkpoint.lease_token);
  select k.result_limit into most from headway.kinds k where k.kind = lease.kind;
  if octet_length(outcome::text) > most then
    perform headway_private.refuse(
      'HW104', format('has %s bytes, more than %s', octet_length(outcome::text), most), 'result', 'Store large data as a file.'
    );
  end if;
  perform headway_private.refuse_deep(outcome, 'result');

  select s.* into present from headway.job_steps s where s.job_id = checkpoint.job_id and s.name = step for update;
  if present.status = 'completed' or (
    present.status = checkpoint.status and present.attempt = checkpoint.attempt and present.status <> 'failed'
  ) then
    return jsonb_build_object('step', step, 'state', 'repeated', 'status', present.status, 'result', present.result);
  end if;
  moment := clock_timestamp();
  insert into headway.job_steps as s (
    job_id, name, ordinal, status, attempt, result, error_code, error_message, started_at, finished_at
  )
  values (
    checkpoint.job_id, step,
    (select coalesce(max(o.ordinal), 0) + 1 from headway.job_steps o where o.job_id = checkpoint.job_id),
    checkpoint.status, checkpoint.attempt, case when checkpoint.status = 'completed' then coalesce(outcome, 'null') end,
    case when checkpoint.status = 'failed' then left(coalesce(fault ->> 'code', 'error'), 100) end,
    case when checkpoint.status = 'failed' then left(coalesce(fault ->> 'message', 'The step failed.'), 4000) end,
    moment, case when checkpoint.status <> 'running' then moment end
  )
  on conflict on constraint job_steps_pkey do update set
    status = excluded.status, attempt = excluded.attempt, result = excluded.result, error_code = excluded.error_code,
    error_message = excluded.error_message, finished_at = excluded.finished_at,
    started_at = case when s.status = 'running' and s.attempt = excluded.attempt then s.started_at else excluded.started_at end;
  perform headway_private.add_event(
    checkpoint.job_id,
    case checkpoint.status when 'running' then 'step_started' when 'completed' then 'step_completed' else 'step_failed' end,
    jsonb_strip_nulls(jsonb_build_object(
      'step', step, 'code', fault ->> 'code', 'message', left(fault ->> 'message', 1000)
    )) || case
      when checkpoint.status <> 'completed' then '{}'
      when octet_length(outcome::text) > 16384 then '{"result_omitted": true}'
      else jsonb_build_object('result', outcome)
    end
  );
  return jsonb_build_object('step', step, 'state', 'stored', 'status', checkpoint.status);
end
$$;

comment on function headway.checkpoint(uuid, integer, uuid, text, text, json, json) is
  'Stores a step of a running job. A completed step that is repeated keeps, and answers, its first result.';

revoke all on function
  headway_private.hold_lease(uuid, integer, uuid), headway_private.add_event(uuid, text, jsonb),
  headway_private.read_rows(json, text, integer), headway_private.lease_of(json),
  headway_private.read_events(jsonb, text), headway_private.read_held(jsonb, text),
  headway_private.read_beat(jsonb, integer),
  headway_private.read_beats(json), headway_private.write_progress(headway_private.beat[]),
  headway.heartbeat(uuid, json, integer), headway.emit(uuid, integer, uuid, json),
  headway.checkpoint(uuid, integer, uuid, text, text, json, json)
from public, anon, authenticated, service_role;
grant execute on function
  headway.heartbeat(uuid, json, integer), headway.emit(uuid, integer, uuid, json),
  headway.checkpoint(uuid, integer, uuid, text, text, json, json)
to service_role;
