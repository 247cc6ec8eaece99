-- Policies on, and triggers off, the platform's tables for the role postgres, which owns none of them.
--
-- Postgres asks for ownership; on hosted projects the module supautils (policy_grants, drop_trigger_grants) makes
-- exceptions. Here the exceptions are made by event triggers: for the duration of one such command, postgres is made a
-- member of the owners (through a role that exists for this alone); when the command ends, its target is checked against the list and the membership is taken
-- back. Everything else is refused by Postgres itself, in its own words, since postgres holds no right to it.
create or replace function _local.platform_table_open_to_postgres(schema_name text, table_name text) returns boolean
language sql immutable
as $$
  select format('%s.%s', schema_name, table_name) in (
    'auth.audit_log_entries', 'auth.identities', 'auth.refresh_tokens', 'auth.sessions', 'auth.users',
    'realtime.messages',
    'storage.buckets', 'storage.objects', 'storage.s3_multipart_uploads', 'storage.s3_multipart_uploads_parts')
$$;

create or replace function _local.is_platform_trigger(schema_name text, trigger_name text) returns boolean
language sql immutable
as $$
  select schema_name = 'storage' and trigger_name in (
    'protect_buckets_delete', 'protect_objects_delete', 'protect_buckets_truncate', 'protect_objects_truncate',
    'enforce_bucket_name_length_trigger', 'update_objects_updated_at')
$$;

-- Event triggers fire in the order of their names. The first runs as the caller and notes who that is; the second
-- runs as supabase_admin and acts on it. Nothing of the caller's runs in between.
create or replace function _local.note_caller() returns event_trigger
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('_local.caller', current_user::text, true);
end
$$;

create or replace function _local.open_platform_tables() returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- A command inside such a command can only come from code hidden in a policy's expression.
  if pg_has_role('postgres', '_local_platform_owner', 'usage') then
    raise exception 'a policy''s expression must not change the schema while the policy is made'
      using errcode = 'insufficient_privilege';
  end if;
  if tg_tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY', 'DROP TRIGGER')
     and current_setting('_local.caller', true) = 'postgres' then
    execute 'grant _local_platform_owner to postgres'
      || case when current_setting('server_version_num')::int >= 160000 then ' with inherit true, set false'
              else '' end;
  end if;
end
$$;

create or replace function _local.check_dropped_platform_objects() returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  dropped record;
begin
  if not pg_has_role('postgres', '_local_platform_owner', 'usage') then
    return;
  end if;
  for dropped in
    select object_type, address_names[1] as schema_name, address_names[2] as table_name, address_names[3] as name
      from pg_event_trigger_dropped_objects()
     where original and object_type in ('policy', 'trigger')
       and address_names[1] in ('auth', 'storage', 'realtime', '_storage_local')
  loop
    if not _local.platform_table_open_to_postgres(dropped.schema_name, dropped.table_name)
       or dropped.object_type = 'trigger' and _local.is_platform_trigger(dropped.schema_name, dropped.name) then
      raise exception 'must be owner of relation %', dropped.table_name using errcode = 'insufficient_privilege';
    end if;
  end loop;
end
$$;

create or replace function _local.close_platform_tables() returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  target record;
begin
  if not pg_has_role('postgres', '_local_platform_owner', 'usage') then
    return;
  end if;
  for target in
    select relation.relname, schema.nspname, relation.relowner::regrole::text as owner
      from pg_event_trigger_ddl_commands() as command
      join pg_catalog.pg_policy as policy on command.classid = 'pg_catalog.pg_policy'::regclass
                                         and policy.oid = command.objid
      join pg_catalog.pg_class as relation on relation.oid = policy.polrelid
      join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
  loop
    if target.owner in ('supabase_auth_admin', 'supabase_storage_admin', 'supabase_realtime_admin')
       and not _local.platform_table_open_to_postgres(target.nspname, target.relname) then
      raise exception 'must be owner of table %', target.relname using errcode = 'insufficient_privilege';
    end if;
  end loop;
  revoke _local_platform_owner from postgres;
end
$$;

-- The privilege TRIGGER suffices for CREATE OR REPLACE TRIGGER, which must not disarm the platform's own.
create or replace function _local.check_replaced_triggers() returns event_trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  replaced record;
begin
  for replaced in
    select relation.relname
      from pg_event_trigger_ddl_commands() as command
      join pg_catalog.pg_trigger as trigger on command.classid = 'pg_catalog.pg_trigger'::regclass
                                           and trigger.oid = command.objid
      join pg_catalog.pg_class as relation on relation.oid = trigger.tgrelid
     where _local.is_platform_trigger(relation.relnamespace::regnamespace::text, trigger.tgname)
       and not pg_has_role(current_setting('_local.caller'), relation.relowner, 'usage')
  loop
    raise exception 'must be owner of relation %', replaced.relname using errcode = 'insufficient_privilege';
  end loop;
end
$$;

revoke all on schema _local from public;
revoke all on all functions in schema _local from public;

drop event trigger if exists _local_1_note_caller;
create event trigger _local_1_note_caller on ddl_command_start
  when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY', 'DROP TRIGGER')
  execute function _local.note_caller();
drop event trigger if exists _local_2_open_platform_tables;
create event trigger _local_2_open_platform_tables on ddl_command_start
  execute function _local.open_platform_tables();
drop event trigger if exists _local_3_check_dropped;
create event trigger _local_3_check_dropped on sql_drop
  when tag in ('DROP POLICY', 'DROP TRIGGER')
  execute function _local.check_dropped_platform_objects();
drop event trigger if exists _local_4_close_platform_tables;
create event trigger _local_4_close_platform_tables on ddl_command_end
  when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY', 'DROP TRIGGER')
  execute function _local.close_platform_tables();
drop event trigger if exists _local_5_note_caller;
create event trigger _local_5_note_caller on ddl_command_end
  when tag in ('CREATE TRIGGER')
  execute function _local.note_caller();
drop event trigger if exists _local_6_check_replaced;
create event trigger _local_6_check_replaced on ddl_command_end
  when tag in ('CREATE TRIGGER')
  execute function _local.check_replaced_triggers();
