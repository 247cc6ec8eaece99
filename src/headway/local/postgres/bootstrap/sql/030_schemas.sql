-- The schemas of a fresh project, their owners, who may use them, and the extensions that are there from the start.
do $owner$
begin
  execute format('alter database %I owner to postgres', current_database());
end
$owner$;

create schema if not exists extensions authorization postgres;
create schema if not exists auth authorization supabase_auth_admin;
create schema if not exists storage authorization supabase_storage_admin;
create schema if not exists realtime authorization supabase_admin;
create schema if not exists vault authorization supabase_admin;
create schema if not exists graphql authorization supabase_admin;
create schema if not exists graphql_public authorization supabase_admin;
create schema if not exists pgbouncer authorization pgbouncer;

-- The embedded stack's own: its bookkeeping, and where Storage keeps the state of resumable uploads.
create schema if not exists _local authorization supabase_admin;
create schema if not exists _storage_local authorization supabase_storage_admin;

-- Clones of a database lose its owner, and with it the owner's right to create in public.
grant usage, create on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;
grant usage on schema extensions to anon, authenticated, service_role;
grant all on schema extensions to dashboard_user;

grant usage on schema auth to postgres, anon, authenticated, service_role;
grant all on schema auth to dashboard_user;

grant usage on schema storage to postgres with grant option;
grant usage on schema storage to anon, authenticated, service_role;
grant all on schema storage to dashboard_user;

grant usage on schema realtime to postgres with grant option;
grant usage on schema realtime to anon, authenticated, service_role;
grant usage, create on schema realtime to supabase_realtime_admin;

grant usage on schema vault to postgres with grant option;
grant usage on schema vault to service_role;
grant usage on schema graphql, graphql_public to postgres, anon, authenticated, service_role;

-- What supabase_admin itself makes in public stays open, as on hosted projects; postgres cannot change that.
alter default privileges for role supabase_admin in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
  grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;

do $extensions$
declare
  extension text;
begin
  for extension in
    select name from pg_catalog.pg_available_extensions
     where name in ('pgcrypto', 'uuid-ossp', 'pg_stat_statements') and installed_version is null
     order by name
  loop
    execute format('create extension %I with schema extensions', extension);
  end loop;
end
$extensions$;
