-- Listings, as the v1 and v2 list endpoints and some projects' own functions call them. They run with the caller's
-- rights, so policies decide what is listed.
set local role supabase_storage_admin;

-- The folders and objects right below a prefix, in name order, found by jumping over each folder's content: the
-- cost grows with the answer, not with the bucket.
create or replace function storage.list_objects_with_delimiter(
  _bucket_id text,
  prefix_param text,
  delimiter_param text,
  max_keys integer default 100,
  start_after text default '',
  next_token text default '',
  sort_order text default 'asc'
) returns table (
  name text, id uuid, metadata jsonb, updated_at timestamptz, created_at timestamptz, last_accessed_at timestamptz
)
language plpgsql stable
as $$
declare
  prefix constant text := coalesce(prefix_param, '');
  delimiter constant text := coalesce(delimiter_param, '');
  descending constant boolean := lower(coalesce(sort_order, 'asc')) = 'desc';
  pattern constant text := regexp_replace(prefix, '([\\%_])', '\\\1', 'g') || '%';
  after text := coalesce(nullif(next_token, ''), nullif(start_after, ''));
  inclusive boolean := false;
  found_object storage.objects%rowtype;
  rest text;
  folder text;
  listed integer := 0;
begin
  -- A cursor that names a folder stands behind everything in it.
  if after is not null and delimiter <> '' and right(after, length(delimiter)) = delimiter and not descending then
    after := left(after, -1) || chr(ascii(right(after, 1)) + 1);
    inclusive := true;
  end if;
  while listed < coalesce(max_keys, 100) loop
    if descending then
      select * into found_object
        from storage.objects as object
       where object.bucket_id = _bucket_id and object.name like pattern
         and (after is null or object.name collate "C" < after)
       order by object.name collate "C" desc
       limit 1;
    else
      select * into found_object
        from storage.objects as object
       where object.bucket_id = _bucket_id and object.name like pattern
         and object.name collate "C" >= coalesce(after, prefix)
         and (inclusive or after is null or object.name collate "C" <> after)
       order by object.name collate "C"
       limit 1;
    end if;
    exit when not found;
    listed := listed + 1;
    rest := substr(found_object.name, length(prefix) + 1);
    if delimiter <> '' and strpos(rest, delimiter) > 0 then
      folder := prefix || split_part(rest, delimiter, 1) || delimiter;
      return query select folder, null::uuid, null::jsonb, null::timestamptz, null::timestamptz, null::timestamptz;
      if descending then
        after := folder;
      else
        after := left(folder, -1) || chr(ascii(right(folder, 1)) + 1);
        inclusive := true;
      end if;
    else
      return query select found_object.name, found_object.id, found_object.metadata, found_object.updated_at,
                          found_object.created_at, found_object.last_accessed_at;
      after := found_object.name;
      inclusive := false;
    end if;
  end loop;
end
$$;

-- The v1 list: folders first, then objects; names are relative to the folder that is listed.
create or replace function storage.search(
  prefix text,
  bucketname text,
  limits integer default 100,
  levels integer default 1,
  offsets integer default 0,
  search text default '',
  sortcolumn text default 'name',
  sortorder text default 'asc'
) returns table (
  name text, id uuid, updated_at timestamptz, created_at timestamptz, last_accessed_at timestamptz, metadata jsonb
)
language plpgsql stable
as $$
declare
  direction constant text := case when lower(coalesce(sortorder, 'asc')) = 'desc' then 'desc' else 'asc' end;
  sort_column constant text := case
    when lower(coalesce(sortcolumn, 'name')) in ('updated_at', 'created_at', 'last_accessed_at')
    then lower(sortcolumn) else 'name' end;
  pattern constant text :=
    regexp_replace(coalesce(prefix, '') || coalesce(search, ''), '([\\%_])', '\\\1', 'g') || '%';
begin
  return query execute format(
    $query$
      with matching as (
        select object.path_tokens[$2] as segment, array_length(object.path_tokens, 1) > $2 as is_folder,
               object.id, object.updated_at, object.created_at, object.last_accessed_at, object.metadata
          from storage.objects as object
         where object.bucket_id = $3 and object.name ilike $1 and array_length(object.path_tokens, 1) >= $2
      ),
      entries as (
        select distinct segment, true as is_folder, null::uuid as id, null::timestamptz as updated_at,
               null::timestamptz as created_at, null::timestamptz as last_accessed_at, null::jsonb as metadata
          from matching where is_folder
        union all
        select segment, false, m.id, m.updated_at, m.created_at, m.last_accessed_at, m.metadata
          from matching as m where not is_folder
      )
      select segment, e.id, e.updated_at, e.created_at, e.last_accessed_at, e.metadata
        from entries as e
       order by is_folder desc, case when is_folder then segment end collate "C" %2$s, %1$s %2$s,
                segment collate "C" %2$s
       limit $4 offset $5
    $query$,
    case sort_column when 'name' then 'segment collate "C"' else 'e.' || sort_column end,
    direction
  ) using pattern, coalesce(levels, 1), bucketname, least(coalesce(limits, 100), 1500), coalesce(offsets, 0);
end
$$;

-- The v2 list: full names, a folder's with its trailing slash; by name, or by a time stamp with the name as tie-break.
create or replace function storage.search_v2(
  prefix text,
  bucket_name text,
  limits integer default 100,
  levels integer default 1,
  start_after text default '',
  sort_order text default 'asc',
  sort_column text default 'name',
  sort_column_after text default ''
) returns table (
  key text, name text, id uuid, updated_at timestamptz, created_at timestamptz, last_accessed_at timestamptz,
  metadata jsonb
)
language plpgsql stable
as $$
declare
  maximum constant integer := least(coalesce(limits, 100), 1500);
  direction constant text := case when lower(coalesce(sort_order, 'asc')) = 'desc' then 'desc' else 'asc' end;
  by_time constant text := case
    when lower(coalesce(sort_column, 'name')) in ('updated_at', 'created_at') then lower(sort_column) end;
  pattern constant text := regexp_replace(coalesce(prefix, ''), '([\\%_])', '\\\1', 'g') || '%';
begin
  if by_time is null then
    return query
      select split_part(entry.name, '/', levels), entry.name, entry.id, entry.updated_at, entry.created_at,
             entry.last_accessed_at, entry.metadata
        from storage.list_objects_with_delimiter(
               bucket_name, coalesce(prefix, ''), '/', maximum, start_after, '', direction) as entry;
    return;
  end if;
  return query execute format(
    $query$
      with entries as (
        select distinct on (entry.name) entry.*
          from (
            select case when array_length(object.path_tokens, 1) > $1
                        then array_to_string(object.path_tokens[1:$1], '/') || '/' else object.name end as name,
                   case when array_length(object.path_tokens, 1) > $1 then null else object.id end as id,
                   object.updated_at, object.created_at, object.last_accessed_at,
                   case when array_length(object.path_tokens, 1) > $1 then null else object.metadata end as metadata
              from storage.objects as object
             where object.bucket_id = $2 and object.name like $3
          ) as entry
         order by entry.name, entry.%1$I %2$s
      )
      select split_part(e.name, '/', $1), e.name, e.id, e.updated_at, e.created_at, e.last_accessed_at, e.metadata
        from entries as e
       where $4 = '' or row(date_trunc('milliseconds', e.%1$I), e.name collate "C") %3$s
                        row(date_trunc('milliseconds', nullif($5, '')::timestamptz), $4 collate "C")
       order by date_trunc('milliseconds', e.%1$I) %2$s, e.name collate "C" %2$s
       limit $6
    $query$,
    by_time, direction, case direction when 'asc' then '>' else '<' end
  ) using coalesce(levels, 1), bucket_name, pattern, coalesce(start_after, ''), coalesce(sort_column_after, ''), maximum;
end
$$;
