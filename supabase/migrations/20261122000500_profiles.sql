-- Profiles: what a CV and an interview say about a person. A profile's id is its owner's user id.
--
-- Workers write with the service role; people see and change their own. Arrays and objects are checked here, so
-- that a model's malformed answer cannot be stored whatever the worker does.

-- 2022, 2022-01 or 2022-01-15: a date as precise as its source, never more. Text sorts like the dates do.
create function public.is_partial_date(value text) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
  select case
    when value !~ '^[12][0-9]{3}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$' then false
    when char_length(value) < 10 then true
    else substr(value, 9, 2)::integer <= case substr(value, 6, 2)::integer
      when 2 then case
        when substr(value, 1, 4)::integer % 400 = 0 then 29
        when substr(value, 1, 4)::integer % 100 = 0 then 28
        when substr(value, 1, 4)::integer % 4 = 0 then 29
        else 28
      end
      when 4 then 30
      when 6 then 30
      when 9 then 30
      when 11 then 30
      else 31
    end
  end
$$;

-- No null, no empty text, nothing absurdly long, and not too many of them.
create function public.is_text_list(list text[], max_items integer, max_length integer) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
  select cardinality(list) <= max_items
    and coalesce(array_ndims(list), 1) = 1
    and not exists (
      select from unnest(list) as item
      where item is null or char_length(btrim(item)) not between 1 and max_length
    )
$$;

create function public.is_web_url(value text) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
  select value ~* '^https?://[^[:space:]/?#@]+([/?#][^[:space:]]*)?$' and char_length(value) <= 2000
$$;

revoke all on function
  public.is_partial_date(text), public.is_text_list(text[], integer, integer), public.is_web_url(text)
from public, anon, authenticated, service_role;
-- CHECK constraints run them as whoever writes the row.
grant execute on function
  public.is_partial_date(text), public.is_text_list(text[], integer, integer), public.is_web_url(text)
to authenticated, service_role;

-- Tables ------------------------------------------------------------------------------------------------

create table public.profiles (
  id uuid primary key default auth.uid() references auth.users (id) on delete cascade,
  first_name text,
  last_name text,
  email text,
  professional_headline text,
  bio text,
  location text,
  phone text,
  linkedin_url text,
  website text,
  avatar_url text,
  skills text[] not null default '{}',
  languages jsonb not null default '[]',
  sectors text[] not null default '{}',
  has_board_experience boolean not null default false,
  current_board_roles text[] not null default '{}',
  availability_status text,
  available_from text,
  remote_work_preference text,
  compensation_expectation_min numeric(14, 2),
  compensation_expectation_max numeric(14, 2),
  compensation_currency text,
  profile_completeness smallint not null default 0,
  onboarding_completed boolean not null default false,
  data_sources jsonb not null default '{}',
  sandbox boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint profiles_first_name_length check (char_length(first_name) <= 200),
  constraint profiles_last_name_length check (char_length(last_name) <= 200),
  constraint profiles_email_format check (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' and char_length(email) <= 320),
  constraint profiles_professional_headline_length check (char_length(professional_headline) <= 500),
  constraint profiles_bio_length check (char_length(bio) <= 20000),
  constraint profiles_location_length check (char_length(location) <= 500),
  constraint profiles_phone_length check (char_length(phone) <= 64),
  constraint profiles_linkedin_url_format check (public.is_web_url(linkedin_url)),
  constraint profiles_website_format check (public.is_web_url(website)),
  constraint profiles_avatar_url_format check (public.is_web_url(avatar_url)),
  constraint profiles_skills_list check (public.is_text_list(skills, 500, 200)),
  constraint profiles_languages_list check (
    jsonb_typeof(languages) = 'array'
    and jsonb_array_length(languages) <= 100
    and not jsonb_path_exists(languages, 'strict $[*] ? (@.type() != "object")')
    and not jsonb_path_exists(languages, '$[*] ? (
      !exists(@.language) || @.language.type() != "string" || @.language == ""
    )')
  ),
  constraint profiles_sectors_list check (public.is_text_list(sectors, 200, 200)),
  constraint profiles_current_board_roles_list check (public.is_text_list(current_board_roles, 200, 500)),
  constraint profiles_availability_status_known check (
    availability_status in ('available', 'notice_period', 'open_to_offers', 'not_available')
  ),
  constraint profiles_available_from_partial_date check (public.is_partial_date(available_from)),
  constraint profiles_remote_work_preference_known check (
    remote_work_preference in ('remote', 'hybrid', 'onsite', 'flexible')
  ),
  constraint profiles_compensation_range check (
    compensation_expectation_min >= 0
    and compensation_expectation_max >= coalesce(compensation_expectation_min, 0)
  ),
  constraint profiles_compensation_currency_format check (compensation_currency ~ '^[A-Z]{3}$'),
  constraint profiles_completeness_range check (profile_completeness between 0 and 100),
  constraint profiles_data_sources_known check (
    jsonb_typeof(data_sources) = 'object'
    and not jsonb_path_exists(data_sources, 'strict $.* ? (
      @.type() != "string" || !(@ == "cv" || @ == "interview" || @ == "linkedin" || @ == "manual")
    )')
  )
);

create table public.work_experience (
  id uuid primary key default gen_random_uuid(),
  profile_id uuid not null default auth.uid() references public.profiles (id) on delete cascade,
  company text,
  title text,
  start_date text,
  end_date text,
  is_current boolean not null default false,
  description text,
  key_achievements text[] not null default '{}',
  company_size text,
  location text,
  source text not null default 'manual',
  position integer not null default 0,
  -- What makes two entries the same role: applying a CV twice finds the rows of the first time.
  merge_key text not null generated always as (
    md5(lower(btrim(coalesce(company, ''))) || '|' || lower(btrim(coalesce(title, ''))) || '|' || coalesce(start_date, ''))
  ) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint work_experience_merge_key unique (profile_id, merge_key),
  constraint work_experience_named check (coalesce(btrim(company), '') <> '' or coalesce(btrim(title), '') <> ''),
  constraint work_experience_company_length check (char_length(company) <= 500),
  constraint work_experience_title_length check (char_length(title) <= 500),
  constraint work_experience_start_date_partial_date check (public.is_partial_date(start_date)),
  constraint work_experience_end_date_partial_date check (public.is_partial_date(end_date)),
  constraint work_experience_description_length check (char_length(description) <= 20000),
  constraint work_experience_key_achievements_list check (public.is_text_list(key_achievements, 100, 4000)),
  constraint work_experience_company_size_length check (char_length(company_size) <= 200),
  constraint work_experience_location_length check (char_length(location) <= 500),
  constraint work_experience_source_known check (source in ('cv', 'interview', 'linkedin', 'manual')),
  constraint work_experience_position_range check (position >= 0)
);

create table public.board_experience (
  id uuid primary key default gen_random_uuid(),
  profile_id uuid not null default auth.uid() references public.profiles (id) on delete cascade,
  organization text,
  role text,
  sector text,
  start_date text,
  end_date text,
  is_current boolean not null default false,
  organization_size text,
  key_contributions text,
  compensation_disclosed boolean not null default false,
  annual_fee numeric(14, 2),
  source text not null default 'manual',
  position integer not null default 0,
  merge_key text not null generated always as (
    md5(lower(btrim(coalesce(organization, ''))) || '|' || lower(btrim(coalesce(role, ''))) || '|' || coalesce(start_date, ''))
  ) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint board_experience_merge_key unique (profile_id, merge_key),
  constraint board_experience_named check (coalesce(btrim(organization), '') <> '' or coalesce(btrim(role), '') <> ''),
  constraint board_experience_organization_length check (char_length(organization) <= 500),
  constraint board_experience_role_length check (char_length(role) <= 500),
  constraint board_experience_sector_length check (char_length(sector) <= 200),
  constraint board_experience_start_date_partial_date check (public.is_partial_date(start_date)),
  constraint board_experience_end_date_partial_date check (public.is_partial_date(end_date)),
  constraint board_experience_organization_size_length check (char_length(organization_size) <= 200),
  constraint board_experience_key_contributions_length check (char_length(key_contributions) <= 20000),
  constraint board_experience_annual_fee_range check (annual_fee >= 0),
  constraint board_experience_source_known check (source in ('cv', 'interview', 'linkedin', 'manual')),
  constraint board_experience_position_range check (position >= 0)
);

create table public.education (
  id uuid primary key default gen_random_uuid(),
  profile_id uuid not null default auth.uid() references public.profiles (id) on delete cascade,
  institution text,
  degree text,
  field_of_study text,
  graduation_year smallint,
  gpa text,
  honors text[] not null default '{}',
  description text,
  source text not null default 'manual',
  position integer not null default 0,
  merge_key text not null generated always as (
    md5(lower(btrim(coalesce(institution, ''))) || '|' || lower(btrim(coalesce(degree, ''))) || '|'
      || lower(btrim(coalesce(field_of_study, ''))) || '|' || coalesce(graduation_year::text, ''))
  ) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint education_merge_key unique (profile_id, merge_key),
  constraint education_named check (coalesce(btrim(institution), '') <> '' or coalesce(btrim(degree), '') <> ''),
  constraint education_institution_length check (char_length(institution) <= 500),
  constraint education_degree_length check (char_length(degree) <= 500),
  constraint education_field_of_study_length check (char_length(field_of_study) <= 500),
  constraint education_graduation_year_range check (graduation_year between 1900 and 2100),
  constraint education_gpa_length check (char_length(gpa) <= 64),
  constraint education_honors_list check (public.is_text_list(honors, 100, 500)),
  constraint education_description_length check (char_length(description) <= 20000),
  constraint education_source_known check (source in ('cv', 'interview', 'linkedin', 'manual')),
  constraint education_position_range check (position >= 0)
);

comment on table public.profiles is 'One person''s profile; id is the owner''s user id.';
comment on column public.profiles.languages is 'A list of {"language": "...", "level": "..."}.';
comment on column public.profiles.data_sources is 'Which source set a field: {"bio": "cv", "phone": "interview"}.';
comment on column public.profiles.sandbox is 'Whether the content came from the sandbox instead of a real provider.';
comment on table public.work_experience is 'Jobs held; dates as precise as their source gave them.';
comment on table public.board_experience is 'Board and advisory roles.';
comment on table public.education is 'Degrees and courses.';

create trigger profiles_set_updated_at
  before update on public.profiles for each row execute function public.set_updated_at();
create trigger work_experience_set_updated_at
  before update on public.work_experience for each row execute function public.set_updated_at();
create trigger board_experience_set_updated_at
  before update on public.board_experience for each row execute function public.set_updated_at();
create trigger education_set_updated_at
  before update on public.education for each row execute function public.set_updated_at();

-- Row level security: everybody their own ----------------------------------------------------------------

alter table public.profiles enable row level security;
alter table public.work_experience enable row level security;
alter table public.board_experience enable row level security;
alter table public.education enable row level security;

create policy "owners see their profile" on public.profiles
  for select to authenticated using (id = (select auth.uid()));
create policy "owners create their profile" on public.profiles
  for insert to authenticated with check (id = (select auth.uid()));
create policy "owners change their profile" on public.profiles
  for update to authenticated using (id = (select auth.uid())) with check (id = (select auth.uid()));
create policy "owners delete their profile" on public.profiles
  for delete to authenticated using (id = (select auth.uid()));

create policy "owners see their work experience" on public.work_experience
  for select to authenticated using (profile_id = (select auth.uid()));
create policy "owners add work experience" on public.work_experience
  for insert to authenticated with check (profile_id = (select auth.uid()));
create policy "owners change their work experience" on public.work_experience
  for update to authenticated
  using (profile_id = (select auth.uid())) with check (profile_id = (select auth.uid()));
create policy "owners delete their work experience" on public.work_experience
  for delete to authenticated using (profile_id = (select auth.uid()));

create policy "owners see their board experience" on public.board_experience
  for select to authenticated using (profile_id = (select auth.uid()));
create policy "owners add board experience" on public.board_experience
  for insert to authenticated with check (profile_id = (select auth.uid()));
create policy "owners change their board experience" on public.board_experience
  for update to authenticated
  using (profile_id = (select auth.uid())) with check (profile_id = (select auth.uid()));
create policy "owners delete their board experience" on public.board_experience
  for delete to authenticated using (profile_id = (select auth.uid()));

create policy "owners see their education" on public.education
  for select to authenticated using (profile_id = (select auth.uid()));
create policy "owners add education" on public.education
  for insert to authenticated with check (profile_id = (select auth.uid()));
create policy "owners change their education" on public.education
  for update to authenticated
  using (profile_id = (select auth.uid())) with check (profile_id = (select auth.uid()));
create policy "owners delete their education" on public.education
  for delete to authenticated using (profile_id = (select auth.uid()));

revoke all on table public.profiles, public.work_experience, public.board_experience, public.education
from public, anon, authenticated, service_role;
grant select, insert, update, delete
  on table public.profiles, public.work_experience, public.board_experience, public.education
  to authenticated, service_role;
