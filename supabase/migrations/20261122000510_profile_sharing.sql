-- Showing a profile to somebody without an account: links that expire, can be revoked, and are counted.
--
-- Only the SHA-256 of a link's token is stored: who reads the table cannot use the links.

create table public.profile_share_links (
  id uuid primary key default gen_random_uuid(),
  profile_id uuid not null references public.profiles (id) on delete cascade,
  token_hash text not null unique,
  label text,
  show_contact boolean not null default false,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  view_count bigint not null default 0,
  last_viewed_at timestamptz,
  created_at timestamptz not null default now(),
  constraint profile_share_links_token_hash_format check (token_hash ~ '^[0-9a-f]{64}$'),
  constraint profile_share_links_label_length check (char_length(label) <= 200),
  constraint profile_share_links_expiry check (expires_at > created_at),
  constraint profile_share_links_view_count_range check (view_count >= 0)
);

create index profile_share_links_profile_idx on public.profile_share_links (profile_id, created_at desc);

-- One row per link and day, so that a crawler with a link cannot fill the disk.
create table public.profile_views (
  share_link_id uuid not null references public.profile_share_links (id) on delete cascade,
  day date not null,
  profile_id uuid not null references public.profiles (id) on delete cascade,
  views bigint not null default 1,
  primary key (share_link_id, day),
  constraint profile_views_views_range check (views > 0)
);

create index profile_views_profile_idx on public.profile_views (profile_id, day desc);

comment on table public.profile_share_links is 'Links that show a profile without an account; the token itself is never stored.';
comment on table public.profile_views is 'How often a profile was seen through each link, by day (UTC).';

alter table public.profile_share_links enable row level security;
alter table public.profile_views enable row level security;

create policy "owners see their links" on public.profile_share_links
  for select to authenticated using (profile_id = (select auth.uid()));
create policy "owners relabel their links" on public.profile_share_links
  for update to authenticated
  using (profile_id = (select auth.uid())) with check (profile_id = (select auth.uid()));
create policy "owners delete their links" on public.profile_share_links
  for delete to authenticated using (profile_id = (select auth.uid()));
create policy "owners see their views" on public.profile_views
  for select to authenticated using (profile_id = (select auth.uid()));

revoke all on table public.profile_share_links, public.profile_views from public, anon, authenticated, service_role;
grant select (
  id, profile_id, label, show_contact, expires_at, revoked_at, view_count, last_viewed_at, created_at
) on table public.profile_share_links to authenticated;
grant update (label) on table public.profile_share_links to authenticated;
grant delete on table public.profile_share_links to authenticated;
grant select on table public.profile_views to authenticated;
grant select, insert, update, delete on table public.profile_share_links, public.profile_views to service_role;

-- Functions ---------------------------------------------------------------------------------------------

create function public.create_profile_share_link(
  expires_in_seconds integer default 604800,
  label text default null,
  show_contact boolean default false
) returns table (id uuid, token text, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
declare
  owner uuid := auth.uid();
  -- 244 bits from the server's strong random source
  secret text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
begin
  if expires_in_seconds is null or expires_in_seconds not between 60 and 31536000 then
    perform headway_private.refuse('HW103', format('%L is not between 60 and 31536000', expires_in_seconds),
      'expires_in_seconds', 'A link lives at least a minute and at most a year.');
  end if;
  -- The lock makes parallel calls count each other's links.
  perform from public.profiles p where p.id = owner for no key update;
  if not found then
    perform headway_private.refuse('HW301', 'there is no profile to share', 'profile', 'Create your profile first.');
  end if;
  if (
    select count(*) from public.profile_share_links l
    where l.profile_id = owner and l.revoked_at is null and l.expires_at > now()
  ) >= 100 then
    perform headway_private.refuse('HW202', 'there are 100 active links already', 'profile',
      'Revoke links that are no longer needed.');
  end if;
  return query
  insert into public.profile_share_links as l (profile_id, token_hash, label, show_contact, expires_at)
  values (
    owner, encode(sha256(convert_to(secret, 'UTF8')), 'hex'), create_profile_share_link.label,
    coalesce(create_profile_share_link.show_contact, false), now() + make_interval(secs => expires_in_seconds)
  )
  returning l.id, secret, l.expires_at;
end
$$;

create function public.revoke_profile_share_link(link uuid) returns boolean
language sql volatile security definer set search_path = ''
as $$
  with revoked as (
    update public.profile_share_links l
    set revoked_at = coalesce(l.revoked_at, now())
    where l.id = link and l.profile_id = (select auth.uid())
    returning 1
  )
  select exists (select from revoked)
$$;

-- What a link shows. Unknown, expired and revoked links are told apart by nobody.
create function public.shared_profile(token text) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  link public.profile_share_links;
  shown jsonb;
begin
  select l.* into link
  from public.profile_share_links l
  where l.token_hash = encode(sha256(convert_to(coalesce(token, ''), 'UTF8')), 'hex')
    and l.revoked_at is null and l.expires_at > now();
  if not found then
    perform headway_private.refuse('HW301', 'this link does not exist, has expired or was revoked', 'token',
      'Ask its owner for a new link.');
  end if;

  if link.profile_id is distinct from auth.uid() then
    update public.profile_share_links l
    set view_count = l.view_count + 1, last_viewed_at = now()
    where l.id = link.id;
    insert into public.profile_views as v (share_link_id, day, profile_id)
    values (link.id, (now() at time zone 'UTC')::date, link.profile_id)
    on conflict (share_link_id, day) do update set views = v.views + 1;
  end if;

  select jsonb_build_object(
    'profile', jsonb_build_object(
      'first_name', p.first_name, 'last_name', p.last_name, 'professional_headline', p.professional_headline,
      'bio', p.bio, 'location', p.location, 'linkedin_url', p.linkedin_url, 'website', p.website,
      'avatar_url', p.avatar_url, 'skills', p.skills, 'languages', p.languages, 'sectors', p.sectors,
      'has_board_experience', p.has_board_experience, 'current_board_roles', p.current_board_roles,
      'availability_status', p.availability_status, 'available_from', p.available_from,
      'remote_work_preference', p.remote_work_preference
    ) || case
      when link.show_contact then jsonb_build_object('email', p.email, 'phone', p.phone)
      else '{}'
    end,
    'work_experience', coalesce((
      select jsonb_agg(jsonb_build_object(
        'company', w.company, 'title', w.title, 'start_date', w.start_date, 'end_date', w.end_date,
        'is_current', w.is_current, 'description', w.description, 'key_achievements', w.key_achievements,
        'company_size', w.company_size, 'location', w.location
      ) order by w.position, w.created_at)
      from public.work_experience w where w.profile_id = p.id
    ), '[]'),
    'board_experience', coalesce((
      select jsonb_agg(jsonb_build_object(
        'organization', b.organization, 'role', b.role, 'sector', b.sector, 'start_date', b.start_date,
        'end_date', b.end_date, 'is_current', b.is_current, 'organization_size', b.organization_size,
        'key_contributions', b.key_contributions
      ) order by b.position, b.created_at)
      from public.board_experience b where b.profile_id = p.id
    ), '[]'),
    'education', coalesce((
      select jsonb_agg(jsonb_build_object(
        'institution', d.institution, 'degree', d.degree, 'field_of_study', d.field_of_study,
        'graduation_year', d.graduation_year, 'honors', d.honors, 'description', d.description
      ) order by d.position, d.created_at)
      from public.education d where d.profile_id = p.id
    ), '[]'),
    'expires_at', link.expires_at
  ) into shown
  from public.profiles p
  where p.id = link.profile_id;
  return shown;
end
$$;

comment on function public.create_profile_share_link(integer, text, boolean) is
  'A link to the caller''s profile; the token is shown this once.';
comment on function public.revoke_profile_share_link(uuid) is
  'Make a link of the caller''s useless at once; false when there is no such link.';
comment on function public.shared_profile(text) is
  'The profile behind a link, without pay, and without contact details unless its owner shows them; counts the view.';

revoke all on function
  public.create_profile_share_link(integer, text, boolean), public.revoke_profile_share_link(uuid),
  public.shared_profile(text)
from public, anon, authenticated, service_role;
grant execute on function
  public.create_profile_share_link(integer, text, boolean), public.revoke_profile_share_link(uuid)
to authenticated;
grant execute on function public.shared_profile(text) to anon, authenticated, service_role;
