-- How attempts end, by their worker's word (finish) or for want of one (sweep): one rule for both.

create type headway_private.ending as (
  place integer, job_id uuid, attempt integer, lease_token uuid, outcome text, result jsonb, error_code text,
  error_message text, error_hint text, error_step text, delay_seconds numeric, wait_for text, wait_on text,
  message text, metrics jsonb, code text, reason text
);

-- Seconds until the next attempt after so many failures: exponential, capped, with a jitter of a quarter.
create function headway_private.backoff(kind headway.kinds, failures integer) returns double precision
language sql volatile
return least(kind.backoff_max_seconds, kind.backoff_base_seconds * power(2::numeric, least(greatest(failures, 1) - 1, 30)))
  * (0.75 + random() / 2);

-- What follows from jobs having ended: their batches count them, and parents that waited for them go on. The
-- callers' locks come first, in the order of their ids.
create function headway_private.settle(ended uuid[]) returns void
language plpgsql volatile set search_path = '' set plan_cache_mode = 'force_generic_plan'
as $$
declare
  due uuid[];
begin
  if exists (select from headway.jobs j where j.id = any (ended) and j.batch_id is not null) then
    perform from headway.batches b
    where b.id in (select j.batch_id from headway.jobs j where j.id = any (ended))
    order by b.id
    for no key update;
    update headway.batches b
    set completed = b.completed + n.completed, failed = b.failed + n.failed, cancelled = b.cancelled + n.cancelled,
      finished_at = case
        when b.completed + b.failed + b.cancelled + n.completed + n.failed + n.cancelled = b.total then clock_timestamp()
      end
    from (
      select j.batch_id, count(*) filter (where j.status = 'completed') as completed,
        count(*) filter (where j.status = 'failed') as failed, count(*) filter (where j.status = 'cancelled') as cancelled
      from headway.jobs j
      where j.id = any (ended) and j.batch_id is not null
      group by j.batch_id
    ) n
    where b.id = n.batch_id;
  end if;

  select array_agg(distinct p.id) into due
  from headway.jobs j
  join headway.jobs p on p.id = j.parent_id
  where j.id = any (ended) and p.waiting_for = 'children' and not exists (
    select from headway.jobs c where c.parent_id = p.id and c.status in ('pending', 'processing')
  );
  if due is not null then
    perform headway_private.resume(due, 'children');
  end if;
end
$$;

-- Waiting jobs go on; the caller has locked them.
create function headway_private.resume(jobs uuid[], cause text) returns void
language sql volatile set search_path = ''
as $$
  with ready as (
    update headway.jobs j
    set waiting_for = null, waiting_on = null, run_at = clock_timestamp(),
      ready_order = nextval('headway_private.ready_order'), seq = j.seq + 1, revision = j.revision + 1,
      updated_at = clock_timestamp()
    where j.id = any (jobs)
    returning j.id, j.seq, j.run, j.attempt, j.updated_at
  )
  insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
  select r.id, r.seq, 'resumed', r.run, r.attempt, r.updated_at, jsonb_build_object('by', cause) from ready r
$$;

-- Ends attempts whose leases the caller has locked. Answers what has become of the jobs.
create function headway_private.end_attempts(endings headway_private.ending[])
returns table (job_id uuid, status text)
language plpgsql volatile
-- Whatever the statistics say, or do not say yet: every table is probed by key, row by row.
set search_path = '' set plan_cache_mode = 'force_generic_plan'
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  ids constant uuid[] := (select array_agg(e.job_id) from unnest(endings) e);
  ended uuid[];
begin
  perform from headway.jobs j
  where j.id = any (ids || (select array_agg(c.parent_id) from headway.jobs c where c.id = any (ids)))
  order by j.id
  for no key update;

  -- A paid call that was announced and never accounted for may have been made: its announced cost counts.
  if exists (select from headway.job_costs c where c.job_id = any (ids) and c.reserved > 0) then
    perform headway_private.assume_reservations(ids);
  end if;

  return query
  with judged as materialized (
    select e.*, j.retention, l.worker_id, l.started_at as attempt_started_at,
      clock_timestamp() as moment,
      case
        when e.outcome in ('completed', 'failed', 'cancelled') then e.outcome
        when j.cancel_requested_at is not null then 'cancelled'
        when e.outcome in ('retry', 'lost') and j.failures + 1 >= j.max_attempts then 'failed'
        else 'pending'
      end as becomes,
      j.failures + (e.outcome in ('failed', 'retry', 'lost'))::integer as failed_times,
      case
        when e.delay_seconds is null and e.outcome = 'retry' then
          make_interval(secs => headway_private.backoff(k, j.failures + 1))
        -- Its worker's fault most of the time: at once. What is lost again is spread out, for the jobs that died
        -- together would otherwise meet again, among them the one that kills its workers.
        when e.delay_seconds is null and e.outcome = 'lost' then make_interval(
          secs => least(
            k.backoff_max_seconds,
            (1 + 9 * random())::numeric * least(
              k.backoff_base_seconds * power(2::numeric, least(j.failures, 30)),
              power(2::numeric, least(j.failures, 30)) - 1
            )
          )::double precision
        )
        else make_interval(secs => coalesce(e.delay_seconds, 0)::double precision)
      end as pause,
      e.outcome = 'wait' and case e.wait_for
        when 'children' then exists (
          select from headway.jobs c where c.parent_id = j.id and c.status in ('pending', 'processing')
        )
        else not exists (select from headway.signals g where g.job_id = j.id and g.name = e.wait_on)
      end as waits
    from unnest(endings) e
    -- `offset 0` keeps the order of the joins: whoever drives, it is never a whole table.
    cross join lateral (select * from headway.jobs o where o.id = e.job_id offset 0) j
    cross join lateral (select * from headway.leases o where o.job_id = e.job_id offset 0) l
    join headway.kinds k on k.kind = j.kind
  ),
  moved as (
    update headway.jobs j
    set status = d.becomes, failures = least(d.failed_times, j.max_attempts), seq = j.seq + 1,
      revision = j.revision + 1, updated_at = d.moment,
      run_at = case when d.becomes = 'pending' and (d.outcome <> 'wait' or d.waits) then d.moment + d.pause else d.moment end,
      ready_order = case
        -- It has had its turn, and lost it without a fault of its own: before all that have not.
        when d.becomes = 'pending' and d.outcome in ('lost', 'release') and d.pause <= interval '0'
          then nextval('headway_private.ready_order') - 4611686018427387904
        when d.becomes = 'pending' and not d.waits and (d.pause <= interval '0' or d.outcome = 'wait')
          then nextval('headway_private.ready_order')
      end,
      waiting_for = case when d.becomes = 'pending' and d.waits then d.wait_for end,
      waiting_on = case when d.becomes = 'pending' and d.waits and d.wait_for = 'signal' then d.wait_on end,
      percent = case
        when d.becomes = 'completed' then 100
        when d.becomes = 'pending' and d.outcome in ('retry', 'lost') then 0
        else j.percent
      end,
      message = coalesce(d.message, j.message), metrics = coalesce(d.metrics, j.metrics),
      error_code = case when d.becomes in ('failed', 'pending') then d.error_code end,
      error_message = case when d.becomes in ('failed', 'pending') then d.error_message end,
      error_hint = case when d.becomes in ('failed', 'pending') then d.error_hint end,
      error_step = case when d.becomes in ('failed', 'pending') then d.error_step end,
      cancel_requested_at = case when d.becomes = 'cancelled' then coalesce(j.cancel_requested_at, d.moment)
        else j.cancel_requested_at end,
      -- A job that nobody asked to stop has cancelled itself: its last message is the reason.
      cancel_reason = case when d.becomes = 'cancelled' and j.cancel_requested_at is null then left(d.message, 500)
        else j.cancel_reason end,
      finished_at = case when d.becomes <> 'pending' then d.moment end,
      delete_after = case when d.becomes <> 'pending' then d.moment + d.retention end
    from judged d
    where j.id = d.job_id
    -- All that the rest needs, so that nothing is joined again.
    returning j.id, j.seq, j.status, j.run, j.attempt, j.run_at, j.failures, j.max_attempts, j.kind, j.queue, j.tenant_id,
      d.worker_id, d.lease_token, d.attempt_started_at, d.moment, d.outcome, d.result, d.error_code, d.error_message,
      d.error_hint, d.error_step, j.cancel_reason as reason_to_cancel, d.wait_for, d.wait_on
  ),
  released as (
    delete from headway.leases l using moved m where l.job_id = m.id
  ),
  remembered as (
    insert into headway.attempts (
      job_id, attempt, run, kind, queue, tenant_id, worker_id, lease_token, outcome, error_code, error_message,
      started_at, ended_at
    )
    select m.id, m.attempt, m.run, m.kind, m.queue, m.tenant_id, m.worker_id, m.lease_token,
      case
        when m.outcome = 'lost' then 'lost'
        when m.status in ('completed', 'failed', 'cancelled') then m.status
        when m.outcome = 'retry' then 'retried'
        when m.outcome = 'snooze' then 'snoozed'
        when m.outcome = 'release' then 'released'
        else 'waiting'
      end,
      m.error_code, m.error_message, m.attempt_started_at, m.moment
    from moved m
  ),
  results as (
    insert into headway.job_outputs as o (job_id, result, bytes, attempt)
    select m.id, coalesce(m.result, 'null'), octet_length(coalesce(m.result, 'null')::text), m.attempt
    from moved m
    where m.status = 'completed'
    on conflict on constraint job_outputs_pkey do update set
      result = excluded.result, bytes = excluded.bytes, attempt = excluded.attempt, created_at = now()
  ),
  told as (
    insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
    select m.id, m.seq,
      case
        when m.status <> 'pending' then m.status
        when m.outcome = 'retry' then 'retry_scheduled'
        when m.outcome = 'lost' then 'lost'
        when m.outcome = 'snooze' then 'snoozed'
        when m.outcome = 'release' then 'released'
        else 'waiting'
      end,
      m.run, m.attempt, m.moment,
      case
        -- With the news, so that whoever waits for a small result need not ask for it.
        when m.status = 'completed' and (m.result is null or pg_column_size(m.result) <= 8192)
          then jsonb_build_object('result', m.result)
        when m.status = 'completed' then '{"result_omitted": true}'
        when m.status = 'cancelled' then jsonb_strip_nulls(jsonb_build_object('reason', m.reason_to_cancel))
        when m.status = 'failed' or m.outcome in ('retry', 'lost') then jsonb_strip_nulls(jsonb_build_object(
          'code', m.error_code, 'message', m.error_message, 'hint', m.error_hint, 'step', m.error_step,
          'failures', m.failures, 'max_attempts', m.max_attempts,
          'retry_at', case when m.status = 'pending' then m.run_at end
        ))
        when m.outcome = 'wait' then jsonb_strip_nulls(jsonb_build_object(
          'for', m.wait_for, 'on', m.wait_on, 'until', m.run_at
        ))
        else jsonb_build_object('until', m.run_at)
      end
    from moved m
  )
  select m.id, m.status from moved m;

  select array_agg(j.id) into ended
  from headway.jobs j
  where j.id = any (ids) and j.finished_at is not null and (j.batch_id is not null or j.parent_id is not null);
  if ended is not null then
    perform headway_private.settle(ended);
  end if;
end
$$;

create function headway_private.read_ending(value jsonb, at_place integer) returns headway_private.ending
language plpgsql immutable set search_path = ''
as $$
declare
  ending headway_private.ending;
  path constant text := format('outcomes[%s].', at_place);
  fault jsonb;
begin
  ending.place := at_place;
  select h.job_id, h.attempt, h.lease_token into ending.job_id, ending.attempt, ending.lease_token
  from headway_private.read_held(value, path) h;
  -- By far the most frequent ending, and the hottest path of all.
  if value - '{job_id,attempt,lease_token,outcome,result}'::text[] = '{}' and value -> 'outcome' = '"completed"' then
    ending.outcome := 'completed';
    ending.result := value -> 'result';
    if jsonb_typeof(ending.result) in ('object', 'array') then
      perform headway_private.refuse_deep(ending.result, path || 'result');
    end if;
    return ending;
  end if;

  perform headway_private.refuse_unknown_fields(
    value,
    '{job_id,attempt,lease_token,outcome,result,error,delay_seconds,for,signal,timeout_seconds,message,metrics}',
    path
  );
  ending.outcome := headway_private.read_text(
    value -> 'outcome', path || 'outcome', 20, '^(completed|failed|retry|snooze|release|cancelled|wait)$',
    'Send completed, failed, retry, snooze, release, cancelled or wait.'
  );
  ending.delay_seconds := headway_private.read_number(value -> 'delay_seconds', path || 'delay_seconds', 0, 31622400);
  ending.message := left(headway_private.read_text(value -> 'message', path || 'message', 100000), 1000);
  ending.metrics := headway_private.read_object(value -> 'metrics', path || 'metrics', 4096);
  if ending.outcome is null then
    perform headway_private.refuse('HW102', 'is missing', path || 'outcome', 'Say how the attempt ended.');
  elsif ending.outcome = 'completed' then
    ending.result := value -> 'result';
    perform headway_private.refuse_deep(ending.result, path || 'result');
  elsif ending.outcome in ('failed', 'retry') then
    fault := coalesce(headway_private.read_object(value -> 'error', path || 'error', 262144), '{}');
    ending.error_code := left(coalesce(nullif(fault ->> 'code', ''), 'error'), 100);
    ending.error_message := left(coalesce(nullif(fault ->> 'message', ''), 'The job failed without saying why.'), 4000);
    ending.error_hint := left(nullif(fault ->> 'hint', ''), 1000);
    ending.error_step := left(nullif(fault ->> 'step', ''), 200);
  elsif ending.outcome = 'snooze' and ending.delay_seconds is null then
    perform headway_private.refuse('HW102', 'is missing', path || 'delay_seconds', 'Say for how long.');
  elsif ending.outcome = 'release' then
    ending.delay_seconds := 0;
  elsif ending.outcome = 'wait' then
    ending.wait_for := headway_private.read_text(
      value -> 'for', path || 'for', 10, '^(children|signal)$', 'Send children or signal.'
    );
    ending.wait_on := headway_private.read_text(
      value -> 'signal', path || 'signal', 100, '^[a-z][a-z0-9_.:-]*$', 'Use lower-case letters, digits, _ . : and -.'
    );
    if ending.wait_for is null or (ending.wait_for = 'signal') <> (ending.wait_on is not null) then
      perform headway_private.refuse(
        'HW102', 'is incomplete', path || 'for', 'Send for = children, or for = signal with the signal''s name.'
      );
    end if;
    -- Nothing waits for ever: after the deadline the job goes on and finds no answer.
    ending.delay_seconds := coalesce(
      headway_private.read_number(value -> 'timeout_seconds', path || 'timeout_seconds', 1, 31622400), 2592000
    );
  end if;
  return ending;
end
$$;

create function headway_private.read_endings(body json) returns headway_private.ending[]
language plpgsql volatile set search_path = ''
as $$
declare
  endings headway_private.ending[] := '{}';
  ending headway_private.ending;
  part record;
begin
  for part in select r.* from headway_private.read_rows(body, 'outcomes', 1000) r loop
    begin
      if part.code is null then
        endings := endings || headway_private.read_ending(part.value, part.place);
        continue;
      end if;
    exception when others then
      if sqlstate not like 'HW%' then
        raise;
      end if;
      part.code := sqlstate;
      part.reason := sqlerrm;
    end;
    ending := headway_private.read_ending(
      jsonb_build_object(
        'job_id', part.value -> 'job_id', 'attempt', part.value -> 'attempt',
        'lease_token', part.value -> 'lease_token', 'outcome', 'release'
      ),
      part.place
    );
    ending.code := part.code;
    ending.reason := part.reason;
    endings := endings || ending;
  end loop;
  if (select count(distinct e.job_id) <> count(*) from unnest(endings) e) then
    perform headway_private.refuse('HW100', 'holds a job twice', 'outcomes', 'Send one outcome per job.');
  end if;
  return endings;
end
$$;

create function headway.finish(worker_id uuid, outcomes json)
returns table (job_id uuid, attempt integer, state text, status text, code text, reason text)
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = 'force_generic_plan'
as $$
#variable_conflict use_column
declare
  endings headway_private.ending[] := headway_private.read_endings(outcomes);
  applied uuid[];
begin
  if worker_id is null then
    perform headway_private.refuse('HW102', 'is missing', 'worker_id', 'Send the worker''s id.');
  end if;
  with mine as materialized (
    select e, l.job_id, l.kind from unnest(endings) e
    join headway.leases l on l.job_id = e.job_id and l.attempt = e.attempt and l.token = e.lease_token
    order by l.job_id
    for update of l
  )
  select array_agg(m.job_id) into applied
  from mine m
  join headway.kinds k on k.kind = m.kind
  where (m.e).code is null and coalesce(octet_length(((m.e).result)::text) <= k.result_limit, true);

  if applied is not null then
    perform headway_private.end_attempts(array(select e from unnest(endings) e where e.job_id = any (applied)));
  end if;

  return query
  select e.job_id, e.attempt,
    case
      when e.job_id = any (applied) then 'applied'
      when l.job_id is not null then 'invalid'
      when a.job_id is not null and a.outcome <> 'lost' then 'repeated'
      else 'lost'
    end,
    j.status,
    case
      when e.job_id = any (applied) then null
      when l.job_id is not null then coalesce(e.code, 'HW104')
      when a.job_id is null or a.outcome = 'lost' then 'HW001'
    end,
    case
      when e.job_id = any (applied) then null
      when l.job_id is not null then coalesce(e.reason, 'the result is larger than its kind allows: store it as a file')
      when a.job_id is null or a.outcome = 'lost' then 'the lease is lost'
    end
  from unnest(endings) e
  left join headway.leases l on l.job_id = e.job_id and l.attempt = e.attempt and l.token = e.lease_token
  left join headway.attempts a on a.job_id = e.job_id and a.attempt = e.attempt and a.lease_token = e.lease_token
  left join headway.jobs j on j.id = e.job_id
  order by e.place;
end
$$;

comment on function headway.finish(uuid, json) is
  'Ends attempts: completed, failed, retry, snooze, release, cancelled or wait. Repeating it changes nothing and says so.';

revoke all on function
  headway_private.backoff(headway.kinds, integer), headway_private.settle(uuid[]), headway_private.resume(uuid[], text),
  headway_private.end_attempts(headway_private.ending[]), headway_private.read_ending(jsonb, integer),
  headway_private.read_endings(json), headway.finish(uuid, json)
from public, anon, authenticated, service_role;
grant execute on function headway.finish(uuid, json) to service_role;
