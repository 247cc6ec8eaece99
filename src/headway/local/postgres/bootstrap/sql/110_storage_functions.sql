-- The functions that policies use: parts of an object's name, the operation under way, trial inserts.
set local role supabase_storage_admin;

create or replace function storage.foldername(name text) returns text[]
language sql immutable
as $$ select (string_to_array(name, '/'))[1:array_length(string_to_array(name, '/'), 1) - 1] $$;

create or replace function storage.filename(name text) returns text
language sql immutable
as $$ select (string_to_array(name, '/'))[array_length(string_to_array(name, '/'), 1)] $$;

create or replace function storage.extension(name text) returns text
language sql immutable
as $$
  select reverse(split_part(reverse((string_to_array(name, '/'))[array_length(string_to_array(name, '/'), 1)]), '.', 1))
$$;

create or replace function storage.operation() returns text
language sql stable
as $$ select current_setting('storage.operation', true) $$;

create or replace function storage.allow_any_operation(expected_operations text[]) returns boolean
language sql stable
as $$
  select coalesce(
    nullif(regexp_replace(coalesce(storage.operation(), ''), '^storage\.', ''), '') = any (
      select regexp_replace(expected, '^storage\.', '')
        from unnest(expected_operations) as expected
       where expected is not null
    ),
    false
  )
$$;

create or replace function storage.allow_only_operation(expected_operation text) returns boolean
language sql stable
as $$ select storage.allow_any_operation(array[expected_operation]) $$;

create or replace function storage.get_size_by_bucket() returns table (size bigint, bucket_id text)
language sql stable
as $$
  select sum((object.metadata ->> 'size')::bigint)::bigint, object.bucket_id
    from storage.objects as object
   group by object.bucket_id
$$;

-- Raises what row level security has against the insert, and never leaves a row behind.
create or replace function storage.can_insert_object(bucketid text, name text, owner uuid, metadata jsonb)
returns void
language plpgsql
as $$
begin
  begin
    insert into storage.objects (bucket_id, name, owner, metadata) values (bucketid, name, owner, metadata);
    raise exception sqlstate 'PT200' using message = 'ROLLBACK', detail = 'rollback successful insert';
  exception
    when sqlstate 'PT200' then null;
  end;
end
$$;
