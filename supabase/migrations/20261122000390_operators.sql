-- For operators, in the SQL editor or with a secret key: look, cancel, requeue, pause, drain, limit, budgets.

create function headway_private.set_queue_state(queue text, state text, reason text) returns text
language plpgsql volatile set search_path = ''
as $$
begin
  if char_length(reason) > 500 then
    perform headway_private.refuse('HW103', 'must have at most 500 characters', 'reason', 'Shorten it.');
  end if;
  update headway.queues q
  set state = $2, state_reason = reason, state_changed_at = clock_timestamp()
  where q.queue = $1;
  if not found then
    perform headway_private.refuse(
      'HW108', format('unknown queue %s', quote_ident(queue)), 'queue',
      'Known queues: ' || coalesce((select string_agg(q.queue, ', ' order by q.queue) from headway.queues q), 'none') || '.'
    );
  end if;
  return state;
end
$$;

create function headway.pause_queue(queue text, reason text default null) returns text
language sql volatile security definer set search_path = ''
as $$ select headway_private.set_queue_state($1, 'paused', $2) $$;

comment on function headway.pause_queue(text, text) is 'Nothing of the queue starts any more; what runs goes on.';

create function headway.drain_queue(queue text, reason text default null) returns text
language sql volatile security definer set search_path = ''
as $$ select headway_private.set_queue_state($1, 'draining', $2) $$;

comment on function headway.drain_queue(text, text) is 'The queue accepts nothing new; what waits still runs.';

create function headway.resume_queue(queue text) returns text
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform headway_private.set_queue_state(queue, 'active', null);
  begin
    perform realtime.send('{}', 'wake', 'queue:' || queue, true);
  exception when others then
    raise warning 'headway could not wake workers: % (%)', sqlerrm, sqlstate;
  end;
  return 'active';
end
$$;

comment on function headway.resume_queue(text) is 'The queue accepts and starts jobs again.';

create function headway.limit_queue(queue text, concurrency integer default null, tenant_concurrency integer default null)
returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update headway.queues q
  set concurrency = limit_queue.concurrency, tenant_concurrency = limit_queue.tenant_concurrency
  where q.queue = limit_queue.queue;
  if not found then
    perform headway_private.refuse('HW108', format('unknown queue %s', quote_ident(queue)), 'queue', 'Look at queue_stats.');
  end if;
exception when check_violation then
  perform headway_private.refuse(
    'HW103', 'is out of range', 'concurrency', 'Send 0 to 1000000 (tenant_concurrency: from 1), or null for no limit.'
  );
end
$$;

comment on function headway.limit_queue(text, integer, integer) is
  'How many jobs of the queue, and of one tenant in it, may run at once; null is no limit.';

create function headway.limit_kind(kind text, concurrency integer default null, tenant_concurrency integer default null)
returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update headway.kinds k
  set concurrency = limit_kind.concurrency, tenant_concurrency = limit_kind.tenant_concurrency, limits_pinned = true,
    updated_at = clock_timestamp()
  where k.kind = limit_kind.kind;
  if not found then
    perform headway_private.refuse(
      'HW107', format('unknown kind %s', quote_ident(kind)), 'kind', headway_private.nearest_kinds(kind)
    );
  end if;
exception when check_violation then
  perform headway_private.refuse(
    'HW103', 'is out of range', 'concurrency', 'Send 0 to 1000000 (tenant_concurrency: from 1), or null for no limit.'
  );
end
$$;

comment on function headway.limit_kind(text, integer, integer) is
  'How many jobs of the kind, and of one tenant, may run at once; stays when workers register the kind again.';

create function headway.set_budget(tenant_id uuid, period text, amount numeric) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  if period is null or period not in ('day', 'month', 'total') then
    perform headway_private.refuse('HW100', 'is unknown', 'period', 'Send day, month or total.');
  end if;
  if amount is null then
    delete from headway.budgets b
    where b.tenant_id is not distinct from set_budget.tenant_id and b.period = set_budget.period;
    return;
  end if;
  insert into headway.budgets as b (tenant_id, period, amount)
  values (set_budget.tenant_id, set_budget.period, headway_private.read_cost(set_budget.amount, 'amount'))
  on conflict on constraint budgets_once do update set amount = excluded.amount, updated_at = now();
end
$$;

comment on function headway.set_budget(uuid, text, numeric) is
  'What a tenant may spend per day, month or in total; null amount: no budget; null tenant: all that have none of their own.';

-- The jobs that a filter finds, oldest first. An empty filter is refused: it would be everybody's jobs.
create function headway_private.find_jobs(filter jsonb, statuses text[]) returns uuid[]
-- Planned for the filter at hand, so that each of its fields can use its index.
language plpgsql volatile set search_path = '' set plan_cache_mode = 'force_custom_plan'
as $$
declare
  wish jsonb := headway_private.read_object(filter, 'filter', 65536);
  most integer;
  ids uuid[];
  of_kind text;
  of_queue text;
  of_status text;
  of_tenant uuid;
  of_owner uuid;
  of_organization uuid;
  of_project uuid;
  of_batch uuid;
  of_parent uuid;
  of_error text;
  of_tag text;
  before timestamptz;
  after timestamptz;
begin
  if wish is null or wish - 'limit' = '{}' then
    perform headway_private.refuse(
      'HW102', 'is empty', 'filter', 'Narrow it, for example {"kind": "cv.parse", "status": "failed"}.'
    );
  end if;
  perform headway_private.refuse_unknown_fields(
    wish,
    '{ids,kind,queue,status,tenant_id,owner_id,organization_id,project_id,batch_id,parent_id,error_code,tag,created_before,created_after,limit}',
    'filter.'
  );
  most := coalesce(headway_private.read_integer(wish -> 'limit', 'filter.limit', 1, 10000), 1000);
  if headway_private.read_array(wish -> 'ids', 'filter.ids', 10000) is not null then
    ids := array(
      select headway_private.read_uuid(e.value, 'filter.ids') from jsonb_array_elements(wish -> 'ids') e
    );
  end if;
  of_kind := headway_private.read_text(wish -> 'kind', 'filter.kind', 100);
  of_queue := headway_private.read_text(wish -> 'queue', 'filter.queue', 63);
  of_status := headway_private.read_text(
    wish -> 'status', 'filter.status', 20, '^(' || array_to_string(statuses, '|') || ')$',
    'Send one of: ' || array_to_string(statuses, ', ') || '.'
  );
  of_tenant := headway_private.read_uuid(wish -> 'tenant_id', 'filter.tenant_id');
  of_owner := headway_private.read_uuid(wish -> 'owner_id', 'filter.owner_id');
  of_organization := headway_private.read_uuid(wish -> 'organization_id', 'filter.organization_id');
  of_project := headway_private.read_uuid(wish -> 'project_id', 'filter.project_id');
  of_batch := headway_private.read_uuid(wish -> 'batch_id', 'filter.batch_id');
  of_parent := headway_private.read_uuid(wish -> 'parent_id', 'filter.parent_id');
  of_error := headway_private.read_text(wish -> 'error_code', 'filter.error_code', 100);
  of_tag := headway_private.read_text(wish -> 'tag', 'filter.tag', 64);
  before := headway_private.read_time(wish -> 'created_before', 'filter.created_before');
  after := headway_private.read_time(wish -> 'created_after', 'filter.created_after');
  return array(
    select j.id from headway.jobs j
    where j.status = any (statuses)
      and (ids is null or j.id = any (ids))
      and (of_kind is null or j.kind = of_kind)
      and (of_queue is null or j.queue = of_queue)
      and (of_status is null or j.status = of_status)
      and (of_tenant is null or j.tenant_id = of_tenant)
      and (of_owner is null or j.owner_id = of_owner)
      and (of_organization is null or j.organization_id = of_organization)
      and (of_project is null or j.project_id = of_project)
      and (of_batch is null or j.batch_id = of_batch)
      and (of_parent is null or j.parent_id = of_parent)
      and (of_error is null or j.error_code = of_error)
      and (of_tag is null or of_tag = any (j.tags))
      and (before is null or j.created_at < before)
      and (after is null or j.created_at > after)
    order by j.created_at, j.id
    limit most
  );
end
$$;

create function headway.cancel_jobs(filter jsonb, reason text default null) returns integer
language sql volatile security definer set search_path = ''
as $$ select headway_private.cancel_all(headway_private.find_jobs($1, '{pending,processing}'), $2) $$;

comment on function headway.cancel_jobs(jsonb, text) is
  'Cancels the unfinished jobs that a filter finds, up to its limit (1000); answers how many.';

create function headway.retry_jobs(filter jsonb) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  ids constant uuid[] := headway_private.find_jobs(filter, '{failed,cancelled}');
  job headway.jobs;
  retried integer := 0;
begin
  for job in select j.* from headway.jobs j where j.id = any (ids) order by j.id for no key update loop
    continue when job.status not in ('failed', 'cancelled');
    begin
      perform headway_private.reopen(job, null);
      retried := retried + 1;
    exception when sqlstate 'HW202' then
      raise notice 'job % stays as it is: %', job.id, sqlerrm;
    end;
  end loop;
  return retried;
end
$$;

comment on function headway.retry_jobs(jsonb) is
  'Retries the failed and cancelled jobs that a filter finds, up to its limit (1000); answers how many.';

create function headway.requeue(job_id uuid) returns text
language plpgsql volatile security definer set search_path = ''
as $$
declare
  job headway.jobs;
  lease headway.leases;
begin
  select l.* into lease from headway.leases l where l.job_id = requeue.job_id for update;
  if found then
    -- Its worker, if it lives, learns with its next write that the lease is lost.
    perform headway_private.end_attempts(array[
      (0, lease.job_id, lease.attempt, lease.token, 'release', null, null, null, null, null, 0, null, null, null, null, null, null)
        ::headway_private.ending
    ]);
  else
    job := headway_private.lock_job_for_caller(requeue.job_id);
    if job.status = 'pending' and job.ready_order is null then
      if job.waiting_for is not null then
        perform headway_private.resume(array[job.id], 'operator');
      else
        update headway.jobs j
        set ready_order = nextval('headway_private.ready_order'), run_at = clock_timestamp(), revision = j.revision + 1,
          updated_at = clock_timestamp()
        where j.id = job.id;
      end if;
    elsif job.status in ('failed', 'cancelled') then
      perform headway_private.reopen(job, null);
    elsif job.status = 'completed' then
      perform headway_private.refuse('HW202', 'has completed', 'job_id', 'Submit a new job to do it again.');
    end if;
  end if;
  return (select j.status from headway.jobs j where j.id = requeue.job_id);
end
$$;

comment on function headway.requeue(uuid) is
  'Makes a job claimable now: takes it from its worker, ends its delay or wait, or retries it.';

create function headway.look(job_id uuid) returns jsonb
language sql stable security definer set search_path = ''
as $$
  select headway_private.snapshot_of($1) || jsonb_build_object(
    'payload', (select i.payload from headway.job_inputs i where i.job_id = $1),
    'lease', (
      select jsonb_build_object(
        'worker_id', l.worker_id, 'worker', w.name, 'attempt', l.attempt, 'started_at', l.started_at,
        'expires_at', l.expires_at, 'deadline_at', l.deadline_at
      )
      from headway.leases l
      left join headway.workers w on w.id = l.worker_id
      where l.job_id = $1
    ),
    'events', (
      select jsonb_agg(jsonb_build_object('seq', e.seq, 'type', e.type, 'attempt', e.attempt, 'at', e.at, 'data', e.data) order by e.seq)
      from (select * from headway.job_events e where e.job_id = $1 order by e.seq desc limit 200) e
    ),
    'signals', (select jsonb_object_agg(g.name, g.payload) from headway.signals g where g.job_id = $1)
  )
$$;

comment on function headway.look(uuid) is 'Everything about a job in one document: payload, lease, last 200 events.';

create function headway.spend_today() returns table (
  tenant_id uuid, kind text, provider text, model text, unit text, calls bigint, quantity numeric, cost numeric
)
language sql stable security definer set search_path = ''
as $$
  select d.tenant_id, d.kind, d.provider, nullif(d.model, ''), d.unit, d.calls, d.quantity, d.cost
  from headway.usage_daily d
  where d.day = (now() at time zone 'utc')::date
  order by d.cost desc
$$;

comment on function headway.spend_today() is 'What was spent today (UTC), the dearest first.';

create function headway.forget_owner(owner_id uuid) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  forgotten integer;
begin
  perform headway_private.cancel_all(
    array(
      select j.id from headway.jobs j
      where j.owner_id = forget_owner.owner_id and j.organization_id is null and j.status in ('pending', 'processing')
    ),
    'The owner''s data are being erased.'
  );
  update headway.jobs j
  set retention = '0', delete_after = case when j.finished_at is not null then clock_timestamp() end, revision = j.revision + 1
  where j.owner_id = forget_owner.owner_id and j.organization_id is null;
  get diagnostics forgotten = row_count;
  -- Both tables come with later migrations; deleting an endpoint deletes its messages.
  delete from headway.schedules s where s.owner_id = forget_owner.owner_id and s.organization_id is null;
  delete from headway.notification_endpoints e where e.owner_id = forget_owner.owner_id and e.organization_id is null;
  return forgotten;
end
$$;

comment on function headway.forget_owner(uuid) is
  'Cancels a person''s own jobs and lets the next prune remove them with their files; the ledger stays.';

revoke all on function
  headway_private.set_queue_state(text, text, text), headway_private.find_jobs(jsonb, text[]),
  headway.pause_queue(text, text), headway.drain_queue(text, text), headway.resume_queue(text),
  headway.limit_queue(text, integer, integer), headway.limit_kind(text, integer, integer),
  headway.set_budget(uuid, text, numeric), headway.cancel_jobs(jsonb, text), headway.retry_jobs(jsonb),
  headway.requeue(uuid), headway.look(uuid), headway.spend_today(), headway.forget_owner(uuid)
from public, anon, authenticated, service_role;
grant execute on function
  headway.pause_queue(text, text), headway.drain_queue(text, text), headway.resume_queue(text),
  headway.limit_queue(text, integer, integer), headway.limit_kind(text, integer, integer),
  headway.set_budget(uuid, text, numeric), headway.cancel_jobs(jsonb, text), headway.retry_jobs(jsonb),
  headway.requeue(uuid), headway.look(uuid), headway.spend_today(), headway.forget_owner(uuid)
to service_role;
