-- Sending from SQL. All run with the caller's rights: a policy on realtime.messages decides, and a refused or failed
-- send is a warning in the log, never an error in the caller's transaction (reference A.8).
create or replace function realtime.topic() returns text
language sql stable
as $$ select nullif(current_setting('realtime.topic', true), '')::text $$;

create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void
language plpgsql
as $$
declare
  message_id uuid := gen_random_uuid();
begin
  if jsonb_typeof(payload) = 'object' and not payload ? 'id' then
    payload := payload || jsonb_build_object('id', message_id);
  end if;
  perform set_config('realtime.topic', topic, true);
  insert into realtime.messages (id, payload, event, topic, private, extension)
  values (message_id, payload, event, topic, private, 'broadcast');
exception
  when others then
    raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;

create or replace function realtime.send_binary(payload bytea, event text, topic text, private boolean default true)
returns void
language plpgsql
as $$
begin
  perform set_config('realtime.topic', topic, true);
  insert into realtime.messages (binary_payload, event, topic, private, extension)
  values (payload, event, topic, private, 'broadcast');
exception
  when others then
    raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;

create or replace function realtime.broadcast_changes(
  topic_name text, event_name text, operation text, table_name text, table_schema text,
  new record, old record, level text default 'ROW'
) returns void
language plpgsql
as $$
begin
  if level = 'STATEMENT' then
    raise exception 'function can only be triggered for each row, not for each statement';
  end if;
  if operation not in ('INSERT', 'UPDATE', 'DELETE') then
    raise exception 'Unexpected operation type: %', operation;
  end if;
  perform realtime.send(
    jsonb_build_object(
      'old_record', old, 'record', new, 'operation', operation, 'table', table_name, 'schema', table_schema),
    event_name, topic_name, true);
exception
  when others then
    raise exception 'Failed to process the row: %', sqlerrm;
end
$$;

-- A subscription's filters may name only columns that its role can read, with values of the column's type. They are
-- sorted, so that equal sets of filters are equal.
create or replace function realtime.subscription_check_filters() returns trigger
language plpgsql
as $$
declare
  -- The generated column is not there yet when this runs.
  reader constant regrole := realtime.to_regrole(new.claims ->> 'role');
  filter realtime.user_defined_filter;
  column_type regtype;
  wanted text;
  parsed text;
begin
  foreach wanted in array coalesce(new.selected_columns, '{}') loop
    if not exists (
      select from pg_catalog.pg_attribute
       where attrelid = new.entity and attname = wanted and attnum > 0 and not attisdropped
         and has_column_privilege(reader, new.entity, attnum, 'SELECT')
    ) then
      raise exception 'invalid column for select %', wanted using errcode = 'invalid_parameter_value';
    end if;
  end loop;
  foreach filter in array new.filters loop
    select atttypid into column_type
      from pg_catalog.pg_attribute
     where attrelid = new.entity and attname = filter.column_name and attnum > 0 and not attisdropped
       and has_column_privilege(reader, new.entity, attnum, 'SELECT');
    if not found then
      raise exception 'invalid column for filter %', filter.column_name using errcode = 'invalid_parameter_value';
    end if;
    if filter.op = 'in' then
      execute format('select %L::%s[]::text', filter.value, column_type) into parsed;
      if cardinality(filter.value::text[]) > 100 then
        raise exception 'too many values for `in` filter. Maximum 100' using errcode = 'invalid_parameter_value';
      end if;
    elsif filter.op = 'is' then
      if lower(filter.value) not in ('null', 'true', 'false', 'unknown') then
        raise exception 'invalid value for `is` filter: %', filter.value using errcode = 'invalid_parameter_value';
      end if;
    elsif filter.op not in ('like', 'ilike', 'match', 'imatch') then
      execute format('select %L::%s::text', filter.value, column_type) into parsed;
    end if;
  end loop;
  new.filters := coalesce(
    (select array_agg(f order by f.column_name, f.op, f.value, f.negate)
       from unnest(new.filters) as f), '{}');
  return new;
end
$$;

create or replace trigger tr_check_filters before insert or update on realtime.subscription
  for each row execute function realtime.subscription_check_filters();

alter function realtime.topic() owner to supabase_realtime_admin;
alter function realtime.send(jsonb, text, text, boolean) owner to supabase_realtime_admin;
alter function realtime.send_binary(bytea, text, text, boolean) owner to supabase_realtime_admin;
alter function realtime.broadcast_changes(text, text, text, text, text, record, record, text)
  owner to supabase_realtime_admin;

do $publication$
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
  alter publication supabase_realtime owner to postgres;
end
$publication$;
