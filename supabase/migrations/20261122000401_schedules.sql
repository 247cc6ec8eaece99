-- Schedules: jobs submitted by the clock. Any worker ticks; the schedule's row lock and the record of each run keep a
-- tick from firing twice whoever ticks and however often.

create table headway.schedules (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  cron text not null,
  time_zone text not null default 'UTC',
  job jsonb not null,
  kind text not null generated always as (job ->> 'kind') stored,
  missed text not null default 'one',
  grace_seconds integer not null default 300,
  starts_at timestamptz,
  ends_at timestamptz,
  paused_at timestamptz,
  pause_reason text,
  next_run_at timestamptz,
  last_run_at timestamptz,
  last_job_id uuid,
  last_error_code text,
  last_error_message text,
  tenant_id uuid not null,
  owner_id uuid,
  -- The owner's account where this project keeps it (third-party Auth does not): it takes its schedules along.
  account_id uuid references auth.users (id) on delete cascade,
  organization_id uuid references public.organizations (id) on delete cascade,
  project_id uuid references public.projects (id) on delete cascade,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint schedules_name_once unique (tenant_id, name),
  constraint schedules_name_length check (char_length(name) between 1 and 200),
  constraint schedules_cron_length check (char_length(cron) between 1 and 256),
  constraint schedules_time_zone_length check (char_length(time_zone) between 1 and 64),
  constraint schedules_job_object check (jsonb_typeof(job) = 'object' and job ? 'kind'),
  constraint schedules_missed_known check (missed in ('skip', 'one', 'all')),
  constraint schedules_grace_range check (grace_seconds between 0 and 86400),
  constraint schedules_span check (ends_at > starts_at),
  constraint schedules_paused check (paused_at is null or next_run_at is null),
  constraint schedules_pause_reason check (
    (pause_reason is null or paused_at is not null) and char_length(pause_reason) <= 500
  ),
  constraint schedules_error check ((last_error_code is null) = (last_error_message is null))
);

create index schedules_due_idx on headway.schedules (next_run_at) where next_run_at is not null;
create index schedules_owner_idx on headway.schedules (owner_id) where owner_id is not null;
create index schedules_account_idx on headway.schedules (account_id) where account_id is not null;
create index schedules_organization_idx on headway.schedules (organization_id) where organization_id is not null;
create index schedules_project_idx on headway.schedules (project_id) where project_id is not null;

-- job_id is no foreign key: the record of a run outlives the job's retention.
create table headway.schedule_runs (
  schedule_id uuid not null references headway.schedules (id) on delete cascade,
  scheduled_for timestamptz not null,
  outcome text not null,
  job_id uuid,
  error_code text,
  error_message text,
  at timestamptz not null,
  primary key (schedule_id, scheduled_for),
  constraint schedule_runs_outcome_known check (outcome in ('submitted', 'merged', 'skipped', 'failed')),
  constraint schedule_runs_job check ((outcome in ('submitted', 'merged')) = (job_id is not null)),
  constraint schedule_runs_error check ((outcome = 'failed') = (error_code is not null))
);

comment on table headway.schedules is 'Jobs that the clock submits. Written by put_schedule and its like.';
comment on column headway.schedules.job is 'What is submitted at each tick: the body of submit.';
comment on column headway.schedules.missed is
  'What happens to ticks that nobody was there for. skip: only a tick within grace_seconds still counts; one: the latest of them; all: each.';
comment on column headway.schedules.created_by is 'Whose rights a tick has; null for service staff.';
comment on table headway.schedule_runs is 'What became of each tick; kept for 30 days.';

create trigger schedules_set_updated_at
  before update on headway.schedules for each row execute function public.set_updated_at();

alter table headway.schedules enable row level security;
alter table headway.schedule_runs enable row level security;

create policy "owners and members see schedules" on headway.schedules
  for select to authenticated
  using (
    case
      when organization_id is not null then organization_id = any ((select public.member_org_ids())::uuid[])
      else owner_id = (select auth.uid())
    end
  );
create policy "schedule readers see runs" on headway.schedule_runs
  for select to authenticated using (schedule_id in (select s.id from headway.schedules s));

revoke all on table headway.schedules, headway.schedule_runs from public, anon, authenticated, service_role;
grant select on table headway.schedules, headway.schedule_runs to authenticated, service_role;

-- The account that something personal goes with; what is an organisation's stays when a member goes.
create function headway_private.account_of(owner_id uuid, organization_id uuid) returns uuid
language sql stable set search_path = ''
as $$
  select u.id from auth.users u where u.id = $1 and $2 is null
$$;
revoke all on function headway_private.account_of(uuid, uuid) from public, anon, authenticated, service_role;

-- Ticking -----------------------------------------------------------------------------------------------

-- The latest tick up to `until`, given one that is known to be due. Halving finds it in a few steps, however
-- many ticks lie between.
create function headway_private.latest_tick(cron text, time_zone text, due timestamptz, until timestamptz)
returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  earlier timestamptz := due;
  later timestamptz := until;
  middle timestamptz;
  tick timestamptz;
begin
  tick := headway.cron_next(cron, time_zone, due);
  if tick > until then
    return due; -- the usual case: nothing was missed
  end if;
  earlier := tick;
  while later - earlier > interval '1 minute' loop
    middle := earlier + (later - earlier) / 2;
    tick := headway.cron_next(cron, time_zone, middle);
    if tick <= until then
      earlier := tick;
    else
      later := middle;
    end if;
  end loop;
  tick := headway.cron_next(cron, time_zone, earlier);
  return case when tick <= until then tick else earlier end;
end
$$;

-- The first tick after a moment that the schedule's span allows, or null.
create function headway_private.next_tick(schedule headway.schedules, after timestamptz) returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  tick timestamptz;
begin
  tick := headway.cron_next(
    schedule.cron, schedule.time_zone, greatest(after, schedule.starts_at - interval '1 second')
  );
  return case when schedule.ends_at is null or tick <= schedule.ends_at then tick end;
end
$$;

-- Whether the person who made a schedule may still do by hand what it does.
create function headway_private.refuse_revoked_schedule(schedule headway.schedules) returns void
language plpgsql stable set search_path = ''
as $$
begin
  if schedule.created_by is null then
    return;
  end if;
  if schedule.organization_id is not null and not exists (
    select from public.organization_members m
    where m.organization_id = schedule.organization_id
      and m.user_id = schedule.created_by
      and m.role in ('owner', 'admin', 'editor')
  ) then
    perform headway_private.refuse(
      'HW302', 'its author may no longer submit jobs for this organisation', 'organization_id',
      'Somebody with the role editor saves it again.'
    );
  end if;
  if not exists (select from headway.kinds k where k.kind = schedule.kind and k.submitters = 'users') then
    perform headway_private.refuse(
      'HW107', format('unknown kind %s', quote_ident(schedule.kind)), 'kind', headway_private.nearest_kinds(schedule.kind)
    );
  end if;
end
$$;

-- One tick: the job, and what became of it; the caller holds the schedule's row lock. A refused submission is recorded
-- and never stops other schedules; what may succeed when repeated (deadlock, lock timeout) is passed on, and the tick
-- stays due.
create function headway_private.fire_schedule(schedule headway.schedules, tick timestamptz)
returns headway.schedule_runs
language plpgsql volatile set search_path = ''
as $$
declare
  run headway.schedule_runs;
  answer jsonb;
begin
  select r.* into run
  from headway.schedule_runs r
  where r.schedule_id = schedule.id and r.scheduled_for = tick and r.outcome in ('submitted', 'merged');
  if found then
    return run;
  end if;
  run.schedule_id := schedule.id;
  run.scheduled_for := tick;
  run.at := clock_timestamp();
  begin
    perform headway_private.refuse_revoked_schedule(schedule);
    answer := headway.submit((
      schedule.job
        -- Nobody can know it beforehand and take it.
        || jsonb_build_object('id', gen_random_uuid())
        || jsonb_strip_nulls(jsonb_build_object(
          -- What a fellow editor runs for an organisation is theirs.
          'owner_id', case
            when schedule.organization_id is null or headway_private.is_service() then schedule.owner_id
          end,
          'organization_id', schedule.organization_id, 'project_id', schedule.project_id
        ))
    )::json)::jsonb;
    run.job_id := (answer ->> 'id')::uuid;
    run.outcome := case when coalesce(answer ->> 'merged', 'id') = 'id' then 'submitted' else 'merged' end;
  exception
    when serialization_failure or deadlock_detected or lock_not_available then
      raise;
    when others then
      run.outcome := 'failed';
      run.error_code := sqlstate;
      run.error_message := left(sqlerrm, 1000);
  end;
  -- A tick that was skipped or failed, and is run after all.
  insert into headway.schedule_runs as r select (run).*
  on conflict (schedule_id, scheduled_for) do update
  set outcome = excluded.outcome, job_id = excluded.job_id, error_code = excluded.error_code,
    error_message = excluded.error_message, at = excluded.at;
  return run;
end
$$;

create function headway_private.tick_schedules(max_schedules integer, until timestamptz) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  schedule headway.schedules;
  tick timestamptz;
  following timestamptz;
  run headway.schedule_runs;
  submitted integer := 0;
  skipped integer := 0;
  failed integer := 0;
  fired integer;
begin
  for schedule in
    select s.*
    from headway.schedules s
    where s.next_run_at <= until
    order by s.next_run_at
    limit max_schedules
    for no key update skip locked
  loop
    tick := schedule.next_run_at;
    fired := 0;
    if schedule.missed <> 'all' then
      tick := headway_private.latest_tick(schedule.cron, schedule.time_zone, tick, least(until, coalesce(schedule.ends_at, until)));
    end if;
    loop
      if schedule.missed = 'skip' and until - tick > make_interval(secs => schedule.grace_seconds) then
        run := null;
        insert into headway.schedule_runs (schedule_id, scheduled_for, outcome, at)
        values (schedule.id, tick, 'skipped', clock_timestamp())
        on conflict (schedule_id, scheduled_for) do nothing;
        skipped := skipped + 1;
      else
        run := headway_private.fire_schedule(schedule, tick);
        submitted := submitted + (run.outcome <> 'failed')::integer;
        failed := failed + (run.outcome = 'failed')::integer;
      end if;
      fired := fired + 1;
      following := headway_private.next_tick(schedule, tick);
      -- A long list of missed ticks is worked off over several calls, each well inside the statement limit.
      exit when following is null or following > until or fired >= 100 or submitted + skipped + failed >= 500;
      tick := following;
    end loop;
    update headway.schedules s
    set
      next_run_at = following,
      last_run_at = case when run.outcome in ('submitted', 'merged') then tick else s.last_run_at end,
      last_job_id = coalesce(run.job_id, s.last_job_id),
      last_error_code = run.error_code,
      last_error_message = run.error_message
    where s.id = schedule.id;
    if run.error_code = 'HW302' then
      update headway.schedules s
      set paused_at = clock_timestamp(), next_run_at = null, pause_reason = run.error_message
      where s.id = schedule.id;
    end if;
    delete from headway.schedule_runs r
    where r.schedule_id = schedule.id and r.scheduled_for < until - interval '30 days';
    exit when submitted + skipped + failed >= 500;
  end loop;
  return jsonb_build_object(
    'submitted', submitted, 'skipped', skipped, 'failed', failed,
    'next_run_at', (select min(s.next_run_at) from headway.schedules s),
    -- For workers whose clocks are wrong.
    'next_in_seconds', (
      select greatest(0, extract(epoch from s.next_run_at - until))
      from headway.schedules s
      where s.next_run_at is not null
      order by s.next_run_at
      limit 1
    )
  );
end
$$;

create function headway.tick_schedules(max_schedules integer default 100) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
begin
  if max_schedules is null or max_schedules not between 1 and 1000 then
    perform headway_private.refuse('HW103', 'must be from 1 to 1000', 'max_schedules', 'Leave it out for 100.');
  end if;
  return headway_private.tick_schedules(max_schedules, clock_timestamp());
end
$$;

comment on function headway.tick_schedules(integer) is
  'Submit what is due: any worker, as often as it likes; says when to come again.';

revoke all on function
  headway_private.latest_tick(text, text, timestamptz, timestamptz),
  headway_private.next_tick(headway.schedules, timestamptz),
  headway_private.refuse_revoked_schedule(headway.schedules),
  headway_private.fire_schedule(headway.schedules, timestamptz),
  headway_private.tick_schedules(integer, timestamptz), headway.tick_schedules(integer)
from public, anon, authenticated, service_role;
grant execute on function headway.tick_schedules(integer) to service_role;
