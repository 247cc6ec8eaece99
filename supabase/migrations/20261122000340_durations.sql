-- How long jobs take, learnt from those that completed in one attempt, stage by stage.

-- One learner at a time, on what has completed since the last time; at most 500 jobs, the newest.
create function headway_private.learn_durations() returns integer
language plpgsql volatile set search_path = '' set plan_cache_mode = 'force_generic_plan'
as $$
declare
  moment constant timestamptz := clock_timestamp();
  since timestamptz;
  learnt integer;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('headway learns durations', 0)) then
    return 0;
  end if;
  select l.learnt_until into since from headway_private.learning l where l.topic = 'durations';
  since := coalesce(since, moment - interval '1 day');
  with finished as materialized (
    select a.job_id, a.kind, a.started_at, a.ended_at
    from headway.attempts a
    where a.ended_at > since and a.ended_at <= moment and a.outcome = 'completed' and a.attempt = 1
    order by a.ended_at desc
    limit 500
  ),
  spans as (
    select f.kind, '' as stage, extract(epoch from f.ended_at - f.started_at) as seconds from finished f
    union all
    select s.kind, s.stage, extract(epoch from s.until - s.at)
    from (
      select f.kind, e.data ->> 'stage' as stage, e.at, lead(e.at, 1, f.ended_at) over (partition by f.job_id order by e.seq) as until
      from finished f
      join headway.job_events e on e.job_id = f.job_id and e.type = 'stage_started' and e.attempt = 1
    ) s
  ),
  means as (
    select s.kind, s.stage, count(*) as runs, avg(s.seconds)::double precision as seconds,
      coalesce(stddev_samp(s.seconds), 0)::double precision as deviation
    from spans s
    where s.stage is not null
    group by s.kind, s.stage
  ),
  merged as (
    insert into headway.durations as d (kind, stage, runs, seconds, deviation, updated_at)
    select m.kind, m.stage, m.runs, m.seconds, m.deviation, moment from means m order by m.kind, m.stage
    on conflict on constraint durations_pkey do update set
      -- The past weighs as at most 50 runs, so that a kind that has become slower is believed soon.
      seconds = (d.seconds * least(d.runs, 50) + excluded.seconds * excluded.runs) / (least(d.runs, 50) + excluded.runs),
      deviation = (d.deviation * least(d.runs, 50) + excluded.deviation * excluded.runs) / (least(d.runs, 50) + excluded.runs),
      runs = d.runs + excluded.runs,
      updated_at = excluded.updated_at
  )
  select count(*) into learnt from finished;
  if learnt > 0 or since < moment - interval '1 hour' then
    insert into headway_private.learning (topic, learnt_until) values ('durations', moment)
    on conflict (topic) do update set learnt_until = excluded.learnt_until;
  end if;
  return learnt;
end
$$;

-- How many seconds a job will still run, or null when nothing is known. By its stage, if the kind declares stages
-- and they have been seen; otherwise by its percent; otherwise by the whole.
create function headway_private.seconds_left(job headway.jobs, moment timestamptz) returns double precision
language sql stable security definer set search_path = ''
as $$
  with stage as (
    select s.name, s.place, d.seconds
    from headway.kinds k
    cross join lateral jsonb_array_elements(k.stages) with ordinality e (value, place)
    cross join lateral (select e.value ->> 'name' as name, e.place) s
    left join headway.durations d on d.kind = k.kind and d.stage = s.name
    where k.kind = (job).kind
  ),
  here as (select s.* from stage s where s.name = (job).stage),
  whole as (select d.seconds from headway.durations d where d.kind = (job).kind and d.stage = '')
  select case
    when (job).status not in ('pending', 'processing') then 0
    when (job).status = 'pending' and (job).stage is null then (select w.seconds from whole w)
    when exists (select from here h where h.seconds is not null)
      and not exists (select from stage s, here h where s.place > h.place and s.seconds is null)
    then (
      select greatest(h.seconds - extract(epoch from moment - (job).stage_started_at), h.seconds * 0.05, 0)
        + coalesce((select sum(s.seconds) from stage s where s.place > h.place), 0)
      from here h
    )
    when (job).percent >= 5 and (job).started_at is not null
    then extract(epoch from moment - (job).started_at)::double precision * (100 - (job).percent)::double precision
      / (job).percent::double precision
    else (
      select greatest(w.seconds - extract(epoch from moment - (job).started_at), w.seconds * 0.05) from whole w
    )
  end
$$;

revoke all on function
  headway_private.learn_durations(), headway_private.seconds_left(headway.jobs, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function headway_private.seconds_left(headway.jobs, timestamptz) to authenticated, service_role;
