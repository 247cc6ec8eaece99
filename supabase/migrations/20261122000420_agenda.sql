-- What is due next, for workers that have nothing to do: they learn by one request what is worth another.

-- Seconds from now, by the server's clock, so that a worker whose clock is wrong is on time; null is nothing in sight.
create function headway_private.seconds_until(moment timestamptz) returns numeric
language sql volatile set search_path = ''
return case when moment is not null then round(greatest(0, extract(epoch from moment - clock_timestamp())), 3) end;

create function headway_private.agenda(kinds text[]) returns jsonb
language sql volatile
set search_path = '' set plan_cache_mode = 'force_generic_plan' set enable_seqscan = off
as $$
  select jsonb_build_object(
    'ready', exists (
      select from headway.queues q
      cross join unnest(kinds) k (kind)
      cross join lateral (
        select from headway.jobs j
        where j.queue = q.queue and j.kind = k.kind and j.ready_order is not null
        limit 1
      ) j
      where q.state <> 'paused'
    ),
    'lease_seconds', headway_private.seconds_until((select min(l.expires_at) from headway.leases l)),
    'run_seconds', headway_private.seconds_until((
      select j.run_at from headway.jobs j
      where j.status = 'pending' and j.ready_order is null
      order by j.run_at
      limit 1
    )),
    'schedule_seconds', headway_private.seconds_until((
      select s.next_run_at from headway.schedules s where s.next_run_at is not null order by s.next_run_at limit 1
    )),
    'delivery_seconds', headway_private.seconds_until((
      select o.due_at from headway.outbox o where o.status in ('pending', 'delivering') order by o.due_at limit 1
    )),
    'retention_seconds', headway_private.seconds_until(least(
      (select j.delete_after from headway.jobs j where j.delete_after is not null order by j.delete_after limit 1),
      (
        select min(f.due_at) from headway.file_removals f
        where not exists (select from headway.job_files o where o.bucket = f.bucket and o.path = f.path)
      )
    ))
  )
$$;

revoke all on function headway_private.seconds_until(timestamptz), headway_private.agenda(text[])
from public, anon, authenticated, service_role;
