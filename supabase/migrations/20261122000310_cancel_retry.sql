-- People change their minds: cancel and retry, for one job, a batch, or all that a filter finds.

-- Jobs and everything below them, as a set of ids.
create function headway_private.with_descendants(roots uuid[]) returns uuid[]
language sql volatile set search_path = ''
as $$
  with recursive family (id) as (
    select unnest(roots)
    union
    select j.id from family f join headway.jobs j on j.parent_id = f.id
  )
  select array_agg(f.id) from family f
$$;

-- Ends what has not started, and asks what runs to stop. Answers how many jobs were concerned.
create function headway_private.cancel_all(jobs uuid[], reason text) returns integer
language plpgsql volatile set search_path = ''
as $$
declare
  family uuid[];
  ended uuid[];
  asked uuid[];
begin
  if char_length(reason) > 500 then
    perform headway_private.refuse('HW103', 'must have at most 500 characters', 'reason', 'Shorten it.');
  end if;
  -- A child that is being submitted holds its parent: once the family is locked, look whether it has grown.
  loop
    family := headway_private.with_descendants(jobs);
    perform from headway.jobs j
    where j.id = any (family || (select array_agg(c.parent_id) from headway.jobs c where c.id = any (family)))
    order by j.id
    for no key update;
    exit when not exists (select unnest(headway_private.with_descendants(jobs)) except select unnest(family));
  end loop;

  with stopped as (
    update headway.jobs j
    set status = 'cancelled', ready_order = null, waiting_for = null, waiting_on = null, seq = j.seq + 1,
      revision = j.revision + 1, cancel_requested_at = clock_timestamp(), cancel_reason = reason,
      error_code = null, error_message = null, error_hint = null, error_step = null,
      finished_at = clock_timestamp(), delete_after = clock_timestamp() + j.retention, updated_at = clock_timestamp()
    where j.id = any (family) and j.status = 'pending'
    returning j.id, j.seq, j.run, j.attempt, j.updated_at
  ),
  told as (
    insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
    select s.id, s.seq, 'cancelled', s.run, s.attempt, s.updated_at,
      jsonb_strip_nulls(jsonb_build_object('reason', reason, 'by', auth.uid()))
    from stopped s
  )
  select array_agg(s.id) into ended from stopped s;

  with requested as (
    update headway.jobs j
    set cancel_requested_at = clock_timestamp(), cancel_reason = reason, seq = j.seq + 1, revision = j.revision + 1,
      updated_at = clock_timestamp()
    where j.id = any (family) and j.status = 'processing' and j.cancel_requested_at is null
    returning j.id, j.seq, j.run, j.attempt, j.updated_at
  ),
  told as (
    insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
    select r.id, r.seq, 'cancel_requested', r.run, r.attempt, r.updated_at,
      jsonb_strip_nulls(jsonb_build_object('reason', reason, 'by', auth.uid()))
    from requested r
  )
  select array_agg(r.id) into asked from requested r;

  if asked is not null then
    perform headway_private.tell_workers(asked);
  end if;
  if ended is not null then
    perform headway_private.settle(ended);
  end if;
  return coalesce(cardinality(ended), 0) + coalesce(cardinality(asked), 0);
end
$$;

create function headway.cancel(job_id uuid, reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  job headway.jobs;
  concerned integer;
begin
  -- Not locked yet: the whole family is locked in one order below.
  select j.* into job from headway.jobs j where j.id = cancel.job_id;
  perform headway_private.refuse_foreign(job);
  concerned := headway_private.cancel_all(array[job.id], reason);
  return (
    select jsonb_build_object(
      'id', j.id, 'status', j.status, 'changed', j.revision <> job.revision and j.cancel_requested_at is not null
        and job.cancel_requested_at is null,
      'jobs', concerned, 'cancel_requested_at', j.cancel_requested_at
    )
    from headway.jobs j
    where j.id = job.id
  );
end
$$;

comment on function headway.cancel(uuid, text) is
  'Cancels a job and its children: what waits ends now, what runs is asked to stop. Safe to repeat.';

create function headway.cancel_batch(batch_id uuid, reason text default null) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  batch headway.batches;
begin
  select b.* into batch from headway.batches b where b.id = cancel_batch.batch_id;
  if batch.id is null or not headway_private.can_read_scope(batch.owner_id, batch.organization_id) then
    perform headway_private.refuse('HW301', 'there is no such batch', 'batch_id', 'Check the id and who is signed in.');
  elsif not headway_private.can_write_scope(batch.owner_id, batch.organization_id) then
    perform headway_private.refuse(
      'HW302', 'you may see this batch but not change it', 'batch_id', 'Ask for the role editor in its organisation.'
    );
  end if;
  return headway_private.cancel_all(
    array(
      select j.id from headway.jobs j
      where j.batch_id = batch.id and j.status in ('pending', 'processing')
        and headway_private.can_write_scope(j.owner_id, j.organization_id)
    ),
    reason
  );
end
$$;

comment on function headway.cancel_batch(uuid, text) is 'Cancels what is left of a batch; answers how many jobs.';

-- Starts a new run of an ended job that the caller has locked. Completed steps stay, unless from_step or a later
-- step is among them.
create function headway_private.reopen(job headway.jobs, from_step text) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  first_again integer;
begin
  if from_step is not null then
    select s.ordinal into first_again from headway.job_steps s where s.job_id = job.id and s.name = from_step;
    if not found then
      perform headway_private.refuse(
        'HW301', 'the job has no such step', 'from_step',
        coalesce(
          (select 'Its steps: ' || string_agg(s.name, ', ' order by s.ordinal) || '.' from headway.job_steps s where s.job_id = job.id),
          'It has no steps; leave from_step out.'
        )
      );
    end if;
  end if;
  delete from headway.job_steps s
  where s.job_id = job.id and (s.status <> 'completed' or s.ordinal >= first_again);
  delete from headway.job_outputs o where o.job_id = job.id;

  if job.batch_id is not null then
    update headway.batches b
    set completed = b.completed - (job.status = 'completed')::integer, failed = b.failed - (job.status = 'failed')::integer,
      cancelled = b.cancelled - (job.status = 'cancelled')::integer, finished_at = null
    where b.id = job.batch_id;
  end if;

  with opened as (
    update headway.jobs j
    set status = 'pending', run = j.run + 1, failures = 0, seq = j.seq + 1, revision = j.revision + 1,
      run_at = clock_timestamp(), ready_order = nextval('headway_private.ready_order'), percent = 0, stage = null,
      stage_started_at = null, message = null, started_at = null, finished_at = null, delete_after = null,
      cancel_requested_at = null, cancel_reason = null, error_code = null, error_message = null, error_hint = null,
      error_step = null, updated_at = clock_timestamp()
    where j.id = job.id
    returning j.id, j.seq, j.run, j.attempt, j.updated_at
  )
  insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
  select o.id, o.seq, 'retried', o.run, o.attempt, o.updated_at,
    jsonb_strip_nulls(jsonb_build_object('by', auth.uid(), 'from_step', from_step))
  from opened o;
exception when unique_violation then
  perform headway_private.refuse(
    'HW202', 'another job with the same unique key is going on', 'job_id', 'Wait for it, or cancel it first.'
  );
end
$$;

-- A job that a budget has stopped goes on with a larger one, within the limits of submit.
create function headway_private.rebudget(job headway.jobs, amount numeric) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  most numeric;
begin
  select k.cost_budget into most from headway.kinds k where k.kind = job.kind;
  if amount not between 0 and 1000000000 then
    perform headway_private.refuse(
      'HW103', 'must be from 0 to 1000000000', 'cost_budget', 'Send a number from 0 to 1000000000.'
    );
  elsif amount > most and not headway_private.is_service() then
    perform headway_private.refuse(
      'HW103', format('must be at most %s for this kind', trim_scale(most)), 'cost_budget', 'Lower it or leave it out.'
    );
  end if;
  insert into headway.job_costs (job_id, budget) values (job.id, amount)
  on conflict on constraint job_costs_pkey do update set budget = excluded.budget;
end
$$;

create function headway.retry(job_id uuid, from_step text default null, cost_budget numeric default null) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  job headway.jobs := headway_private.lock_job_for_caller(job_id);
  changed boolean := false;
begin
  if job.status in ('failed', 'cancelled') or (
    job.status = 'completed'
    and exists (select from headway.job_steps s where s.job_id = job.id and s.status = 'failed')
  ) then
    if cost_budget is not null then
      perform headway_private.rebudget(job, cost_budget);
    end if;
    perform headway_private.reopen(job, from_step);
    changed := true;
  elsif job.status = 'completed' then
    perform headway_private.refuse('HW202', 'has completed', 'job_id', 'Submit a new job to do it again.');
  elsif job.run = 1 or job.cancel_requested_at is not null then
    perform headway_private.refuse(
      'HW202', format('is %s', case when job.cancel_requested_at is null then job.status else 'being cancelled' end),
      'job_id', 'Wait until it has ended.'
    );
  end if;
  return (
    select jsonb_build_object('id', j.id, 'status', j.status, 'changed', changed, 'run', j.run)
    from headway.jobs j
    where j.id = job.id
  );
end
$$;

comment on function headway.retry(uuid, text, numeric) is
  'Runs a failed or cancelled job again from the step that failed, or from from_step; cost_budget is what it may cost from its beginning. Repeating it while the new run goes on changes nothing.';

revoke all on function
  headway_private.with_descendants(uuid[]), headway_private.cancel_all(uuid[], text),
  headway_private.reopen(headway.jobs, text), headway_private.rebudget(headway.jobs, numeric),
  headway.cancel(uuid, text), headway.cancel_batch(uuid, text), headway.retry(uuid, text, numeric)
from public, anon, authenticated, service_role;
grant execute on function
  headway.cancel(uuid, text), headway.cancel_batch(uuid, text), headway.retry(uuid, text, numeric)
to authenticated, service_role;
