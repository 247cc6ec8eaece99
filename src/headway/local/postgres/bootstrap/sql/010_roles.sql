-- The roles of a hosted project and who is a member of what. Roles belong to the cluster, so this file runs once
-- per cluster. Source: supabase/postgres init-scripts and migrations (reference A.1).
do $roles$
declare
  wanted constant jsonb := '{
    "postgres": "nosuperuser createdb createrole login replication bypassrls",
    "anon": "nologin noinherit",
    "authenticated": "nologin noinherit",
    "service_role": "nologin noinherit bypassrls",
    "authenticator": "login noinherit",
    "supabase_auth_admin": "login noinherit",
    "supabase_storage_admin": "login noinherit createrole",
    "supabase_realtime_admin": "nologin noinherit noreplication",
    "supabase_replication_admin": "login replication",
    "supabase_etl_admin": "login replication",
    "supabase_read_only_user": "login bypassrls",
    "_local_platform_owner": "nologin inherit",
    "dashboard_user": "nologin nosuperuser createdb createrole replication",
    "pgbouncer": "login"
  }';
  entry record;
begin
  if (select rolsuper and oid = 10 from pg_catalog.pg_roles where rolname = 'postgres') then
    raise exception 'the role postgres is this cluster''s bootstrap superuser and cannot be demoted'
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Initialise the cluster with: initdb -U supabase_admin';
  end if;
  for entry in select key as name, value as attributes from jsonb_each_text(wanted) loop
    if not exists (select from pg_catalog.pg_roles where rolname = entry.name) then
      execute format('create role %I', entry.name);
    end if;
    execute format('alter role %I %s', entry.name, entry.attributes);
  end loop;
end
$roles$;

-- PostgREST needs the impersonated roles to inherit whatever a project grants them.
alter role anon inherit;
alter role authenticated inherit;
alter role service_role inherit;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, authenticator to supabase_storage_admin;
grant anon, authenticated, service_role, authenticator, pg_monitor, pg_read_all_data, pg_signal_backend
  to postgres with admin option;
-- Whom postgres becomes a member of while a policy is made on a platform table; see the guard.
grant supabase_auth_admin, supabase_storage_admin, supabase_realtime_admin to _local_platform_owner;
grant pg_monitor, pg_read_all_data to supabase_read_only_user, supabase_etl_admin;

do $subscriptions$
begin
  if current_setting('server_version_num')::int >= 160000 then
    grant pg_create_subscription to postgres with admin option;
  end if;
end
$subscriptions$;
