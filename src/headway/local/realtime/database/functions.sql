-- Made in pg_temp of each of Realtime's own connections, so that nothing of them shows in the user's catalogue and a
-- restored or reset database needs no repair. All run as supabase_admin until they change the role themselves; what
-- they change or store is undone before they return.

-- Which extensions of a topic a caller may read: probe rows are stored, then selected with the caller's role and
-- claims (supabase/realtime lib/realtime/tenants/authorization.ex).
create function pg_temp.read_rights(
  topic text, extensions text[], caller_role text, claims text, sub text, headers text
) returns text[]
language plpgsql
as $$
declare
  moment constant timestamp := now() at time zone 'utc';
  probes constant uuid[] := array(select gen_random_uuid() from unnest(extensions));
  allowed text[];
begin
  insert into realtime.messages (id, topic, extension, updated_at, inserted_at)
  select probe, read_rights.topic, extension, moment, moment
    from unnest(probes, extensions) as p (probe, extension);
  perform set_config('role', caller_role, true),
          set_config('realtime.topic', topic, true),
          set_config('request.jwt.claims', claims, true),
          set_config('request.jwt.claim.sub', sub, true),
          set_config('request.jwt.claim.role', caller_role, true),
          set_config('request.headers', headers, true);
  select array_agg(m.extension) into allowed
    from realtime.messages as m
   where m.id = any (probes) and m.inserted_at = moment;
  raise exception using errcode = 'HWUND';
exception
  when sqlstate 'HWUND' then
    return coalesce(allowed, '{}');
end
$$;

-- Which extensions of a topic a caller may write: each insert is tried with the caller's role and claims.
create function pg_temp.write_rights(
  topic text, extensions text[], caller_role text, claims text, sub text, headers text
) returns text[]
language plpgsql
as $$
declare
  moment constant timestamp := now() at time zone 'utc';
  allowed text[] := '{}';
  wanted text;
begin
  perform set_config('role', caller_role, true),
          set_config('realtime.topic', topic, true),
          set_config('request.jwt.claims', claims, true),
          set_config('request.jwt.claim.sub', sub, true),
          set_config('request.jwt.claim.role', caller_role, true),
          set_config('request.headers', headers, true);
  foreach wanted in array extensions loop
    begin
      insert into realtime.messages (topic, extension, updated_at, inserted_at)
      values (topic, wanted, moment, moment);
      allowed := allowed || wanted;
    exception
      when insufficient_privilege then null;
    end;
  end loop;
  raise exception using errcode = 'HWUND';
exception
  when sqlstate 'HWUND' then
    return allowed;
end
$$;

-- Returns when transactions that the log has shown are visible to new snapshots. Postgres ships a commit as soon as it is
-- flushed, a moment before others can see its rows; a check that came first would take them for missing.
create function pg_temp.await_visible(xids bigint[]) returns void
language plpgsql
as $$
declare
  rounds integer := 0;
begin
  loop
    -- The log holds 32 bits of an xid8; the epoch is that of the newest one, or the one before.
    exit when not exists (
      select from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint) as newest (xid),
                  unnest(xids) as given (xid),
                  lateral (select (newest.xid >> 32 << 32) | given.xid) as wide (xid),
                  lateral (select case when wide.xid > newest.xid and wide.xid - newest.xid > 2147483648
                                       then wide.xid - 4294967296 else wide.xid end) as full_id (xid)
       where not pg_visible_in_snapshot(full_id.xid::text::xid8, pg_current_snapshot())
    );
    rounds := rounds + 1;
    if rounds > 20 then
      perform pg_sleep(0.001);
    end if;
  end loop;
end
$$;

-- The JSON that to_jsonb makes of values given as text.
create function pg_temp.as_json(types oid[], given text[]) returns text[]
language plpgsql
as $$
declare
  made text[] := '{}';
  document jsonb;
begin
  for n in 1 .. coalesce(cardinality(given), 0) loop
    execute format('select to_jsonb(%L::%s)', given[n], types[n]::regtype) into document;
    made := array_append(made, document::text);
  end loop;
  return made;
end
$$;

-- Whether each comparison of a filter holds; null and false are both no (walrus, check_equality_op).
create function pg_temp.filters_hold(
  ops text[], types oid[], lefts text[], rights text[], negations boolean[]
) returns boolean[]
language plpgsql
as $$
declare
  results boolean[] := '{}';
  result boolean;
begin
  for n in 1 .. coalesce(cardinality(ops), 0) loop
    if ops[n] = 'isdistinct' then
      execute format('select %L::%s is distinct from %L::%s',
                     lefts[n], types[n]::regtype, rights[n], types[n]::regtype) into result;
    elsif ops[n] = 'is' then
      execute format('select %L::%s is %s', lefts[n], types[n]::regtype,
                     case rights[n] when 'null' then 'null' when 'true' then 'true'
                                    when 'false' then 'false' else 'unknown' end) into result;
    else
      execute format('select %L::%s %s (%L::%s%s)', lefts[n], types[n]::regtype,
                     case ops[n] when 'eq' then '=' when 'neq' then '<>' when 'lt' then '<' when 'lte' then '<='
                                 when 'gt' then '>' when 'gte' then '>=' when 'in' then '= any' when 'like' then 'like'
                                 when 'ilike' then 'ilike' when 'match' then '~' when 'imatch' then '~*' end,
                     rights[n], types[n]::regtype, case ops[n] when 'in' then '[]' else '' end) into result;
    end if;
    results := array_append(results, coalesce(result <> negations[n], false));
  end loop;
  return results;
end
$$;

-- A filter's value as the type writes it, once it is known that the role may filter by the column and that the
-- operator fits its type. The messages are the real server's (realtime.subscription_check_filters).
create function pg_temp.check_filter(entity oid, caller_role text, column_name text, op text, given text)
returns table (type_oid oid, written text[])
language plpgsql
as $$
declare
  column_type regtype;
begin
  select a.atttypid into column_type
    from pg_catalog.pg_attribute as a
   where a.attrelid = entity and a.attname = column_name and a.attnum > 0 and not a.attisdropped
     and has_column_privilege(caller_role, entity, a.attnum, 'SELECT');
  if not found then
    raise exception 'invalid column for filter %', column_name;
  end if;
  type_oid := column_type;
  if op = 'in' then
    execute format('select %L::%s[]::text[]', given, column_type) into written;
    if cardinality(written) > 100 then
      raise exception 'too many values for `in` filter. Maximum 100';
    end if;
  elsif op = 'is' then
    if given not in ('null', 'true', 'false', 'unknown') then
      raise exception 'invalid value for is filter: must be null, true, false, or unknown';
    elsif given <> 'null' and column_type <> 'boolean'::regtype then
      raise exception 'is % filter requires a boolean column, got %', given, column_type;
    end if;
    written := array[given];
  elsif op in ('like', 'ilike', 'match', 'imatch') then
    if not exists (
      select from pg_catalog.pg_operator as o
       where o.oprname = case op when 'match' then '~' when 'imatch' then '~*' else '~~' end
         and o.oprleft = column_type and o.oprresult = 'boolean'::regtype
    ) then
      raise exception 'operator % requires a text-compatible column type, got %', op, column_type;
    end if;
    if op in ('match', 'imatch') then
      begin
        perform '' ~ given;
      exception
        when others then
          raise exception 'invalid regular expression for % filter: %', op, sqlerrm;
      end;
    end if;
    written := array[given];
  else
    execute format('select array[%L::%s::text]', given, column_type) into written;
  end if;
  return next;
end
$$;

-- The columns that each role may select; null for all of them. A role that is gone is missing.
create function pg_temp.selectable(entity oid, roles text[]) returns jsonb
language plpgsql
as $$
declare
  granted jsonb := '{}';
  one text;
begin
  foreach one in array roles loop
    if to_regrole(quote_ident(one)) is null then
      continue;
    elsif has_table_privilege(one, entity, 'SELECT') then
      granted := granted || jsonb_build_object(one, null);
    else
      granted := granted || jsonb_build_object(one, (
        select coalesce(jsonb_agg(a.attname), '[]')
          from pg_catalog.pg_attribute as a
         where a.attrelid = entity and a.attnum > 0 and not a.attisdropped
           and has_column_privilege(one, entity, a.attnum, 'SELECT')));
    end if;
  end loop;
  return granted;
end
$$;
