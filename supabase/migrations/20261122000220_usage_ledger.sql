-- What paid calls cost: the ledger, its roll-ups, the budgets that refuse the next call, and learnt durations.

create table headway.usage (
  id uuid primary key,
  job_id uuid,
  kind text not null,
  attempt integer not null,
  step text,
  tenant_id uuid not null,
  owner_id uuid,
  organization_id uuid references public.organizations (id) on delete set null,
  project_id uuid references public.projects (id) on delete set null,
  provider text not null,
  model text,
  unit text not null,
  state text not null,
  quantity numeric not null default 0,
  cost numeric(24, 12) not null,
  day date not null,
  at timestamptz not null,
  constraint usage_state_known check (state in ('reserved', 'recorded', 'assumed')),
  constraint usage_quantity_range check (quantity >= 0 and quantity < 1e18),
  constraint usage_cost_range check (cost >= 0),
  constraint usage_text_lengths check (
    char_length(provider) between 1 and 100 and char_length(model) <= 200
    and char_length(unit) between 1 and 50 and char_length(step) <= 200
  )
);

create index usage_job_idx on headway.usage (job_id);
create index usage_tenant_idx on headway.usage (tenant_id, day);
create index usage_day_idx on headway.usage (day);
create index usage_owner_idx on headway.usage (owner_id, at desc) where owner_id is not null;
create index usage_organization_idx on headway.usage (organization_id, at desc) where organization_id is not null;
create index usage_project_idx on headway.usage (project_id, at desc) where project_id is not null;
create index usage_reserved_idx on headway.usage (tenant_id, day) where state = 'reserved';

comment on table headway.usage is
  'One row per paid call, in exact decimals. It outlives its job, which therefore is no foreign key.';
comment on column headway.usage.state is
  'reserved: announced before the call; recorded: its true cost; assumed: the attempt ended without telling, the announced cost counts.';

create table headway.usage_daily (
  tenant_id uuid not null,
  day date not null,
  kind text not null,
  provider text not null,
  model text not null default '',
  unit text not null,
  calls bigint not null,
  quantity numeric not null,
  cost numeric(24, 12) not null,
  primary key (tenant_id, day, kind, provider, model, unit)
) with (fillfactor = 50);

comment on table headway.usage_daily is 'The ledger by tenant, day, kind, provider, model and unit.';

create table headway.job_costs (
  job_id uuid primary key references headway.jobs (id) on delete cascade,
  budget numeric(24, 12),
  spent numeric(24, 12) not null default 0,
  reserved numeric(24, 12) not null default 0,
  calls integer not null default 0,
  constraint job_costs_range check (budget >= 0 and spent >= 0 and reserved >= 0 and calls >= 0)
) with (fillfactor = 50);

comment on table headway.job_costs is 'What each job may spend and has spent.';

create table headway.budgets (
  tenant_id uuid,
  period text not null,
  amount numeric(24, 12) not null,
  updated_at timestamptz not null default now(),
  constraint budgets_once unique nulls not distinct (tenant_id, period),
  constraint budgets_period_known check (period in ('day', 'month', 'total')),
  constraint budgets_amount_range check (amount >= 0)
);

comment on table headway.budgets is
  'What a tenant may spend per day, month (UTC) or in total; the row without tenant is every other tenant''s.';

create table headway.durations (
  kind text not null,
  stage text not null default '',
  runs bigint not null,
  seconds double precision not null,
  deviation double precision not null,
  updated_at timestamptz not null,
  primary key (kind, stage)
);

comment on table headway.durations is
  'How long jobs of a kind take, and each stage of them, as a moving average; the stage '''' is the whole job.';

create table headway_private.learning (
  topic text primary key,
  learnt_until timestamptz not null
);

alter table headway.usage enable row level security;
alter table headway.usage_daily enable row level security;
alter table headway.job_costs enable row level security;
alter table headway.budgets enable row level security;
alter table headway.durations enable row level security;
alter table headway_private.learning enable row level security;

revoke all on table
  headway.usage, headway.usage_daily, headway.job_costs, headway.budgets, headway.durations, headway_private.learning
from public, anon, authenticated, service_role;
grant select on table headway.usage, headway.job_costs, headway.durations to authenticated, service_role;
grant select on table headway.usage_daily, headway.budgets to service_role;
