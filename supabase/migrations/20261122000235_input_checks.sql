-- Reading what callers send: each reader returns a typed value or refuses, naming the field and the remedy.
-- JSON null counts as absent everywhere.

-- The path of the first string or key in a document that contains a text; null without one.
create function headway_private.path_of(doc jsonb, needle text, path text) returns text
language plpgsql immutable set search_path = ''
as $$
declare
  part record;
  found_at text;
begin
  if jsonb_typeof(doc) = 'string' then
    return case when position(needle in doc #>> '{}') > 0 then path end;
  elsif jsonb_typeof(doc) = 'object' then
    for part in select e.key, e.value, case when path = '' then e.key else path || '.' || e.key end as inner_path
      from jsonb_each(doc) e
    loop
      if position(needle in part.key) > 0 then
        return coalesce(nullif(path, ''), 'body');
      end if;
      found_at := headway_private.path_of(part.value, needle, part.inner_path);
      if found_at is not null then
        return found_at;
      end if;
    end loop;
  elsif jsonb_typeof(doc) = 'array' then
    for part in select e.value, format('%s[%s]', path, e.place - 1) as inner_path
      from jsonb_array_elements(doc) with ordinality e (value, place)
    loop
      found_at := headway_private.path_of(part.value, needle, part.inner_path);
      if found_at is not null then
        return found_at;
      end if;
    end loop;
  end if;
  return null;
end
$$;

-- Where in a document a NUL character is. json functions refuse to look at such a document, so the escapes are
-- replaced by a mark that cannot be in it.
create function headway_private.path_of_nul(body json, field text) returns text
language plpgsql volatile set search_path = ''
as $$
declare
  mark constant text := 'nul' || replace(gen_random_uuid()::text, '-', '');
begin
  return coalesce(
    headway_private.path_of(
      regexp_replace(body::text, '(?<!\\)((?:\\\\)*)\\u0000', '\1' || mark, 'g')::jsonb, mark, field
    ),
    nullif(field, ''), 'body'
  );
exception when data_exception or program_limit_exceeded then
  return coalesce(nullif(field, ''), 'body'); -- it has other faults as well
end
$$;

-- A document as jsonb, or a refusal that says what in it cannot be stored.
create function headway_private.storable(body json, field text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
begin
  return body::jsonb;
exception
  when untranslatable_character then
    perform headway_private.refuse(
      'HW105', 'text contains a NUL character, which Postgres cannot store',
      headway_private.path_of_nul(body, field), 'Remove \u0000 from the text, or send the data as a file.'
    );
  when statement_too_complex then
    perform headway_private.refuse(
      'HW106', 'nested too deeply', coalesce(nullif(field, ''), 'body'), 'Send at most 64 levels of objects and arrays.'
    );
  when program_limit_exceeded then
    perform headway_private.refuse('HW104', 'too large to store: ' || sqlerrm, coalesce(nullif(field, ''), 'body'), 'Send large data as a file.');
  when data_exception then
    perform headway_private.refuse(
      'HW105', 'not storable as JSON: ' || sqlerrm, coalesce(nullif(field, ''), 'body'),
      'Send well-formed Unicode and numbers of at most 131,072 digits.'
    );
end
$$;

create function headway_private.refuse_deep(doc jsonb, field text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
  if jsonb_typeof(doc) in ('object', 'array') and jsonb_path_exists(doc, 'strict $.**{65}') then
    perform headway_private.refuse('HW106', 'nested too deeply', field, 'Use at most 64 levels of objects and arrays.');
  end if;
end
$$;

create function headway_private.read_text(
  value jsonb, field text, longest integer, pattern text default null, remedy text default null
) returns text
language plpgsql immutable set search_path = ''
as $$
declare
  answer text;
begin
  if jsonb_typeof(value) is null or jsonb_typeof(value) = 'null' then
    return null;
  end if;
  if jsonb_typeof(value) <> 'string' then
    perform headway_private.refuse(
      'HW100', format('must be a string, not %s', jsonb_typeof(value)), field, coalesce(remedy, 'Send a JSON string.')
    );
  end if;
  answer := value #>> '{}';
  if char_length(answer) not between 1 and longest then
    perform headway_private.refuse(
      'HW103', format('must have 1 to %s characters, not %s', longest, char_length(answer)), field,
      coalesce(remedy, format('Send 1 to %s characters, or leave it out.', longest))
    );
  end if;
  if pattern is not null and answer !~ pattern then
    perform headway_private.refuse(
      'HW100', 'has the wrong format', field, coalesce(remedy, format('Send text that matches %s.', pattern))
    );
  end if;
  return answer;
end
$$;

create function headway_private.read_uuid(value jsonb, field text) returns uuid
language plpgsql immutable set search_path = ''
as $$
begin
  return headway_private.read_text(
    value, field, 36, '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$',
    'Send a UUID such as 6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b.'
  )::uuid;
end
$$;

create function headway_private.read_number(value jsonb, field text, least_value numeric, greatest_value numeric)
returns numeric
language plpgsql immutable set search_path = ''
as $$
declare
  answer numeric;
begin
  if jsonb_typeof(value) is null or jsonb_typeof(value) = 'null' then
    return null;
  end if;
  if jsonb_typeof(value) = 'number' then
    answer := value::numeric;
  elsif jsonb_typeof(value) = 'string' and value #>> '{}' ~ '^-?[0-9]{1,30}(\.[0-9]{1,30})?$' then
    -- Money travels as a string where a JSON number would lose digits.
    answer := (value #>> '{}')::numeric;
  else
    perform headway_private.refuse(
      'HW100', format('must be a number, not %s', jsonb_typeof(value)), field,
      format('Send a number from %s to %s.', least_value, greatest_value)
    );
  end if;
  if answer not between least_value and greatest_value then
    perform headway_private.refuse(
      'HW103', format('must be from %s to %s', least_value, greatest_value), field,
      format('Send a number from %s to %s.', least_value, greatest_value)
    );
  end if;
  return answer;
end
$$;

create function headway_private.read_integer(value jsonb, field text, least_value bigint, greatest_value bigint)
returns bigint
language plpgsql immutable set search_path = ''
as $$
declare
  answer numeric;
begin
  if jsonb_typeof(value) is null or jsonb_typeof(value) = 'null' then
    return null;
  end if;
  if jsonb_typeof(value) <> 'number' or value::numeric <> trunc(value::numeric) then
    perform headway_private.refuse(
      'HW100', format('must be a whole number, not %s', left(value::text, 40)), field,
      format('Send a whole number from %s to %s.', least_value, greatest_value)
    );
  end if;
  answer := value::numeric;
  if answer not between least_value and greatest_value then
    perform headway_private.refuse(
      'HW103', format('must be from %s to %s', least_value, greatest_value), field,
      format('Send a whole number from %s to %s.', least_value, greatest_value)
    );
  end if;
  return answer;
end
$$;

-- A point in time with its offset from UTC, at most 366 days from now either way.
create function headway_private.read_time(value jsonb, field text) returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  answer timestamptz;
  remedy constant text := 'Send ISO 8601 with an offset, such as 2026-11-22T10:00:00Z, at most 366 days from now.';
  written text := headway_private.read_text(value, field, 40, null, remedy);
begin
  if written is null then
    return null;
  end if;
  if written !~ '^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)$' then
    perform headway_private.refuse('HW100', 'is not a time with an offset', field, remedy);
  end if;
  begin
    answer := written::timestamptz;
  exception when data_exception then
    perform headway_private.refuse('HW100', 'is not a time that exists', field, remedy);
  end;
  if answer not between now() - interval '366 days' and now() + interval '366 days' then
    perform headway_private.refuse('HW103', 'is too far from now', field, remedy);
  end if;
  return answer;
end
$$;

create function headway_private.read_object(value jsonb, field text, most_bytes integer) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if jsonb_typeof(value) is null or jsonb_typeof(value) = 'null' then
    return null;
  end if;
  if jsonb_typeof(value) <> 'object' then
    perform headway_private.refuse(
      'HW100', format('must be an object, not %s', jsonb_typeof(value)), field, 'Send a JSON object.'
    );
  end if;
  if octet_length(value::text) > most_bytes then
    perform headway_private.refuse(
      'HW104', format('has %s bytes, more than %s', octet_length(value::text), most_bytes), field,
      format('Send at most %s bytes.', most_bytes)
    );
  end if;
  perform headway_private.refuse_deep(value, field);
  return value;
end
$$;

create function headway_private.read_array(value jsonb, field text, longest integer) returns jsonb
language plpgsql immutable set search_path = ''
as $$
begin
  if jsonb_typeof(value) is null or jsonb_typeof(value) = 'null' then
    return null;
  end if;
  if jsonb_typeof(value) <> 'array' then
    perform headway_private.refuse(
      'HW100', format('must be an array, not %s', jsonb_typeof(value)), field, 'Send a JSON array.'
    );
  end if;
  if jsonb_array_length(value) > longest then
    perform headway_private.refuse(
      'HW103', format('has %s entries, more than %s', jsonb_array_length(value), longest), field,
      format('Send at most %s entries at a time.', longest)
    );
  end if;
  return value;
end
$$;

create function headway_private.refuse_unknown_fields(value jsonb, known text[], path text) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  stranger text;
begin
  if value - known = '{}' then
    return;
  end if;
  select k.name into stranger from jsonb_object_keys(value - known) k (name) order by k.name limit 1;
  perform headway_private.refuse(
    'HW101', 'unknown field', path || left(stranger, 100),
    'Known fields: ' || array_to_string(known, ', ') || '.'
  );
end
$$;

revoke all on function
  headway_private.path_of(jsonb, text, text), headway_private.path_of_nul(json, text),
  headway_private.storable(json, text), headway_private.refuse_deep(jsonb, text), headway_private.read_text(jsonb, text, integer, text, text),
  headway_private.read_uuid(jsonb, text), headway_private.read_number(jsonb, text, numeric, numeric),
  headway_private.read_integer(jsonb, text, bigint, bigint), headway_private.read_time(jsonb, text),
  headway_private.read_object(jsonb, text, integer), headway_private.read_array(jsonb, text, integer),
  headway_private.refuse_unknown_fields(jsonb, text[], text)
from public, anon, authenticated, service_role;
-- submit runs as its caller and reads the body before anything else.
grant execute on function
  headway_private.storable(json, text), headway_private.path_of(jsonb, text, text),
  headway_private.path_of_nul(json, text)
to authenticated, service_role;
