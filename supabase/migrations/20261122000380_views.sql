-- Views for people: in the dashboard, and through the Data API under the reader's own row level security.

create view headway.job_overview with (security_invoker = true) as
select j.id, j.kind, j.queue,
  case
    when j.status = 'pending' and j.waiting_for is not null then 'waiting for ' || coalesce(j.waiting_on, j.waiting_for)
    when j.status = 'pending' and j.ready_order is null then 'delayed'
    when j.status = 'processing' and j.cancel_requested_at is not null then 'being cancelled'
    else j.status
  end as state,
  j.status, j.percent, j.stage, j.message, j.priority, j.attempt, j.failures, j.max_attempts, j.run, j.error_code,
  j.error_message, c.spent as cost, j.owner_id, j.organization_id, j.project_id, j.parent_id, j.batch_id, j.tags,
  j.created_at, j.run_at, j.started_at, j.finished_at,
  date_trunc('second', coalesce(j.started_at, j.finished_at, now()) - j.created_at) as waited,
  date_trunc('second', coalesce(j.finished_at, now()) - j.started_at) as ran
from headway.jobs j
left join headway.job_costs c on c.job_id = j.id;

comment on view headway.job_overview is 'Jobs as a person reads them.';

create view headway.queue_stats with (security_invoker = true) as
select q.queue, q.state, q.state_reason, q.concurrency, q.tenant_concurrency,
  (select count(*) from headway.jobs j where j.queue = q.queue and j.ready_order is not null) as ready,
  coalesce(d.delayed, 0) as delayed, coalesce(d.waiting, 0) as waiting,
  (select count(*) from headway.leases l where l.queue = q.queue) as running,
  (
    select date_trunc('second', now() - min(f.run_at))
    from headway.kinds k
    cross join lateral (
      select min(j.run_at) as run_at from headway.jobs j
      where j.queue = q.queue and j.kind = k.kind and j.ready_order is not null
    ) f
  ) as oldest_ready,
  coalesce(h.completed, 0) as completed_last_hour, coalesce(h.failed, 0) as failed_last_hour,
  coalesce(h.lost, 0) as lost_last_hour
from headway.queues q
left join (
  select j.queue, count(*) filter (where j.waiting_for is null) as delayed,
    count(*) filter (where j.waiting_for is not null) as waiting
  from headway.jobs j
  where j.status = 'pending' and j.ready_order is null
  group by j.queue
) d on d.queue = q.queue
left join (
  select a.queue, count(*) filter (where a.outcome = 'completed') as completed,
    count(*) filter (where a.outcome in ('failed', 'retried')) as failed, count(*) filter (where a.outcome = 'lost') as lost
  from headway.attempts a
  where a.ended_at > now() - interval '1 hour'
  group by a.queue
) h on h.queue = q.queue;

comment on view headway.queue_stats is 'What waits, runs and ended lately, by queue.';

create view headway.worker_stats with (security_invoker = true) as
select w.id, w.name, w.version,
  case
    when w.stopped_at is not null then 'stopped'
    when w.last_seen_at > now() - interval '2 minutes' then 'alive'
    else 'silent'
  end as state,
  w.slots, coalesce(l.running, 0) as running, l.next_expiry, w.queues, w.kinds, w.started_at, w.last_seen_at, w.stopped_at
from headway.workers w
left join (
  select l.worker_id, count(*) as running, min(l.expires_at) as next_expiry from headway.leases l group by l.worker_id
) l on l.worker_id = w.id;

comment on view headway.worker_stats is 'Workers, whether they are alive, and how busy they are.';

create view headway.failures with (security_invoker = true) as
select a.ended_at as at, a.job_id, a.kind, a.queue, a.attempt, a.outcome, a.error_code, a.error_message,
  j.status as job_status, j.failures, j.max_attempts, j.owner_id, j.organization_id
from headway.attempts a
join headway.jobs j on j.id = a.job_id
where a.outcome in ('failed', 'retried', 'lost');

comment on view headway.failures is 'Attempts that went wrong, and what has become of their jobs.';

create view headway.spend with (security_invoker = true) as
select u.day, u.tenant_id, u.owner_id, u.organization_id, u.kind, u.provider, u.model, u.unit, count(*) as calls,
  sum(u.quantity) as quantity, sum(u.cost) as cost, count(*) filter (where u.state = 'assumed') as assumed_calls
from headway.usage u
where u.state <> 'reserved'
group by u.day, u.tenant_id, u.owner_id, u.organization_id, u.kind, u.provider, u.model, u.unit;

comment on view headway.spend is 'What paid calls cost, by day, tenant, kind and model.';

revoke all on table
  headway.job_overview, headway.queue_stats, headway.worker_stats, headway.failures, headway.spend
from public, anon, authenticated, service_role;
grant select on table headway.job_overview, headway.failures, headway.spend to authenticated, service_role;
grant select on table headway.queue_stats, headway.worker_stats to service_role;
