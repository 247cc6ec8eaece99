-- Telling watchers: statement-level triggers send small private messages through realtime.send.
--
-- Per statement: one message per job on `job:<id>`, one per list on `user:<id>:jobs`, `org:<id>:jobs` and
-- `project:<id>:jobs`, and one per queue on `queue:<name>` when jobs became claimable.
-- A send that fails is a warning in the log: watchers find out by seq, workers by their sweep.

-- What is told of a job: `brief` in lists, `state` to its own watchers. A view, so that the planner sees through it.
-- realtime.send gives every message an `id` of its own, hence `job_id`.
create view headway_private.job_messages as
select j.id, j.updated_at, k.push, j.owner_id, j.organization_id, j.project_id, 'job:' || j.id as topic,
  jsonb_build_object(
    'id', j.id, 'kind', j.kind, 'status', j.status, 'percent', j.percent, 'stage', j.stage, 'message', j.message,
    'attempt', j.attempt, 'run', j.run, 'seq', j.seq, 'revision', j.revision, 'batch_id', j.batch_id,
    'parent_id', j.parent_id, 'updated_at', j.updated_at
  ) as brief,
  jsonb_build_object(
    'job_id', j.id, 'kind', j.kind, 'status', j.status, 'percent', j.percent, 'stage', j.stage, 'message', j.message,
    'attempt', j.attempt, 'run', j.run, 'seq', j.seq, 'revision', j.revision, 'batch_id', j.batch_id,
    'parent_id', j.parent_id, 'updated_at', j.updated_at, 'metrics', j.metrics, 'run_at', j.run_at,
    'waiting_for', j.waiting_for, 'cancel_requested_at', j.cancel_requested_at, 'finished_at', j.finished_at,
    'error', case when j.error_code is not null then jsonb_build_object(
      'code', j.error_code, 'message', j.error_message, 'hint', j.error_hint, 'step', j.error_step
    ) end
  ) as state
from headway.jobs j
join headway.kinds k on k.kind = j.kind;

-- The lists that jobs and batches appear in. An organisation's job is not sent to its owner's own list: membership
-- may have ended, and the organisation's topic reaches every member anyway.
create function headway_private.list_topics(owner_id uuid, organization_id uuid, project_id uuid) returns text[]
language sql immutable
return array_remove(
  array[
    case when organization_id is null then 'user:' || owner_id::text || ':jobs' end,
    'org:' || organization_id::text || ':jobs',
    'project:' || project_id::text || ':jobs'
  ],
  null
);

create function headway_private.watched_topics() returns text[]
language sql stable set search_path = ''
as $$
  select coalesce(array_agg(w.topic), '{}') from headway_private.watches w where w.expires_at > clock_timestamp()
$$;

-- Sends the lists' messages for some jobs: at most 25 jobs in each, the rest is a count.
create function headway_private.send_lists(jobs uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform realtime.send(
    jsonb_build_object(
      'jobs', (
        select jsonb_agg(b.brief) from headway_private.job_messages b where b.id = any ((l.newest)[:25])
      ),
      'count', cardinality(l.newest), 'truncated', cardinality(l.newest) > 25
    ),
    'jobs', l.topic, true
  )
  from (
    select t.topic, array_agg(m.id order by m.updated_at desc, m.id) as newest
    from headway_private.job_messages m
    cross join lateral unnest(headway_private.list_topics(m.owner_id, m.organization_id, m.project_id)) t (topic)
    where m.id = any (jobs)
      and (m.push = 'always' or t.topic = any ((select headway_private.watched_topics())::text[]))
    group by t.topic
  ) l;
end
$$;

create function headway_private.push_events() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  begin
    -- Nobody can be watching a job before it exists, so its first event goes to the lists alone.
    perform realtime.send(
      m.state
        || case when pg_column_size(e.events) <= 65536 then jsonb_build_object('events', e.events)
                else jsonb_build_object('events', '[]'::jsonb, 'events_omitted', true) end,
      'job', m.topic, true
    )
    from (
      select f.job_id, jsonb_agg(
        jsonb_build_object('seq', f.seq, 'type', f.type, 'run', f.run, 'attempt', f.attempt, 'at', f.at)
          || case when pg_column_size(f.data) <= 16384 then jsonb_build_object('data', f.data)
                  else '{"data": {}, "data_omitted": true}'::jsonb end
        order by f.seq
      ) as events
      from fresh f
      group by f.job_id
      having min(f.seq) > 1
    ) e
    join headway_private.job_messages m on m.id = e.job_id
    where m.push = 'always' or m.topic = any ((select headway_private.watched_topics())::text[]);
    perform headway_private.send_lists((select array_agg(distinct f.job_id) from fresh f));
  exception when others then
    raise warning 'headway could not push events: % (%)', sqlerrm, sqlstate;
  end;
  return null;
end
$$;

-- Progress between events, and jobs that became claimable.
create function headway_private.push_changes() returns trigger
language plpgsql volatile security definer
-- The functions that claim and finish plan without hash joins, which two transition tables need.
set search_path = '' set enable_hashjoin = on
as $$
declare
  moved uuid[];
begin
  begin
    select array_agg(n.id) into moved
    from now_jobs n
    join was_jobs w on w.id = n.id
    where n.seq = w.seq
      and (n.percent, n.stage, n.message, n.metrics) is distinct from (w.percent, w.stage, w.message, w.metrics);
    if moved is not null then
      perform realtime.send(m.state || '{"events": []}', 'job', m.topic, true)
      from headway_private.job_messages m
      where m.id = any (moved)
        and (m.push = 'always' or m.topic = any ((select headway_private.watched_topics())::text[]));
      perform headway_private.send_lists(moved);
    end if;
    perform realtime.send('{}', 'wake', 'queue:' || r.queue, true)
    from (
      select distinct n.queue
      from now_jobs n
      join was_jobs w on w.id = n.id
      where n.ready_order is not null and w.ready_order is null
    ) r;
  exception when others then
    raise warning 'headway could not push progress: % (%)', sqlerrm, sqlstate;
  end;
  return null;
end
$$;

-- Workers that run some jobs are told to ask at once whether those are to stop, not only at their next heartbeat.
create function headway_private.tell_workers(jobs uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
begin
  perform realtime.send(jsonb_build_object('jobs', r.running), 'cancel', 'queue:' || r.queue, true)
  from (
    select j.queue, (array_agg(j.id))[:500] as running
    from headway.jobs j
    where j.id = any (tell_workers.jobs)
    group by j.queue
  ) r;
exception when others then
  raise warning 'headway could not tell workers: % (%)', sqlerrm, sqlstate;
end
$$;

create function headway_private.push_submitted() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  begin
    perform realtime.send('{}', 'wake', 'queue:' || r.queue, true)
    from (select distinct n.queue from now_jobs n where n.ready_order is not null) r;
  exception when others then
    raise warning 'headway could not wake workers: % (%)', sqlerrm, sqlstate;
  end;
  return null;
end
$$;

create function headway_private.push_batches() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  begin
    perform realtime.send(jsonb_build_object('batches', l.batches), 'batches', l.topic, true)
    from (
      select t.topic, jsonb_agg(jsonb_build_object(
        'id', b.id, 'name', b.name, 'total', b.total, 'completed', b.completed, 'failed', b.failed,
        'cancelled', b.cancelled, 'finished_at', b.finished_at
      )) as batches
      from now_batches b
      cross join lateral unnest(headway_private.list_topics(b.owner_id, b.organization_id, b.project_id)) t (topic)
      group by t.topic
    ) l;
  exception when others then
    raise warning 'headway could not push batches: % (%)', sqlerrm, sqlstate;
  end;
  return null;
end
$$;

revoke all on table headway_private.job_messages from public, anon, authenticated, service_role;
revoke all on function
  headway_private.list_topics(uuid, uuid, uuid), headway_private.watched_topics(), headway_private.send_lists(uuid[]),
  headway_private.push_events(), headway_private.push_changes(), headway_private.push_submitted(),
  headway_private.push_batches(), headway_private.tell_workers(uuid[])
from public, anon, authenticated, service_role;

create trigger job_events_push
  after insert on headway.job_events
  referencing new table as fresh
  for each statement execute function headway_private.push_events();
create trigger jobs_push_changes
  after update on headway.jobs
  referencing old table as was_jobs new table as now_jobs
  for each statement execute function headway_private.push_changes();
create trigger jobs_push_submitted
  after insert on headway.jobs
  referencing new table as now_jobs
  for each statement execute function headway_private.push_submitted();
create trigger batches_push
  after update on headway.batches
  referencing new table as now_batches
  for each statement execute function headway_private.push_batches();
