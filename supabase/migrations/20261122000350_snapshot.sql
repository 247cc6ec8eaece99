-- Reading: the whole of a job at one seq, what came after a seq, and watch leases.

-- What everybody who may see a job may know of its kind, internal kinds included.
create function headway_private.outline(kind text, out stages jsonb, out push text, out runs bigint)
language sql stable security definer set search_path = ''
as $$
  select k.stages, k.push, (select d.runs from headway.durations d where d.kind = k.kind and d.stage = '')
  from headway.kinds k
  where k.kind = $1
$$;

-- One statement, hence one moment: seq, steps, files and result fit together.
create function headway_private.snapshot_of(job_id uuid) returns jsonb
language sql stable set search_path = ''
as $$
  select to_jsonb(j)
    - '{ready_order,idempotency_key,idempotency_expires_at,unique_key,debounce_key,error_code,error_message,error_hint,error_step}'::text[]
    || jsonb_build_object(
      'error', case when j.error_code is not null then jsonb_build_object(
        'code', j.error_code, 'message', j.error_message, 'hint', j.error_hint, 'step', j.error_step
      ) end,
      'steps', (
        select coalesce(jsonb_agg(
          jsonb_build_object(
            'name', s.name, 'status', s.status, 'attempt', s.attempt, 'started_at', s.started_at,
            'finished_at', s.finished_at, 'error_code', s.error_code, 'error_message', s.error_message
          ) || case
            when s.result is null then '{}'
            when octet_length(s.result::text) > 8192 then '{"result_omitted": true}'
            else jsonb_build_object('result', s.result)
          end
          order by s.ordinal
        ), '[]')
        from headway.job_steps s
        where s.job_id = j.id
      ),
      'files', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'direction', f.direction, 'name', f.name, 'bucket', f.bucket, 'path', f.path, 'content_type', f.content_type,
          'bytes', f.bytes, 'sha256', f.sha256
        ) order by f.direction, f.name), '[]')
        from headway.job_files f
        where f.job_id = j.id
      ),
      'attempts', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'attempt', a.attempt, 'run', a.run, 'outcome', a.outcome, 'error_code', a.error_code,
          'error_message', a.error_message, 'started_at', a.started_at, 'ended_at', a.ended_at
        ) order by a.attempt), '[]')
        from (select * from headway.attempts a where a.job_id = j.id order by a.attempt desc limit 50) a
      ),
      'children', (
        select coalesce(jsonb_object_agg(c.status, c.count), '{}')
        from (select c.status, count(*) as count from headway.jobs c where c.parent_id = j.id group by c.status) c
      ),
      'batch', (
        select jsonb_build_object(
          'id', b.id, 'name', b.name, 'total', b.total, 'completed', b.completed, 'failed', b.failed,
          'cancelled', b.cancelled, 'finished_at', b.finished_at
        )
        from headway.batches b
        where b.id = j.batch_id
      ),
      'cost', (
        select jsonb_build_object(
          'spent', trim_scale(c.spent), 'reserved', trim_scale(c.reserved), 'budget', trim_scale(c.budget), 'calls', c.calls
        )
        from headway.job_costs c
        where c.job_id = j.id
      ),
      'stages', (headway_private.outline(j.kind)).stages,
      'push', (headway_private.outline(j.kind)).push,
      'eta', (
        select jsonb_build_object(
          'seconds', round(e.seconds::numeric, 1), 'at', clock_timestamp() + make_interval(secs => e.seconds),
          'runs', (headway_private.outline(j.kind)).runs
        )
        from (select headway_private.seconds_left(j, clock_timestamp()) as seconds) e
        where e.seconds is not null and j.finished_at is null
      ),
      'at', clock_timestamp()
    ) || coalesce(
      (
        select case when o.bytes > 262144 then '{"result": null, "result_omitted": true}'
          else jsonb_build_object('result', o.result) end
        from headway.job_outputs o
        where o.job_id = j.id
      ),
      '{"result": null}'
    )
  from headway.jobs j
  where j.id = $1
$$;

-- Takes or renews watch leases for 60 s. A job is held for a moment: what changed before is in the caller's next
-- read, and whatever changes later finds the lease.
create function headway_private.renew_watches(topics text[]) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
  until constant timestamptz := clock_timestamp() + interval '60 seconds';
begin
  insert into headway_private.watches as w (topic, expires_at)
  select distinct t.topic, until from unnest(topics) t (topic) order by t.topic
  on conflict on constraint watches_pkey do update set expires_at = excluded.expires_at;
  perform from headway.jobs j
  where j.id in (select substr(t.topic, 5)::uuid from unnest(topics) t (topic) where t.topic like 'job:%')
  order by j.id
  for share;
  return until;
end
$$;

create function headway.watch(topics text[]) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  stranger text;
begin
  if topics is null or cardinality(topics) not between 1 and 100 then
    perform headway_private.refuse('HW103', 'must have 1 to 100 entries', 'topics', 'Send the topics you have joined.');
  end if;
  select t.topic into stranger from unnest(topics) t (topic) where headway_private.can_read_topic(t.topic) is not true limit 1;
  if found then
    perform headway_private.refuse(
      'HW302', format('you may not watch %s', left(quote_ident(stranger), 200)), 'topics',
      'Topics are job:<id>, user:<id>:jobs, project:<id>:jobs and org:<id>:jobs.'
    );
  end if;
  return jsonb_build_object('topics', to_jsonb(topics), 'expires_at', headway_private.renew_watches(topics));
end
$$;

comment on function headway.watch(text[]) is
  'Says that somebody is listening, for 60 s, so that kinds which are pushed only while watched are pushed.';

create function headway.snapshot(job_id uuid) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  doc jsonb := headway_private.snapshot_of(snapshot.job_id);
begin
  if doc ->> 'push' = 'watched' and doc ->> 'finished_at' is null
    and not current_setting('transaction_read_only')::boolean
  then
    perform headway_private.renew_watches(array['job:' || (doc ->> 'id')]);
    doc := headway_private.snapshot_of(snapshot.job_id);
  end if;
  if doc is null then
    perform headway_private.refuse('HW301', 'there is no such job', 'job_id', 'Check the id and who is signed in.');
  end if;
  return doc;
end
$$;

comment on function headway.snapshot(uuid) is
  'Everything about one job at one seq. Join its topic first, then ask; apply events with a greater seq.';

create function headway.events_after(job_id uuid, after_seq integer default 0, max_events integer default 500)
returns setof headway.job_events
language plpgsql stable set search_path = ''
as $$
begin
  if after_seq is null or after_seq < 0 then
    perform headway_private.refuse('HW103', 'must be 0 or more', 'after_seq', 'Send the last seq you have seen.');
  end if;
  if max_events is null or max_events not between 1 and 1000 then
    perform headway_private.refuse('HW103', 'must be from 1 to 1000', 'max_events', 'Read 1 to 1000 events at a time.');
  end if;
  if not exists (select from headway.jobs j where j.id = events_after.job_id) then
    perform headway_private.refuse('HW301', 'there is no such job', 'job_id', 'Check the id and who is signed in.');
  end if;
  return query
  select e.* from headway.job_events e
  where e.job_id = events_after.job_id and e.seq > after_seq
  order by e.seq
  limit max_events;
end
$$;

comment on function headway.events_after(uuid, integer, integer) is 'A job''s events with a greater seq, in order.';

create function headway.batch_snapshot(batch_id uuid) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  doc jsonb;
begin
  select to_jsonb(b) || jsonb_build_object(
    'percent', case when b.total = 0 then 0 else round(
      (
        100 * (b.completed + b.failed + b.cancelled) + coalesce((
          select sum(j.percent) from headway.jobs j
          where j.batch_id = b.id and j.status in ('pending', 'processing')
        ), 0)
      ) / b.total, 2
    ) end,
    'open', b.total - b.completed - b.failed - b.cancelled,
    'at', clock_timestamp()
  ) into doc
  from headway.batches b
  where b.id = batch_snapshot.batch_id;
  if doc is null then
    perform headway_private.refuse('HW301', 'there is no such batch', 'batch_id', 'Check the id and who is signed in.');
  end if;
  return doc;
end
$$;

comment on function headway.batch_snapshot(uuid) is 'A batch''s counts and its one percent.';

revoke all on function
  headway_private.snapshot_of(uuid), headway_private.outline(text), headway_private.renew_watches(text[]),
  headway.watch(text[]), headway.snapshot(uuid), headway.events_after(uuid, integer, integer),
  headway.batch_snapshot(uuid)
from public, anon, authenticated, service_role;
grant execute on function
  headway_private.snapshot_of(uuid), headway_private.outline(text), headway_private.renew_watches(text[]),
  headway.watch(text[]), headway.snapshot(uuid), headway.events_after(uuid, integer, integer),
  headway.batch_snapshot(uuid)
to authenticated, service_role;
