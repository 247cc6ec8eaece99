-- Making and changing schedules, for people and for service staff.

create function headway.put_schedule(json) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  service constant boolean := headway_private.is_service();
  body jsonb := headway_private.storable($1, 'body');
  job jsonb;
  read headway_private.submission;
  wish headway.schedules;
  known headway.schedules;
  stored headway.schedules;
  tenant uuid;
begin
  if jsonb_typeof(body) is distinct from 'object' then
    perform headway_private.refuse('HW100', 'must be an object', 'body', 'Send {"name", "cron", "job": {"kind", ...}}.');
  end if;
  perform headway_private.refuse_unknown_fields(
    body, '{name,cron,time_zone,missed,grace_seconds,starts_at,ends_at,job}', ''
  );
  wish.name := headway_private.read_text(body -> 'name', 'name', 200);
  wish.cron := headway_private.read_text(body -> 'cron', 'cron', 256);
  wish.time_zone := coalesce(headway_private.read_text(body -> 'time_zone', 'time_zone', 64), 'UTC');
  wish.missed := coalesce(headway_private.read_text(
    body -> 'missed', 'missed', 4, '^(skip|one|all)$', 'Send skip, one or all.'
  ), 'one');
  wish.grace_seconds := coalesce(headway_private.read_integer(body -> 'grace_seconds', 'grace_seconds', 0, 86400), 300);
  wish.starts_at := headway_private.read_time(body -> 'starts_at', 'starts_at');
  wish.ends_at := headway_private.read_time(body -> 'ends_at', 'ends_at');
  if wish.name is null then
    perform headway_private.refuse('HW102', 'is missing', 'name', 'Name the schedule: saving the name again changes it.');
  elsif wish.cron is null then
    perform headway_private.refuse('HW102', 'is missing', 'cron', 'For example: 0 9 * * mon-fri');
  elsif wish.ends_at <= coalesce(wish.starts_at, now()) then
    perform headway_private.refuse('HW103', 'is not after the start', 'ends_at', 'Send a later time, or leave it out.');
  end if;

  job := headway_private.read_object(body -> 'job', 'job', 16777216);
  if job is null then
    perform headway_private.refuse('HW102', 'is missing', 'job', 'Send what to submit: {"kind": ..., "payload": ...}.');
  end if;
  perform headway_private.refuse_unknown_fields(
    job,
    '{kind,payload,queue,priority,unique_key,organization_id,project_id,owner_id,tags,retention_seconds,max_attempts,cost_budget,notify}',
    'job.'
  );
  read := headway_private.read_submission(job, 0, 'job');
  read := (headway_private.resolve_scopes(array[read]))[1];
  perform headway_private.refuse_against_kinds(array[read]);
  perform headway_private.check_notify(read.notify, read.owner_id, read.organization_id, 'job.notify');
  wish.job := job - '{organization_id,project_id,owner_id}'::text[];
  wish.organization_id := read.organization_id;
  wish.project_id := read.project_id;
  wish.owner_id := read.owner_id;
  wish.next_run_at := headway_private.next_tick(wish, now());
  tenant := coalesce(read.organization_id, read.owner_id, '00000000-0000-0000-0000-000000000000');

  -- One at a time per tenant, so that two first savings of a name do not collide and the limit holds.
  perform pg_advisory_xact_lock(hashtextextended('headway.put_schedule:' || tenant, 0));
  select s.* into known from headway.schedules s where s.tenant_id = tenant and s.name = wish.name for no key update;
  if known.id is null then
    if not service and (select count(*) from headway.schedules s where s.tenant_id = tenant) >= 50 then
      perform headway_private.refuse('HW202', 'there are 50 schedules already', 'name', 'Delete one that is no longer needed.');
    end if;
    insert into headway.schedules (
      name, cron, time_zone, job, missed, grace_seconds, starts_at, ends_at, next_run_at, tenant_id, owner_id,
      account_id, organization_id, project_id, created_by
    ) values (
      wish.name, wish.cron, wish.time_zone, wish.job, wish.missed, wish.grace_seconds, wish.starts_at, wish.ends_at,
      wish.next_run_at, tenant, wish.owner_id, headway_private.account_of(wish.owner_id, wish.organization_id),
      wish.organization_id, wish.project_id,
      case when not service then auth.uid() end
    )
    returning * into stored;
  else
    update headway.schedules s
    set
      cron = wish.cron, time_zone = wish.time_zone, job = wish.job, missed = wish.missed,
      grace_seconds = wish.grace_seconds, starts_at = wish.starts_at, ends_at = wish.ends_at,
      owner_id = wish.owner_id, account_id = headway_private.account_of(wish.owner_id, wish.organization_id),
      project_id = wish.project_id,
      created_by = case when not service then auth.uid() end,
      -- Saving it unchanged, as every start of a worker does, must not lose a tick that is due.
      next_run_at = case
        when s.paused_at is not null then null
        when (s.cron, s.time_zone, s.starts_at, s.ends_at)
          is not distinct from (wish.cron, wish.time_zone, wish.starts_at, wish.ends_at) then s.next_run_at
        else wish.next_run_at
      end
    where s.id = known.id
    returning * into stored;
  end if;
  if read.notify ->> 'email' is not null then
    -- Known from now on, so that a fellow editor may run what mails its author.
    perform headway_private.ensure_endpoint(
      'email', lower(read.notify ->> 'email'), tenant, stored.owner_id, stored.organization_id, null, false
    );
  end if;
  return jsonb_build_object(
    'id', stored.id, 'name', stored.name, 'created', known.id is null, 'next_run_at', stored.next_run_at,
    'paused_at', stored.paused_at
  );
end
$$;

create function headway_private.lock_schedule_for_caller(schedule_id uuid) returns headway.schedules
language plpgsql volatile set search_path = ''
as $$
declare
  schedule headway.schedules;
begin
  -- Looked at before it is locked: a stranger must not be able to hold somebody else's schedule up.
  select s.* into schedule from headway.schedules s where s.id = schedule_id;
  if headway_private.can_write_scope(schedule.owner_id, schedule.organization_id) then
    select s.* into schedule from headway.schedules s where s.id = schedule_id for no key update;
  end if;
  if schedule.id is null
    or not headway_private.can_read_scope(schedule.owner_id, schedule.organization_id)
  then
    perform headway_private.refuse('HW301', 'there is no such schedule', 'schedule_id', 'Check the id and who is signed in.');
  elsif not headway_private.can_write_scope(schedule.owner_id, schedule.organization_id) then
    perform headway_private.refuse(
      'HW302', 'you may see this schedule but not change it', 'schedule_id', 'Ask for the role editor in its organisation.'
    );
  end if;
  return schedule;
end
$$;

create function headway.pause_schedule(schedule_id uuid, reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  schedule headway.schedules := headway_private.lock_schedule_for_caller(schedule_id);
begin
  perform headway_private.read_text(to_jsonb(reason), 'reason', 500);
  update headway.schedules s
  set paused_at = clock_timestamp(), pause_reason = reason, next_run_at = null
  where s.id = schedule.id and s.paused_at is null;
  return jsonb_build_object('id', schedule.id, 'changed', found, 'next_run_at', null);
end
$$;

-- Ticks that fell into the pause are not made up for: the pause was meant.
create function headway.resume_schedule(schedule_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  schedule headway.schedules := headway_private.lock_schedule_for_caller(schedule_id);
  following timestamptz;
begin
  following := headway_private.next_tick(schedule, now());
  update headway.schedules s
  set paused_at = null, pause_reason = null, next_run_at = following
  where s.id = schedule.id and s.paused_at is not null;
  return jsonb_build_object(
    'id', schedule.id, 'changed', found, 'next_run_at', case when found then following else schedule.next_run_at end
  );
end
$$;

create function headway.delete_schedule(schedule_id uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
  schedule headway.schedules;
begin
  if not exists (select from headway.schedules s where s.id = schedule_id) then
    return false; -- deleted before: repeating is harmless
  end if;
  schedule := headway_private.lock_schedule_for_caller(schedule_id);
  delete from headway.schedules s where s.id = schedule.id;
  return true;
end
$$;

-- A run out of turn. Within the same second it is the same run, so a repeated call submits once.
create function headway.run_schedule(schedule_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  schedule headway.schedules := headway_private.lock_schedule_for_caller(schedule_id);
  run headway.schedule_runs;
begin
  run := headway_private.fire_schedule(schedule, date_trunc('second', clock_timestamp()));
  if run.outcome = 'failed' then
    perform headway_private.refuse(
      case when run.error_code like 'HW%' then run.error_code else 'HW202' end, run.error_message, 'job',
      'Correct the schedule''s job and save it again.'
    );
  end if;
  return jsonb_build_object('id', schedule.id, 'job_id', run.job_id, 'outcome', run.outcome);
end
$$;

comment on function headway.put_schedule(json) is
  'Make a schedule, or change the one of that name: {"name", "cron", "time_zone", "missed", "grace_seconds", "starts_at", "ends_at", "job"}.';
comment on function headway.pause_schedule(uuid, text) is 'No more ticks until it is resumed.';
comment on function headway.resume_schedule(uuid) is 'Ticks again, from the next one on.';
comment on function headway.delete_schedule(uuid) is 'Remove a schedule; its jobs stay. False when there was none.';
comment on function headway.run_schedule(uuid) is 'Submit a schedule''s job now.';

revoke all on function
  headway_private.lock_schedule_for_caller(uuid), headway.put_schedule(json), headway.pause_schedule(uuid, text),
  headway.resume_schedule(uuid), headway.delete_schedule(uuid), headway.run_schedule(uuid)
from public, anon, authenticated, service_role;
grant execute on function
  headway.put_schedule(json), headway.pause_schedule(uuid, text), headway.resume_schedule(uuid),
  headway.delete_schedule(uuid), headway.run_schedule(uuid)
to authenticated, service_role;
