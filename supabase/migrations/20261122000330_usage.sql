-- Money: reserve before a paid call, record after it. Budgets refuse the next call before it is made.

create function headway_private.read_cost(amount numeric, field text) returns numeric
language plpgsql immutable set search_path = ''
as $$
begin
  if amount is null or amount < 0 or amount > 1000000000 or amount = 'NaN' then
    perform headway_private.refuse('HW103', 'must be from 0 to 1000000000', field, 'Send the cost as an exact decimal.');
  elsif scale(amount) > 12 then
    perform headway_private.refuse('HW103', 'has more than 12 decimals', field, 'Round the cost to 12 decimals.');
  end if;
  return amount;
end
$$;

create function headway_private.refuse_call_words(provider text, model text, unit text, step text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if provider is null or char_length(provider) not between 1 and 100 then
    perform headway_private.refuse('HW103', 'must have 1 to 100 characters', 'provider', 'Name the provider, such as openai.');
  elsif char_length(model) > 200 then
    perform headway_private.refuse('HW103', 'must have at most 200 characters', 'model', 'Name the model.');
  elsif unit is null or char_length(unit) not between 1 and 50 then
    perform headway_private.refuse('HW103', 'must have 1 to 50 characters', 'unit', 'Name the unit, such as input_tokens.');
  elsif char_length(step) > 200 then
    perform headway_private.refuse('HW103', 'must have at most 200 characters', 'step', 'Name the step.');
  end if;
end
$$;

-- The job's row of costs, locked; made with the budget of its kind when it is missing.
create function headway_private.lock_costs(job headway.jobs) returns headway.job_costs
language plpgsql volatile set search_path = ''
as $$
declare
  costs headway.job_costs;
begin
  insert into headway.job_costs (job_id, budget)
  select job.id, k.cost_budget from headway.kinds k where k.kind = job.kind
  on conflict do nothing;
  select c.* into costs from headway.job_costs c where c.job_id = job.id for update;
  return costs;
end
$$;

-- Adds to the tenant's day. Negative amounts take a correction back.
create function headway_private.roll_up(entry headway.usage, calls integer, quantity numeric, cost numeric) returns void
language sql volatile set search_path = ''
as $$
  insert into headway.usage_daily as d (tenant_id, day, kind, provider, model, unit, calls, quantity, cost)
  values (
    (entry).tenant_id, (entry).day, (entry).kind, (entry).provider, coalesce((entry).model, ''), (entry).unit, $2, $3, $4
  )
  on conflict on constraint usage_daily_pkey do update set
    calls = d.calls + excluded.calls, quantity = d.quantity + excluded.quantity, cost = d.cost + excluded.cost
$$;

-- What a tenant has spent and reserved since a day.
create function headway_private.tenant_cost(tenant uuid, since date) returns numeric
language sql volatile set search_path = ''
as $$
  select coalesce((select sum(d.cost) from headway.usage_daily d where d.tenant_id = $1 and d.day >= $2), 0)
    + coalesce(
      (select sum(u.cost) from headway.usage u where u.tenant_id = $1 and u.day >= $2 and u.state = 'reserved'), 0
    )
$$;

create function headway_private.refuse_over_tenant_budget(tenant uuid, cost numeric) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  today constant date := (clock_timestamp() at time zone 'utc')::date;
  budget record;
  spent numeric;
begin
  if not exists (select from headway.budgets b where b.tenant_id = tenant or b.tenant_id is null) then
    return;
  end if;
  -- Two calls that fit one by one but not together: the second waits for the first one's reservation.
  perform pg_advisory_xact_lock(hashtextextended('headway budget ' || tenant, 0));
  for budget in
    select distinct on (b.period) b.period, b.amount from headway.budgets b
    where b.tenant_id = tenant or b.tenant_id is null
    order by b.period, b.tenant_id nulls last
  loop
    spent := headway_private.tenant_cost(
      tenant,
      case budget.period when 'day' then today when 'month' then date_trunc('month', today)::date else '-infinity' end
    );
    if spent + cost > budget.amount then
      perform headway_private.refuse(
        'HW502',
        format(
          'would pass the tenant''s budget: %s of %s spent in this %s, %s more asked for',
          trim_scale(spent), trim_scale(budget.amount), case budget.period when 'total' then 'account' else budget.period end,
          trim_scale(cost)
        ),
        'max_cost', 'Wait for the next ' || budget.period || ', or ask the operator for set_budget.'
      );
    end if;
  end loop;
end
$$;

create function headway_private.cost_answer(state text, costs headway.job_costs) returns jsonb
language sql immutable
return jsonb_build_object(
  'state', state, 'spent', trim_scale(costs.spent), 'reserved', trim_scale(costs.reserved),
  'budget', trim_scale(costs.budget), 'remaining', trim_scale(costs.budget - costs.spent - costs.reserved),
  'calls', costs.calls
);

create function headway.reserve_usage(
  job_id uuid, attempt integer, lease_token uuid, call_id uuid, provider text, max_cost numeric,
  model text default null, unit text default 'call', step text default null
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  cost constant numeric := headway_private.read_cost(max_cost, 'max_cost');
  moment timestamptz;
  job headway.jobs;
  costs headway.job_costs;
  entry headway.usage;
begin
  perform headway_private.refuse_call_words(provider, model, unit, step);
  if call_id is null then
    perform headway_private.refuse('HW102', 'is missing', 'call_id', 'Make a UUID per call and unit.');
  end if;
  perform headway_private.hold_lease(reserve_usage.job_id, reserve_usage.attempt, reserve_usage.lease_token);
  select j.* into job from headway.jobs j where j.id = reserve_usage.job_id;
  costs := headway_private.lock_costs(job);
  select u.* into entry from headway.usage u where u.id = call_id;
  if found then
    if entry.job_id is distinct from job.id then
      perform headway_private.refuse('HW201', 'belongs to another job', 'call_id', 'Make a UUID per call and unit.');
    end if;
    return headway_private.cost_answer('repeated', costs);
  end if;
  if costs.spent + costs.reserved + cost > costs.budget then
    perform headway_private.refuse(
      'HW501',
      format(
        'would pass the job''s budget: %s of %s spent or reserved, %s more asked for',
        trim_scale(costs.spent + costs.reserved), trim_scale(costs.budget), trim_scale(cost)
      ),
      'max_cost', 'Keep what there is, or retry with a larger cost_budget.'
    );
  end if;
  perform headway_private.refuse_over_tenant_budget(job.tenant_id, cost);

  moment := clock_timestamp();
  insert into headway.usage (
    id, job_id, kind, attempt, step, tenant_id, owner_id, organization_id, project_id, provider, model, unit, state,
    quantity, cost, day, at
  )
  values (
    call_id, job.id, job.kind, job.attempt, step, job.tenant_id, job.owner_id, job.organization_id, job.project_id,
    provider, model, unit, 'reserved', 0, cost, (moment at time zone 'utc')::date, moment
  );
  update headway.job_costs c set reserved = c.reserved + cost where c.job_id = job.id returning c.* into costs;
  return headway_private.cost_answer('reserved', costs);
end
$$;

comment on function headway.reserve_usage(uuid, integer, uuid, uuid, text, numeric, text, text, text) is
  'Before a paid call: sets its greatest possible cost aside, or refuses with HW501 (job) or HW502 (tenant).';

create function headway.record_usage(
  job_id uuid, attempt integer, lease_token uuid, call_id uuid, provider text, cost numeric,
  quantity numeric default 1, model text default null, unit text default 'call', step text default null
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  price constant numeric := headway_private.read_cost(record_usage.cost, 'cost');
  moment timestamptz;
  job headway.jobs;
  costs headway.job_costs;
  before headway.usage;
  entry headway.usage;
begin
  perform headway_private.refuse_call_words(provider, model, unit, step);
  if call_id is null then
    perform headway_private.refuse('HW102', 'is missing', 'call_id', 'Make a UUID per call and unit.');
  elsif quantity is null or not quantity between 0 and 1e15 then
    perform headway_private.refuse('HW103', 'must be from 0 to 1e15', 'quantity', 'Send how many units were used.');
  end if;
  -- The money is spent whoever owns the job now: the attempt that made the call may say so after it has ended.
  if not exists (
    select from headway.attempts a
    where a.job_id = record_usage.job_id and a.attempt = record_usage.attempt and a.lease_token = record_usage.lease_token
  ) then
    perform headway_private.hold_lease(record_usage.job_id, record_usage.attempt, record_usage.lease_token);
  end if;
  select j.* into job from headway.jobs j where j.id = record_usage.job_id for no key update;
  costs := headway_private.lock_costs(job);
  select u.* into before from headway.usage u where u.id = call_id for update;
  if found and before.job_id is distinct from job.id then
    perform headway_private.refuse('HW201', 'belongs to another job', 'call_id', 'Make a UUID per call and unit.');
  elsif before.state = 'recorded' then
    return headway_private.cost_answer('repeated', costs);
  end if;

  moment := clock_timestamp();
  insert into headway.usage as u (
    id, job_id, kind, attempt, step, tenant_id, owner_id, organization_id, project_id, provider, model, unit, state,
    quantity, cost, day, at
  )
  values (
    call_id, job.id, job.kind, record_usage.attempt, step, job.tenant_id, job.owner_id, job.organization_id,
    job.project_id, provider, model, unit, 'recorded', quantity, price, (moment at time zone 'utc')::date, moment
  )
  on conflict (id) do update set
    state = 'recorded', provider = excluded.provider, model = excluded.model, unit = excluded.unit,
    step = coalesce(excluded.step, u.step), quantity = excluded.quantity, cost = excluded.cost, at = excluded.at
  returning u.* into entry;
  if before.state = 'assumed' then
    perform headway_private.roll_up(before, -1, -before.quantity, -before.cost);
  end if;
  perform headway_private.roll_up(entry, 1, entry.quantity, entry.cost);
  update headway.job_costs c
  set spent = c.spent + price - case when before.state = 'assumed' then before.cost else 0 end,
    reserved = c.reserved - case when before.state = 'reserved' then before.cost else 0 end,
    calls = c.calls + (before.state is distinct from 'assumed')::integer
  where c.job_id = job.id
  returning c.* into costs;
  return headway_private.cost_answer('recorded', costs);
end
$$;

comment on function headway.record_usage(uuid, integer, uuid, uuid, text, numeric, numeric, text, text, text) is
  'After a paid call: its true cost, exact. Replaces the reservation of the same call_id. Safe to repeat.';

create function headway.release_usage(job_id uuid, attempt integer, lease_token uuid, call_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  job headway.jobs;
  costs headway.job_costs;
  held numeric;
begin
  perform headway_private.hold_lease(release_usage.job_id, release_usage.attempt, release_usage.lease_token);
  select j.* into job from headway.jobs j where j.id = release_usage.job_id;
  costs := headway_private.lock_costs(job);
  delete from headway.usage u
  where u.id = call_id and u.job_id = job.id and u.state = 'reserved'
  returning u.cost into held;
  if found then
    update headway.job_costs c set reserved = c.reserved - held where c.job_id = job.id returning c.* into costs;
  end if;
  return headway_private.cost_answer('released', costs);
end
$$;

comment on function headway.release_usage(uuid, integer, uuid, uuid) is
  'Takes a reservation back when the call was never made. Safe to repeat.';

-- Reservations of attempts that ended without a word: the call may have been made, so its announced cost counts.
create function headway_private.assume_reservations(jobs uuid[]) returns void
language plpgsql volatile set search_path = ''
as $$
declare
  entry headway.usage;
begin
  for entry in
    update headway.usage u set state = 'assumed'
    where u.job_id = any (jobs) and u.state = 'reserved'
    returning u.*
  loop
    perform headway_private.roll_up(entry, 1, entry.quantity, entry.cost);
    update headway.job_costs c
    set reserved = c.reserved - entry.cost, spent = c.spent + entry.cost, calls = c.calls + 1
    where c.job_id = entry.job_id;
  end loop;
end
$$;

revoke all on function
  headway_private.read_cost(numeric, text), headway_private.refuse_call_words(text, text, text, text),
  headway_private.lock_costs(headway.jobs), headway_private.roll_up(headway.usage, integer, numeric, numeric),
  headway_private.tenant_cost(uuid, date), headway_private.refuse_over_tenant_budget(uuid, numeric),
  headway_private.cost_answer(text, headway.job_costs), headway_private.assume_reservations(uuid[]),
  headway.reserve_usage(uuid, integer, uuid, uuid, text, numeric, text, text, text),
  headway.record_usage(uuid, integer, uuid, uuid, text, numeric, numeric, text, text, text),
  headway.release_usage(uuid, integer, uuid, uuid)
from public, anon, authenticated, service_role;
grant execute on function
  headway.reserve_usage(uuid, integer, uuid, uuid, text, numeric, text, text, text),
  headway.record_usage(uuid, integer, uuid, uuid, text, numeric, numeric, text, text, text),
  headway.release_usage(uuid, integer, uuid, uuid)
to service_role;
