-- Business discovery: campaigns and the leads they find. Money is numeric: exact to the call, never a float.

create table public.campaigns (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  organization_id uuid references public.organizations (id) on delete cascade,
  created_by uuid default auth.uid() references auth.users (id) on delete set null,
  job_id uuid references headway.jobs (id) on delete set null,
  name text,
  business_type text not null,
  location text not null,
  max_results integer not null default 20,
  budget numeric(14, 6) not null default 5,
  config jsonb not null default '{}',
  status text not null default 'draft',
  businesses_found integer not null default 0,
  qualified_leads integer not null default 0,
  leads_enriched integer not null default 0,
  average_confidence numeric(5, 2),
  total_cost numeric(14, 6) not null default 0,
  stopped_by_budget boolean not null default false,
  degraded text[] not null default '{}',
  export_path text,
  error_message text,
  sandbox boolean not null default false,
  started_at timestamptz,
  finished_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint campaigns_one_owner check (num_nonnulls(user_id, organization_id) = 1),
  constraint campaigns_name_length check (char_length(name) <= 200),
  constraint campaigns_business_type_length check (char_length(btrim(business_type)) between 1 and 200),
  constraint campaigns_location_length check (char_length(btrim(location)) between 1 and 500),
  constraint campaigns_max_results_range check (max_results between 1 and 500),
  constraint campaigns_budget_range check (budget >= 0 and budget <= 100000),
  constraint campaigns_config_object check (jsonb_typeof(config) = 'object' and octet_length(config::text) <= 20000),
  constraint campaigns_status_known check (
    status in ('draft', 'pending', 'processing', 'completed', 'failed', 'cancelled')
  ),
  constraint campaigns_counts_range check (
    businesses_found >= 0 and qualified_leads between 0 and businesses_found and leads_enriched between 0 and qualified_leads
  ),
  constraint campaigns_average_confidence_range check (average_confidence between 0 and 100),
  constraint campaigns_total_cost_range check (total_cost >= 0),
  constraint campaigns_degraded_list check (public.is_text_list(degraded, 20, 100)),
  constraint campaigns_export_path_length check (char_length(export_path) <= 1024),
  constraint campaigns_error_length check (char_length(error_message) <= 2000),
  constraint campaigns_times check (finished_at >= started_at)
);

create index campaigns_user_idx on public.campaigns (user_id, created_at desc) where user_id is not null;
create index campaigns_organization_idx on public.campaigns (organization_id, created_at desc) where organization_id is not null;
create index campaigns_created_by_idx on public.campaigns (created_by);
create index campaigns_job_idx on public.campaigns (job_id);
create index campaigns_created_idx on public.campaigns (created_at desc);

create table public.leads (
  id uuid primary key default gen_random_uuid(),
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  place_id text not null,
  business_name text not null,
  business_type text,
  address text,
  phone text,
  website text,
  domain text,
  rating numeric(2, 1),
  review_count integer,
  contact_name text,
  contact_title text,
  contact_email text,
  score smallint not null,
  score_reasons jsonb not null default '[]',
  qualified boolean not null default false,
  confidence numeric(5, 2),
  verification text not null default 'unverified',
  degraded text[] not null default '{}',
  cost numeric(14, 6) not null default 0,
  sandbox boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint leads_place_once unique (campaign_id, place_id),
  constraint leads_place_id_length check (char_length(place_id) between 1 and 500),
  constraint leads_business_name_length check (char_length(btrim(business_name)) between 1 and 500),
  constraint leads_business_type_length check (char_length(business_type) <= 200),
  constraint leads_address_length check (char_length(address) <= 1000),
  constraint leads_phone_length check (char_length(phone) <= 64),
  constraint leads_website_format check (public.is_web_url(website)),
  constraint leads_domain_format check (domain ~ '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$' and char_length(domain) <= 253),
  constraint leads_rating_range check (rating between 0 and 5),
  constraint leads_review_count_range check (review_count >= 0),
  constraint leads_contact_name_length check (char_length(contact_name) <= 300),
  constraint leads_contact_title_length check (char_length(contact_title) <= 300),
  constraint leads_contact_email_format check (
    contact_email ~ '^[^@[:space:]]+@[^@[:space:]]+$' and char_length(contact_email) <= 320
  ),
  constraint leads_score_range check (score between 0 and 100),
  constraint leads_score_reasons_list check (jsonb_typeof(score_reasons) = 'array'),
  constraint leads_confidence_range check (confidence between 0 and 100),
  constraint leads_verification_known check (
    verification in ('unverified', 'valid', 'invalid', 'disposable', 'catchall', 'unknown')
  ),
  constraint leads_degraded_list check (public.is_text_list(degraded, 20, 100)),
  constraint leads_cost_range check (cost >= 0)
);

create index leads_campaign_score_idx on public.leads (campaign_id, score desc);

comment on table public.campaigns is 'One search for businesses: what was asked, how far it came, what it cost.';
comment on table public.leads is 'Businesses a campaign found, with score, contact and the cost of finding them.';
comment on column public.campaigns.export_path is
  'The table of leads in bucket exports; null once it is removed with its job.';
comment on column public.leads.degraded is 'Fields that stayed empty because a provider was down.';

create trigger campaigns_set_owner
  before insert on public.campaigns for each row execute function public.set_default_owner();
create trigger campaigns_set_updated_at
  before update on public.campaigns for each row execute function public.set_updated_at();
create trigger leads_set_updated_at
  before update on public.leads for each row execute function public.set_updated_at();

-- Row level security ------------------------------------------------------------------------------------

alter table public.campaigns enable row level security;
alter table public.leads enable row level security;

create policy "owners and members see campaigns" on public.campaigns
  for select to authenticated
  using (
    user_id = (select auth.uid())
    or organization_id = any ((select public.member_org_ids())::uuid[])
  );
create policy "owners and writers add campaigns" on public.campaigns
  for insert to authenticated
  with check (
    created_by = (select auth.uid())
    and (
      user_id = (select auth.uid())
      or organization_id = any ((select public.writer_org_ids())::uuid[])
    )
  );
create policy "owners and writers change campaigns" on public.campaigns
  for update to authenticated
  using (
    user_id = (select auth.uid())
    or organization_id = any ((select public.writer_org_ids())::uuid[])
  )
  with check (
    user_id = (select auth.uid())
    or organization_id = any ((select public.writer_org_ids())::uuid[])
  );
create policy "owners and writers delete campaigns" on public.campaigns
  for delete to authenticated
  using (
    user_id = (select auth.uid())
    or organization_id = any ((select public.writer_org_ids())::uuid[])
  );
create policy "campaign readers see leads" on public.leads
  for select to authenticated using (campaign_id in (select c.id from public.campaigns c));

revoke all on table public.campaigns, public.leads from public, anon, authenticated, service_role;
grant select, delete on table public.campaigns to authenticated;
grant insert (id, user_id, organization_id, name, business_type, location, max_results, budget, config)
  on table public.campaigns to authenticated;
grant update (name) on table public.campaigns to authenticated;
grant select on table public.leads to authenticated;
grant select, insert, update, delete on table public.campaigns, public.leads to service_role;

-- For service staff: every campaign with what it brought.
create view public.campaign_overview with (security_invoker = true) as
select
  c.id,
  c.name,
  c.business_type,
  c.location,
  c.user_id,
  c.organization_id,
  o.name as organization_name,
  c.job_id,
  c.status,
  c.businesses_found,
  c.qualified_leads,
  c.leads_enriched,
  c.average_confidence,
  c.budget,
  c.total_cost,
  round(c.total_cost / nullif(c.leads_enriched, 0), 6) as cost_per_lead,
  c.stopped_by_budget,
  c.degraded,
  c.error_message,
  c.sandbox,
  c.created_at,
  c.started_at,
  c.finished_at,
  c.finished_at - c.started_at as duration
from public.campaigns c
left join public.organizations o on o.id = c.organization_id;

comment on view public.campaign_overview is
  'Campaigns with cost per lead and duration; service staff see all of them, everybody else their own.';

revoke all on table public.campaign_overview from public, anon, authenticated, service_role;
grant select on table public.campaign_overview to authenticated, service_role;
