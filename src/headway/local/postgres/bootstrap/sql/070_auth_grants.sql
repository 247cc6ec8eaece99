-- Row level security on every table of Auth, and what postgres may do there: all rows, but no structure.
set local role supabase_auth_admin;

do $rls$
declare
  name text;
begin
  for name in
    select relname from pg_catalog.pg_class
     where relnamespace = 'auth'::regnamespace and relkind = 'r' and not relrowsecurity
       and relname not in ('custom_oauth_providers', 'oauth_authorizations', 'oauth_client_states',
                           'oauth_clients', 'oauth_consents', 'webauthn_challenges', 'webauthn_credentials')
  loop
    execute format('alter table auth.%I enable row level security', name);
  end loop;
end
$rls$;

grant all on all tables in schema auth to postgres, dashboard_user;
grant all on all sequences in schema auth to postgres, dashboard_user;
grant all on all functions in schema auth to postgres, dashboard_user;
grant select on all tables in schema auth to postgres with grant option;
revoke all on auth.schema_migrations from postgres, dashboard_user;
grant select on auth.schema_migrations to postgres with grant option;
