"""What a hosted project forbids to the role postgres fails here with the same SQLSTATE; what it allows works."""
# ruff: noqa: E501  (one statement, code and message per line, so that the tables can be read as tables)

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import psycopg2.extensions
import pytest

from headway.local.database import Database
from support.postgres import TestCluster

FORBIDDEN = [
    # Creating in the platform's schemas.
    ("create table auth.mine (i int)", "42501", "permission denied for schema auth"),
    ("create table storage.mine (i int)", "42501", "permission denied for schema storage"),
    ("create table realtime.mine (i int)", "42501", "permission denied for schema realtime"),
    ("create table vault.mine (i int)", "42501", "permission denied for schema vault"),
    ("create table graphql_public.mine (i int)", "42501", "permission denied for schema graphql_public"),
    ("create table _local.mine (i int)", "42501", "permission denied for schema _local"),
    ("create table _storage_local.mine (i int)", "42501", "permission denied for schema _storage_local"),
    ("create view auth.mine as select 1", "42501", "permission denied for schema auth"),
    ("create materialized view storage.mine as select 1", "42501", "permission denied for schema storage"),
    ("create sequence realtime.mine", "42501", "permission denied for schema realtime"),
    ("create type auth.mine as (i int)", "42501", "permission denied for schema auth"),
    ("create domain storage.mine as int", "42501", "permission denied for schema storage"),
    ("create function auth.mine() returns int language sql as 'select 1'", "42501", "permission denied for schema"),
    ("create or replace function auth.uid() returns uuid language sql as 'select null::uuid'", "42501", "auth"),
    ("create or replace function storage.protect_delete() returns trigger language plpgsql as 'begin end'",
     "42501", "permission denied for schema storage"),
    ("create table public.mine (i int); alter table public.mine set schema auth", "42501", "schema auth"),
    # The structure of the platform's tables.
    ("alter table realtime.messages enable row level security", "42501", "must be owner of table messages"),
    ("alter table realtime.messages disable row level security", "42501", "must be owner of table messages"),
    ("alter table storage.objects enable row level security", "42501", "must be owner of table objects"),
    ("alter table storage.objects disable row level security", "42501", "must be owner of table objects"),
    ("alter table storage.objects force row level security", "42501", "must be owner of table objects"),
    ("alter table storage.buckets add column mine int", "42501", "must be owner of table buckets"),
    ("alter table auth.users add column mine int", "42501", "must be owner of table users"),
    ("alter table auth.users owner to postgres", "42501", "must be owner of table users"),
    ("alter table auth.users rename to people", "42501", "must be owner of table users"),
    ("alter table storage.objects set schema public", "42501", "must be owner of table objects"),
    ("alter table storage.objects disable trigger all", "42501", "must be owner of table objects"),
    ("alter table storage.objects disable trigger protect_objects_delete", "42501", "must be owner of table"),
    ("create index on storage.objects (owner_id)", "42501", "must be owner of table objects"),
    ("create unique index on auth.users (phone)", "42501", "must be owner of table users"),
    ("drop index storage.bucketid_objname", "42501", "must be owner of index bucketid_objname"),
    ("create rule mine as on delete to storage.objects do instead nothing", "42501", "must be owner of table objects"),
    ("drop table auth.users cascade", "42501", "must be owner of table users"),
    ("drop table storage.objects", "42501", "must be owner of table objects"),
    ("drop table realtime.messages", "42501", "must be owner of table messages"),
    ("drop schema auth cascade", "42501", "must be owner of schema auth"),
    ("alter schema storage owner to postgres", "42501", "must be owner of schema storage"),
    ("alter schema realtime rename to mine", "42501", "must be owner of schema realtime"),
    ("drop function auth.uid() cascade", "42501", "must be owner of function auth.uid"),
    ("alter function storage.protect_delete() owner to postgres", "42501", "must be owner of function"),
    ("drop function realtime.send(jsonb, text, text, boolean)", "42501", "must be owner of function"),
    ("comment on table auth.users is 'mine'", "42501", "must be owner of table users"),
    ("alter type auth.aal_level add value 'aal9'", "42501", "must be owner of type auth.aal_level"),
    ("drop owned by supabase_auth_admin", "42501", "permission denied to drop objects"),
    ("reassign owned by supabase_storage_admin to postgres", "42501", "permission denied to reassign objects"),
    # Policies and triggers beyond the lists.
    ("create policy mine on storage.migrations using (true)", "42501", "must be owner of table migrations"),
    ("create policy mine on auth.flow_state using (true)", "42501", "must be owner of table flow_state"),
    ("create policy mine on realtime.subscription using (true)", "42501", "must be owner of table subscription"),
    ("create policy mine on vault.secrets using (true)", "42501", "must be owner of table secrets"),
    ("create trigger mine after insert on realtime.messages for each row execute function nothing()",
     "42501", "permission denied for table messages"),
    ("create trigger mine after insert on storage.migrations for each row execute function nothing()",
     "42501", "permission denied for table migrations"),
    ("create trigger mine after insert on auth.schema_migrations for each row execute function nothing()",
     "42501", "permission denied for table schema_migrations"),
    ("drop trigger protect_objects_delete on storage.objects", "42501", "must be owner of relation objects"),
    ("drop trigger protect_buckets_delete on storage.buckets", "42501", "must be owner of relation buckets"),
    ("drop trigger tr_check_filters on realtime.subscription", "42501", "must be owner of relation subscription"),
    ("alter trigger protect_objects_delete on storage.objects rename to mine", "42501", "must be owner of table"),
    ("create or replace trigger protect_objects_delete before delete on storage.objects execute function nothing()",
     "42501", "must be owner of relation objects"),
    ("create or replace trigger protect_objects_delete before insert on storage.objects execute function storage.protect_delete()",
     "42501", "must be owner of relation objects"),
    ("create table mine () inherits (auth.users)", "42501", "must be owner of table users"),
    ("create table mine partition of realtime.messages default", "42501", "must be owner of table messages"),
    ("create statistics mine on name, bucket_id from storage.objects", "42501", "must be owner of table objects"),
    ("alter sequence auth.refresh_tokens_id_seq restart", "42501", "must be owner of sequence"),
    # Rows that only services write.
    ("delete from storage.objects", "42501", "Direct deletion from storage tables is not allowed"),
    ("delete from storage.buckets where id = 'none'", "42501", "Use the Storage API instead."),
    ("truncate storage.objects", "42501", "Direct deletion from storage tables is not allowed"),
    ("truncate storage.buckets cascade", "42501", "Direct deletion from storage tables is not allowed"),
    ("insert into auth.schema_migrations values ('1')", "42501", "permission denied for table schema_migrations"),
    ("delete from auth.schema_migrations", "42501", "permission denied for table schema_migrations"),
    ("insert into storage.migrations values (1, 'n', 'h')", "42501", "permission denied for table migrations"),
    ("update realtime.schema_migrations set version = 1", "42501", "permission denied for table"),
    ("delete from realtime.messages", "42501", "permission denied for table messages"),
    ("truncate realtime.messages", "42501", "permission denied for table messages"),
    ("insert into vault.secrets (secret) values ('plain')", "42501", "permission denied for table secrets"),
    ("update _local.vault_key set key = 'mine'", "42501", "permission denied for table vault_key"),
    ("select realtime.ensure_partitions()", "42501", "permission denied for function ensure_partitions"),
    ("select realtime.drop_old_partitions()", "42501", "permission denied for function drop_old_partitions"),
    ("select vault._encrypt('x')", "42501", "permission denied for function _encrypt"),
    # Becoming more than postgres.
    ("alter role postgres superuser", "42501", "permission denied to alter role"),
    ("create role mine superuser", "42501", "permission denied to create role"),
    ("set role supabase_admin", "42501", 'permission denied to set role "supabase_admin"'),
    ("set role supabase_storage_admin", "42501", 'permission denied to set role "supabase_storage_admin"'),
    ("set role _local_platform_owner", "42501", 'permission denied to set role "_local_platform_owner"'),
    ("set session authorization supabase_admin", "42501", "permission denied to set session authorization"),
    ("grant supabase_admin to postgres", "42501", "permission denied to grant role"),
    ("grant supabase_auth_admin to postgres", "42501", "permission denied to grant role"),
    ("grant _local_platform_owner to postgres", "42501", "permission denied to grant role"),
    ("grant supabase_realtime_admin to anon", "42501", "permission denied to grant role"),
    ("grant pg_execute_server_program to postgres", "42501", "permission denied to grant role"),
    ("alter role supabase_auth_admin password 'mine'", "42501", "permission denied to alter role"),
    ("alter role supabase_storage_admin bypassrls", "42501", "permission denied to alter role"),
    ("alter role supabase_admin set search_path = mine", "42501", "permission denied to alter role"),
    ("alter role dashboard_user login", "42501", "permission denied to alter role"),
    ("drop role supabase_replication_admin", "42501", "permission denied to drop role"),
    ("drop role anon", "2BP01", 'role "anon" cannot be dropped because some objects depend on it'),
    ("alter default privileges for role supabase_admin in schema public revoke all on tables from anon",
     "42501", "permission denied to change default privileges"),
    ("copy (select 1) to program 'true'", "42501", "permission denied to COPY to or from an external program"),
    ("copy (select 1) to '/tmp/mine'", "42501", "permission denied to COPY to a file"),
    ("select pg_read_file('postgresql.conf')", "42501", "permission denied for function pg_read_file"),
    ("create extension file_fdw", "42501", "permission denied to create extension"),
    ("create extension vector", "0A000", 'extension "vector" is not available'),
    ("create extension pg_cron", "0A000", 'extension "pg_cron" is not available'),
    ("create extension pg_net", "0A000", 'extension "pg_net" is not available'),
    ("drop extension pgcrypto", "42501", "must be owner of extension pgcrypto"),
    ("alter publication supabase_realtime add table auth.users", "42501", "must be owner of table users"),
    ("alter publication supabase_realtime add tables in schema auth", "42501", "must be superuser"),
    # The guard itself.
    ("drop event trigger _local_4_close_platform_tables", "42501", "must be owner of event trigger"),
    ("alter event trigger _local_4_close_platform_tables disable", "42501", "must be owner of event trigger"),
    ("alter event trigger _local_3_check_dropped owner to postgres", "42501", "must be owner of event trigger"),
    ("create event trigger mine on ddl_command_start execute function nothing()", "42501", "permission denied"),
    ("drop function _local.close_platform_tables() cascade", "42501", "must be owner of function"),
    ("create or replace function _local.platform_table_open_to_postgres(schema_name text, table_name text)"
     " returns boolean language sql as 'select true'", "42501", "permission denied for schema _local"),
    ("select _local.platform_table_open_to_postgres('auth', 'users')", "42501", "permission denied for function"),
    ("set event_triggers = off", "42501", "permission denied to set parameter"),
]  # fmt: skip

ALLOWED = [
    "create policy mine on storage.objects for select to authenticated using (bucket_id = 'avatars');"
    "alter policy mine on storage.objects using (owner_id = (select auth.uid())::text);"
    "alter policy mine on storage.objects rename to mine_too;"
    "drop policy mine_too on storage.objects",
    "create policy mine on storage.buckets to authenticated using (true); drop policy mine on storage.buckets",
    "create policy mine on realtime.messages for insert to authenticated with check (realtime.topic() = 'a');"
    "drop policy mine on realtime.messages",
    "create policy mine on auth.users for select using (true); drop policy mine on auth.users",
    "drop policy if exists never_made on storage.objects",
    "drop trigger if exists never_made on auth.users",
    "create table mine (id uuid references auth.users (id) on delete cascade, b text references storage.buckets);"
    "alter table mine enable row level security; create policy mine on mine using (id = auth.uid());"
    "alter policy mine on mine using (true); drop policy mine on mine; drop table mine",
    "create trigger mine after insert or update on auth.users for each row execute function nothing();"
    "drop trigger mine on auth.users",
    "create trigger mine after insert on storage.objects for each row execute function nothing();"
    "drop trigger mine on storage.objects",
    "create function mine() returns void language plpgsql security definer as "
    "$$ begin create policy mine on storage.objects using (true); end $$; select mine()",
    "create view mine with (security_invoker = false) as select id, email from auth.users",
    "create table mine (id int primary key); alter publication supabase_realtime add table mine;"
    "alter publication supabase_realtime drop table mine",
    "create publication mine",
    "create schema mine; create table mine.t (i int); drop schema mine cascade",
    "create role mine; grant authenticated to mine; grant select on storage.objects to mine;"
    "grant usage on schema storage, realtime to mine",
    "alter role authenticated set statement_timeout = '20s'",
    "alter role anon set statement_timeout = '5s'; alter role service_role set statement_timeout = '60s'",
    "alter role authenticator set pgrst.db_schemas = 'public, api'; alter role authenticator set pgrst.db_max_rows = 5",
    "set local session_replication_role = replica; set local session_replication_role = origin",
    "set local role anon; set local role authenticated; set local role service_role",
    "insert into storage.buckets (id, name, public) values ('b', 'b', true);"
    "update storage.buckets set public = false where id = 'b';"
    "set local storage.allow_delete_query = 'true'; delete from storage.buckets where id = 'b'",
    "insert into auth.users (id, email) values (gen_random_uuid(), 'a@example.com'); delete from auth.users",
    "alter default privileges in schema public grant select on tables to anon",
    "notify pgrst, 'reload schema'",
    'create extension if not exists "uuid-ossp" with schema extensions; select uuid_generate_v4()',
    "create extension if not exists pgcrypto with schema extensions; select crypt('x', gen_salt('bf', 4))",
    "create extension pg_trgm with schema extensions; select similarity('word', 'words')",
    "create extension citext; create extension hstore; create extension ltree; create extension unaccent",
    "create extension btree_gin; create extension btree_gist; create extension fuzzystrmatch",
    "create extension moddatetime with schema extensions; create extension intarray; create extension tablefunc",
    "create extension postgres_fdw; create extension dblink; drop extension dblink",
    "create extension cube; create extension earthdistance; create extension bloom; create extension pgrowlocks",
    "select count(*) from extensions.pg_stat_statements",
]


@pytest.fixture(scope="module")
def own(cluster: TestCluster) -> Iterator[Database]:
    with cluster.clone("postgres") as database:
        with (
            closing(psycopg2.connect(database.conninfo("postgres"))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "create function public.nothing() returns trigger language plpgsql as 'begin return null; end'"
            )
            connection.commit()
        yield database


@pytest.fixture(scope="module")
def session(own: Database) -> Iterator[psycopg2.extensions.connection]:
    with closing(psycopg2.connect(own.conninfo("postgres"))) as connection:
        yield connection


@pytest.fixture
def cursor(session: psycopg2.extensions.connection) -> Iterator[psycopg2.extensions.cursor]:
    with session.cursor() as cursor:
        yield cursor
    session.rollback()


@pytest.mark.parametrize(
    ("statement", "sqlstate", "fragment"), FORBIDDEN, ids=[entry[0] for entry in FORBIDDEN]
)
def test_what_hosted_projects_forbid_fails_alike(
    cursor: psycopg2.extensions.cursor, statement: str, sqlstate: str, fragment: str
) -> None:
    with pytest.raises(psycopg2.Error) as caught:
        cursor.execute(statement)
    assert (caught.value.pgcode, fragment in caught.value.diag.message_primary) == (sqlstate, True), (
        caught.value
    )


@pytest.mark.parametrize("statement", ALLOWED)
def test_what_hosted_projects_allow_works(cursor: psycopg2.extensions.cursor, statement: str) -> None:
    cursor.execute(statement)


def test_the_rights_lent_for_a_policy_end_with_its_statement(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute("create policy mine on storage.objects using (true)")
    cursor.execute(
        "select bool_or(pg_has_role('postgres', oid, 'member'))"
        " from pg_roles where rolname like 'supabase\\_%admin' or rolname = '_local_platform_owner'"
    )
    assert cursor.fetchone() == (False,)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="must be owner of table objects"):
        cursor.execute("alter table storage.objects disable row level security")


def test_a_failed_policy_leaves_no_rights_behind(cursor: psycopg2.extensions.cursor) -> None:
    for failing in (
        "create policy mine on storage.objects using (no_such_column)",
        "create policy mine on auth.flow_state using (true)",
        "drop policy never_made on storage.objects",
        "drop trigger protect_objects_delete on storage.objects",
    ):
        cursor.execute("savepoint before")
        with pytest.raises(psycopg2.Error):
            cursor.execute(failing)
        cursor.execute("rollback to before")
        cursor.execute("select pg_has_role('postgres', '_local_platform_owner', 'member')")
        assert cursor.fetchone() == (False,), failing


def test_code_hidden_in_a_policy_cannot_use_the_lent_rights(cursor: psycopg2.extensions.cursor) -> None:
    # A literal of an array over a domain runs the domain's CHECK while the policy is being made.
    cursor.execute("""
        create function sneak(i int) returns boolean language plpgsql as $$
        begin
          alter table storage.objects disable row level security;
          return true;
        end $$;
        create domain trap as int check (sneak(value));
    """)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="must not change the schema"):
        cursor.execute("create policy mine on storage.objects using ('{1}'::trap[] is not null)")


def test_the_caller_cannot_be_forged(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute("create role mine; grant mine to postgres; grant usage on schema storage to mine")
    cursor.execute("set local role mine")
    cursor.execute("select set_config('_local.caller', 'postgres', false)")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="must be owner of table objects"):
        cursor.execute("create policy mine on storage.objects using (true)")


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
@pytest.mark.parametrize(
    "statement",
    [
        "create policy mine on storage.objects using (true)",
        "create table public.mine (i int)",
        "select * from auth.users",
        "select * from vault.secrets limit 0; create table vault.mine (i int)",
        "select * from _local.vault_key",
        "delete from storage.objects",
        "truncate storage.objects",
        "select realtime.ensure_partitions()",
        "alter table storage.objects disable row level security",
    ],
)
def test_the_api_roles_can_do_even_less(
    cursor: psycopg2.extensions.cursor, role: str, statement: str
) -> None:
    cursor.execute(f"set local role {role}")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(statement)


def test_a_cascade_into_storage_is_caught_too(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute("create function sweep() returns void language sql as 'delete from storage.objects'")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="Direct deletion"):
        cursor.execute("select sweep()")


def test_the_server_is_not_configured_from_within(own: Database) -> None:
    with closing(psycopg2.connect(own.conninfo("postgres"))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="permission denied to set parameter"):
            cursor.execute("alter system set fsync = off")


def test_grants_on_platform_schemas_reach_nobody(cursor: psycopg2.extensions.cursor) -> None:
    # Without the grant option Postgres warns and grants nothing.
    cursor.execute("grant all on schema auth to anon; grant all on schema realtime to service_role")
    cursor.execute(
        "select has_schema_privilege('anon', 'auth', 'create'),"
        " has_schema_privilege('service_role', 'realtime', 'create')"
    )
    assert cursor.fetchone() == (False, False)


def test_two_policies_made_at_once_wait_for_each_other(own: Database) -> None:
    with closing(psycopg2.connect(own.conninfo("postgres"))) as first, ThreadPoolExecutor(1) as pool:
        with first.cursor() as cursor:
            cursor.execute("create policy one on storage.objects using (true)")

        def second() -> None:
            with (
                closing(psycopg2.connect(own.conninfo("postgres"))) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute("create policy two on realtime.messages using (true)")
                cursor.execute("drop policy two on realtime.messages")
                connection.commit()

        waiting = pool.submit(second)
        with (
            closing(psycopg2.connect(own.conninfo("supabase_admin"))) as observer,
            observer.cursor() as cursor,
        ):
            observer.autocommit = True
            while not waiting.done():
                cursor.execute("select count(*) from pg_locks where not granted")
                if cursor.fetchone() != (0,):
                    break
        first.rollback()
        waiting.result(timeout=30)
