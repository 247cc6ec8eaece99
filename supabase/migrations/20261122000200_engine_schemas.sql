-- The two schemas of the engine and the few functions everything else stands on.
--
-- `headway` is exposed to the Data API: what people and workers read and call.
-- `headway_private` is not exposed: the rules behind it, which no request can name.

create schema headway;
create schema headway_private;

comment on schema headway is 'Background jobs with live progress: tables to read, functions to call.';
comment on schema headway_private is 'The rules behind schema headway. Not exposed to the Data API; call nothing here.';

revoke all on schema headway, headway_private from public;
grant usage on schema headway to authenticated, service_role;
-- Row policies and invoker functions name functions of the private schema, so their callers need to reach it.
grant usage on schema headway_private to authenticated, service_role;

-- Raises a refusal in the shape that every Headway error has: an SQLSTATE of class HW, a message that names the
-- field and says what is wrong, the field alone as DETAIL, and the remedy as HINT.
create function headway_private.refuse(code text, message text, field text, remedy text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  raise exception using
    errcode = code, message = concat_ws(': ', nullif(field, ''), message),
    detail = coalesce(field, ''), hint = coalesce(remedy, '');
end
$$;

-- Whether the caller is the project itself (a worker with a secret key, the SQL editor, a migration, pg_cron)
-- rather than somebody who signed in. The GUC `role` keeps the request's role inside SECURITY DEFINER
-- functions, where current_user is already their owner.
create function headway_private.is_service() returns boolean
language plpgsql stable set search_path = ''
as $$
begin
  return case coalesce(current_setting('role', true), 'none')
    when 'none' then session_user::text
    when '' then session_user::text
    else current_setting('role', true)
  end in ('service_role', 'postgres', 'supabase_admin');
end
$$;

-- A UUID of version 7 (RFC 9562): ids made one after the other are neighbours in every index, so that the jobs which
-- are claimed together are read from the same few pages, however many others there are.
create function headway_private.new_id() returns uuid
language sql volatile set search_path = ''
as $$
  select encode(
    set_bit(
      set_bit(
        overlay(
          uuid_send(gen_random_uuid())
          placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6
        ),
        52, 1
      ),
      53, 1
    ),
    'hex'
  )::uuid
$$;

revoke all on function
  headway_private.refuse(text, text, text, text), headway_private.is_service(), headway_private.new_id()
from public, anon, authenticated, service_role;
grant execute on function headway_private.refuse(text, text, text, text), headway_private.is_service()
to authenticated, service_role;

create function headway.version() returns integer
language sql immutable set search_path = ''
as $$ select 1 $$;

comment on function headway.version() is
  'The engine''s contract version; a client of another version refuses to talk to it.';

revoke all on function headway.version() from public, anon, authenticated, service_role;
grant execute on function headway.version() to authenticated, service_role;
