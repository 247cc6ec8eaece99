-- Housekeeping that any worker does: what dead workers left behind, what is due, and what is past its retention.

create function headway.sweep(max_jobs integer default 500, worker_id uuid default null) returns jsonb
language plpgsql volatile security definer
set search_path = '' set plan_cache_mode = 'force_generic_plan'
as $$
declare
  worker headway.workers;
  moment constant timestamptz := clock_timestamp();
  lost headway_private.ending[];
  promoted integer;
begin
  if max_jobs is null or max_jobs not between 1 and 10000 then
    perform headway_private.refuse('HW103', 'must be from 1 to 10000', 'max_jobs', 'Sweep 1 to 10,000 jobs at a time.');
  end if;
  -- Leases that somebody else is ending or extending at this moment are not lost.
  with expired as materialized (
    select l.job_id, l.attempt, l.token, l.expires_at > l.deadline_at as overdue
    from headway.leases l
    where l.expires_at <= moment
    order by l.job_id
    limit max_jobs
    for update skip locked
  )
  select array_agg(
    (
      0, e.job_id, e.attempt, e.token, 'lost', null, case when e.overdue then 'timeout' else 'lost' end,
      case when e.overdue then 'The job took longer than its kind allows, and its worker did not stop it.'
        else 'The worker that ran the job disappeared.' end,
      case when e.overdue then 'Raise the kind''s timeout_seconds, or make the job smaller.'
        else 'Look at the worker''s log around that time; lack of memory is the usual reason.' end,
      null, null, null, null, null, null, null, null
    )::headway_private.ending
  ) into lost
  from expired e
  where exists (select from headway.jobs j where j.id = e.job_id);
  if lost is not null then
    perform headway_private.end_attempts(lost);
  end if;
  promoted := headway_private.promote_due(max_jobs);
  perform headway_private.learn_durations();
  if sweep.worker_id is not null then
    -- By its sweeps an idle worker says that it is still there.
    update headway.workers w
    set last_seen_at = moment
    where w.id = sweep.worker_id and w.stopped_at is null
    returning w.* into worker;
    if not found then
      perform headway_private.refuse('HW002', 'is not registered', 'worker_id', 'Call register_worker first.');
    end if;
  end if;
  return jsonb_build_object(
    'lost', coalesce(cardinality(lost), 0),
    'promoted', promoted,
    'next_run_at', (
      select j.run_at from headway.jobs j
      where j.status = 'pending' and j.ready_order is null
      order by j.run_at
      limit 1
    )
  ) || headway_private.agenda(worker.kinds);
end
$$;

comment on function headway.sweep(integer, uuid) is
  'Takes expired leases back, gives what is due its place in the line, learns how long jobs take, and says what is due next.';

create function headway.prune(max_jobs integer default 200) returns jsonb
language plpgsql volatile security definer
set search_path = '' set plan_cache_mode = 'force_generic_plan' set enable_seqscan = off
as $$
declare
  moment constant timestamptz := clock_timestamp();
  past uuid[];
begin
  if max_jobs is null or max_jobs not between 1 and 5000 then
    perform headway_private.refuse('HW103', 'must be from 1 to 5000', 'max_jobs', 'Prune 1 to 5000 jobs at a time.');
  end if;
  with gone as materialized (
    select j.id from headway.jobs j
    where j.delete_after is not null and j.delete_after <= moment
    order by j.delete_after
    limit max_jobs
    for update skip locked
  )
  select array_agg(g.id) into past from gone g;

  if past is not null then
    insert into headway.file_removals (bucket, path)
    select distinct f.bucket, f.path from headway.job_files f where f.job_id = any (past) and f.removable
    on conflict do nothing;
    delete from headway.jobs j where j.id = any (past);
    -- As arrays, here and below: a plan may run a subquery of IN once per row, which takes the square of what is old.
    delete from headway.batches b
    where b.created_at < moment - interval '1 hour' and not exists (select from headway.jobs j where j.batch_id = b.id)
      and b.id = any (array(select o.id from headway.batches o order by o.created_at limit 1000));
  end if;
  delete from headway_private.claim_requests r
  where r.request_id = any (array(
    select o.request_id from headway_private.claim_requests o where o.at < moment - interval '1 hour' limit 50000
  ));
  delete from headway_private.watches w where w.expires_at < moment - interval '1 minute';
  delete from headway.workers w
  where w.last_seen_at < moment - interval '7 days' and not exists (select from headway.leases l where l.worker_id = w.id);
  delete from headway.usage u
  where u.id = any (array(
    select o.id from headway.usage o where o.day < (moment - interval '400 days')::date limit 5000
  ));

  return jsonb_build_object(
    'jobs', coalesce(cardinality(past), 0),
    'files', (
      select coalesce(jsonb_agg(jsonb_build_object('bucket', r.bucket, 'path', r.path)), '[]')
      from (
        -- An object that another job names stays until that job goes, and is listed then.
        select f.bucket, f.path from headway.file_removals f
        where f.due_at <= moment and not exists (
          select from headway.job_files o where o.bucket = f.bucket and o.path = f.path
        )
        order by f.due_at
        limit 1000
      ) r
    )
  );
end
$$;

comment on function headway.prune(integer) is
  'Removes jobs past their retention, and lists the Storage objects to remove until files_removed ticks them off.';

create function headway.files_removed(files json) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  done jsonb := headway_private.read_array(headway_private.storable(files, 'files'), 'files', 1000);
  removed integer;
begin
  delete from headway.file_removals f
  using jsonb_array_elements(done) d
  where f.bucket = d.value ->> 'bucket' and f.path = d.value ->> 'path';
  get diagnostics removed = row_count;
  return removed;
end
$$;

comment on function headway.files_removed(json) is
  'A worker says which objects it has removed from Storage: [{"bucket", "path"}]. Safe to repeat.';

-- Otherwise what cannot be removed would keep everything behind it from being listed.
create function headway.files_postponed(files json, delay_seconds integer default 3600) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  kept jsonb := headway_private.read_array(headway_private.storable(files, 'files'), 'files', 1000);
  postponed integer;
begin
  if delay_seconds is null or delay_seconds not between 1 and 604800 then
    perform headway_private.refuse('HW103', 'must be from 1 to 604800', 'delay_seconds', 'Leave it out for an hour.');
  end if;
  update headway.file_removals f
  set due_at = clock_timestamp() + make_interval(secs => delay_seconds)
  from jsonb_array_elements(kept) d
  where f.bucket = d.value ->> 'bucket' and f.path = d.value ->> 'path';
  get diagnostics postponed = row_count;
  return postponed;
end
$$;

comment on function headway.files_postponed(json, integer) is
  'A worker says which objects Storage would not remove: [{"bucket", "path"}]; prune lists them again later.';

revoke all on function
  headway.sweep(integer, uuid), headway.prune(integer), headway.files_removed(json),
  headway.files_postponed(json, integer)
from public, anon, authenticated, service_role;
grant execute on function
  headway.sweep(integer, uuid), headway.prune(integer), headway.files_removed(json),
  headway.files_postponed(json, integer)
to service_role;
