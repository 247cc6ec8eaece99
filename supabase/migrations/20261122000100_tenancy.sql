-- Organisations, their members, and projects: who may see and write what is shared.
--
-- Privileges are written out in full (revoke, then grant), so that the outcome is the same on projects whose
-- default privileges still expose new objects and on those where they no longer do.

-- Tables ------------------------------------------------------------------------------------------------

create table public.organizations (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  slug text unique,
  created_by uuid default auth.uid() references auth.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint organizations_name_length check (char_length(btrim(name)) between 1 and 200),
  constraint organizations_slug_format check (
    slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) <= 63
  )
);

create index organizations_created_by_idx on public.organizations (created_by);

create table public.organization_members (
  organization_id uuid not null references public.organizations (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role text not null default 'viewer',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, user_id),
  constraint organization_members_role_known check (role in ('owner', 'admin', 'editor', 'viewer'))
);

create index organization_members_user_idx on public.organization_members (user_id, organization_id) include (role);

create table public.projects (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid references public.organizations (id) on delete cascade,
  user_id uuid references auth.users (id) on delete cascade,
  name text not null,
  description text,
  created_by uuid default auth.uid() references auth.users (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint projects_one_owner check (num_nonnulls(organization_id, user_id) = 1),
  constraint projects_name_length check (char_length(btrim(name)) between 1 and 200),
  constraint projects_description_length check (char_length(description) <= 10000)
);

create index projects_organization_idx on public.projects (organization_id) where organization_id is not null;
create index projects_user_idx on public.projects (user_id) where user_id is not null;
create index projects_created_by_idx on public.projects (created_by);

comment on table public.organizations is 'Groups of people that own projects, files and jobs together.';
comment on table public.organization_members is
  'Who belongs to an organisation: owner and admin manage members, editor writes, viewer reads.';
comment on table public.projects is 'What jobs and documents belong to; owned by one person or one organisation.';

-- Who the caller is -------------------------------------------------------------------------------------
-- These run as their owner, past row level security: a policy on organization_members that asked
-- organization_members again would recurse. Each answers about the caller only.

create function public.org_role(org uuid) returns text
language sql stable security definer set search_path = ''
as $$
  select m.role
  from public.organization_members m
  where m.organization_id = org and m.user_id = (select auth.uid())
$$;

create function public.is_org_member(org uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from public.organization_members m
    where m.organization_id = org and m.user_id = (select auth.uid())
  )
$$;

create function public.is_org_writer(org uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from public.organization_members m
    where m.organization_id = org
      and m.user_id = (select auth.uid())
      and m.role in ('owner', 'admin', 'editor')
  )
$$;

create function public.is_org_admin(org uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from public.organization_members m
    where m.organization_id = org
      and m.user_id = (select auth.uid())
      and m.role in ('owner', 'admin')
  )
$$;

-- Arrays for policies over many rows: evaluated once per statement as an init-plan, and an index on
-- organization_id stays usable (`organization_id = any ((select public.member_org_ids())::uuid[])`).

create function public.member_org_ids() returns uuid[]
language sql stable security definer set search_path = ''
as $$
  select coalesce(array_agg(m.organization_id), '{}')
  from public.organization_members m
  where m.user_id = (select auth.uid())
$$;

create function public.writer_org_ids() returns uuid[]
language sql stable security definer set search_path = ''
as $$
  select coalesce(array_agg(m.organization_id), '{}')
  from public.organization_members m
  where m.user_id = (select auth.uid()) and m.role in ('owner', 'admin', 'editor')
$$;

create function public.can_read_project(project uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from public.projects p
    where p.id = project
      and (p.user_id = (select auth.uid()) or public.is_org_member(p.organization_id))
  )
$$;

create function public.can_write_project(project uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from public.projects p
    where p.id = project
      and (p.user_id = (select auth.uid()) or public.is_org_writer(p.organization_id))
  )
$$;

-- An owner manages every role, an admin those below its own.
create function public.can_manage_member(org uuid, member_role text) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from public.organization_members m
    where m.organization_id = org
      and m.user_id = (select auth.uid())
      and (m.role = 'owner' or (m.role = 'admin' and member_role in ('editor', 'viewer')))
  )
$$;

revoke all on function
  public.org_role(uuid), public.is_org_member(uuid), public.is_org_writer(uuid), public.is_org_admin(uuid),
  public.member_org_ids(), public.writer_org_ids(), public.can_read_project(uuid), public.can_write_project(uuid),
  public.can_manage_member(uuid, text)
from public, anon, authenticated, service_role;
grant execute on function
  public.org_role(uuid), public.is_org_member(uuid), public.is_org_writer(uuid), public.is_org_admin(uuid),
  public.member_org_ids(), public.writer_org_ids(), public.can_read_project(uuid), public.can_write_project(uuid),
  public.can_manage_member(uuid, text)
to authenticated, service_role;

-- Triggers ----------------------------------------------------------------------------------------------

create function public.set_updated_at() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

-- The creator's membership cannot come from the creator (nobody grants themselves a role), hence definer.
create function public.add_organization_creator() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  insert into public.organization_members (organization_id, user_id, role)
  values (new.id, new.created_by, 'owner');
  return null;
end
$$;

-- An organisation keeps an owner. The lock on its row makes two owners who leave at once wait for each other.
create function public.keep_last_owner() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform from public.organizations o where o.id = old.organization_id for no key update;
  if not found then
    return old; -- the organisation itself is being deleted
  end if;
  if exists (
    select from public.organization_members m
    where m.organization_id = old.organization_id and m.role = 'owner' and m.user_id <> old.user_id
  ) then
    return case tg_op when 'DELETE' then old else new end;
  end if;
  if tg_op = 'DELETE' and not exists (select from auth.users u where u.id = old.user_id) then
    -- The account is gone, and refusing would make it undeletable: the most senior member takes over.
    update public.organization_members m
    set role = 'owner'
    where m.organization_id = old.organization_id
      and m.user_id = (
        select s.user_id
        from public.organization_members s
        where s.organization_id = old.organization_id and s.user_id <> old.user_id
        order by array_position(array['admin', 'editor', 'viewer'], s.role), s.created_at, s.user_id
        limit 1
      );
    return old;
  end if;
  raise exception 'an organisation keeps at least one owner'
    using errcode = 'HW202', detail = 'role', hint = 'Make another member owner first, or delete the organisation.';
end
$$;

create function public.set_default_owner() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
  if new.organization_id is null and new.user_id is null then
    new.user_id := auth.uid();
  end if;
  return new;
end
$$;

revoke all on function
  public.set_updated_at(), public.add_organization_creator(), public.keep_last_owner(), public.set_default_owner()
from public, anon, authenticated, service_role;

create trigger organizations_set_updated_at
  before update on public.organizations
  for each row execute function public.set_updated_at();
create trigger organizations_add_creator
  after insert on public.organizations
  for each row when (new.created_by is not null) execute function public.add_organization_creator();

create trigger organization_members_set_updated_at
  before update on public.organization_members
  for each row execute function public.set_updated_at();
create trigger organization_members_keep_last_owner_on_update
  before update on public.organization_members
  for each row when (old.role = 'owner' and new.role <> 'owner') execute function public.keep_last_owner();
create trigger organization_members_keep_last_owner_on_delete
  before delete on public.organization_members
  for each row when (old.role = 'owner') execute function public.keep_last_owner();

create trigger projects_set_owner
  before insert on public.projects
  for each row execute function public.set_default_owner();
create trigger projects_set_updated_at
  before update on public.projects
  for each row execute function public.set_updated_at();

-- Row level security ------------------------------------------------------------------------------------

alter table public.organizations enable row level security;
alter table public.organization_members enable row level security;
alter table public.projects enable row level security;

-- `insert ... returning` is checked against this policy before the membership exists, so the creating
-- transaction itself may see the row; created_at cannot be chosen by a caller.
create policy "members see their organisations" on public.organizations
  for select to authenticated
  using (
    id = any ((select public.member_org_ids())::uuid[])
    or (created_by = (select auth.uid()) and created_at = (select now()))
  );
create policy "people with an account create organisations" on public.organizations
  for insert to authenticated
  with check (
    created_by = (select auth.uid())
    and (select (auth.jwt() ->> 'is_anonymous')::boolean) is not true
  );
create policy "admins change their organisations" on public.organizations
  for update to authenticated
  using (public.is_org_admin(id))
  with check (public.is_org_admin(id));
create policy "owners delete their organisations" on public.organizations
  for delete to authenticated
  using (public.org_role(id) = 'owner');

create policy "members see each other" on public.organization_members
  for select to authenticated
  using (organization_id = any ((select public.member_org_ids())::uuid[]));
create policy "managers add others" on public.organization_members
  for insert to authenticated
  with check (user_id <> (select auth.uid()) and public.can_manage_member(organization_id, role));
create policy "managers change others" on public.organization_members
  for update to authenticated
  using (user_id <> (select auth.uid()) and public.can_manage_member(organization_id, role))
  with check (user_id <> (select auth.uid()) and public.can_manage_member(organization_id, role));
create policy "managers remove others and anyone leaves" on public.organization_members
  for delete to authenticated
  using (user_id = (select auth.uid()) or public.can_manage_member(organization_id, role));

create policy "owners and members see projects" on public.projects
  for select to authenticated
  using (
    user_id = (select auth.uid())
    or organization_id = any ((select public.member_org_ids())::uuid[])
  );
create policy "owners and writers create projects" on public.projects
  for insert to authenticated
  with check (
    created_by = (select auth.uid())
    and (
      user_id = (select auth.uid())
      or organization_id = any ((select public.writer_org_ids())::uuid[])
    )
  );
create policy "owners and writers change projects" on public.projects
  for update to authenticated
  using (
    user_id = (select auth.uid())
    or organization_id = any ((select public.writer_org_ids())::uuid[])
  )
  with check (
    user_id = (select auth.uid())
    or organization_id = any ((select public.writer_org_ids())::uuid[])
  );
create policy "owners and admins delete projects" on public.projects
  for delete to authenticated
  using (user_id = (select auth.uid()) or public.is_org_admin(organization_id));

-- Privileges --------------------------------------------------------------------------------------------
-- Columns are named where a caller must not choose a value: who created a row and when, and whose it is.

revoke all on table public.organizations, public.organization_members, public.projects
from public, anon, authenticated, service_role;

grant select, delete on table public.organizations to authenticated;
-- Not the id either: what belongs together is found by the id of its organisation or person, so that an
-- organisation which took a person's id would share their keys, budgets and notifications.
grant insert (name, slug) on table public.organizations to authenticated;
grant update (name, slug) on table public.organizations to authenticated;

grant select, delete on table public.organization_members to authenticated;
grant insert (organization_id, user_id, role) on table public.organization_members to authenticated;
grant update (role) on table public.organization_members to authenticated;

grant select, delete on table public.projects to authenticated;
grant insert (id, organization_id, user_id, name, description) on table public.projects to authenticated;
grant update (name, description) on table public.projects to authenticated;

grant select, insert, update, delete
  on table public.organizations, public.organization_members, public.projects
  to service_role;
