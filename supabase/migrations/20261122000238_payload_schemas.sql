-- Payloads are checked before a job exists, for whoever speaks HTTP: a kind may carry the JSON Schema of its payload.
--
-- What Postgres can decide surely is enforced: type, enum, const, required, properties, additionalProperties, items,
-- lengths, bounds, anyOf, oneOf, allOf and $ref to $defs (JSON Schema 2020-12). Other keywords, such as pattern and
-- format, are left to the worker, which validates again.

create function headway_private.has_type(value jsonb, wanted text) returns boolean
language sql immutable set search_path = ''
as $$
  select case wanted
    when 'integer' then jsonb_typeof(value) = 'number' and (value #>> '{}')::numeric = trunc((value #>> '{}')::numeric)
    else jsonb_typeof(value) = wanted
  end
$$;

create function headway_private.schema_bound(schema jsonb, word text) returns numeric
language sql immutable set search_path = ''
as $$ select case when jsonb_typeof(schema -> word) = 'number' then (schema ->> word)::numeric end $$;

-- What is wrong with a value, as {path, fault}; null when nothing is.
create function headway_private.schema_fault(
  value jsonb, schema jsonb, defs jsonb, path text, depth integer default 0, out at_path text, out fault text
)
language plpgsql immutable set search_path = ''
as $$
declare
  kind constant text := jsonb_typeof(value);
  amount numeric;
  part record;
  branch jsonb;
  fitting integer;
  first_path text;
  first_fault text;
begin
  -- A schema that refers to itself without end decides nothing.
  if depth > 64 or jsonb_typeof(schema) is distinct from 'object' then
    if schema = 'false' then
      at_path := path;
      fault := 'is not allowed';
    end if;
    return;
  end if;

  if schema ->> '$ref' like '#/$defs/%' then
    select f.at_path, f.fault into at_path, fault
    from headway_private.schema_fault(value, defs -> substr(schema ->> '$ref', 9), defs, path, depth + 1) f;
    if fault is not null then
      return;
    end if;
  end if;

  at_path := path;
  fault := case
    when jsonb_typeof(schema -> 'type') = 'string' and not headway_private.has_type(value, schema ->> 'type')
      then format('must be %s, not %s', schema ->> 'type', kind)
    when jsonb_typeof(schema -> 'type') = 'array' and not exists (
      select from jsonb_array_elements_text(schema -> 'type') t (wanted) where headway_private.has_type(value, t.wanted)
    ) then format('must be one of %s, not %s', schema ->> 'type', kind)
    when jsonb_typeof(schema -> 'enum') = 'array' and not exists (
      select from jsonb_array_elements(schema -> 'enum') e (allowed) where e.allowed = value
    ) then format('must be one of %s', left(schema ->> 'enum', 200))
    when schema ? 'const' and schema -> 'const' <> value then format('must be %s', left(schema ->> 'const', 200))
    when kind = 'string' and char_length(value #>> '{}') < headway_private.schema_bound(schema, 'minLength')
      then format('must have at least %s characters', schema ->> 'minLength')
    when kind = 'string' and char_length(value #>> '{}') > headway_private.schema_bound(schema, 'maxLength')
      then format('must have at most %s characters', schema ->> 'maxLength')
    when kind = 'array' and jsonb_array_length(value) < headway_private.schema_bound(schema, 'minItems')
      then format('must have at least %s entries', schema ->> 'minItems')
    when kind = 'array' and jsonb_array_length(value) > headway_private.schema_bound(schema, 'maxItems')
      then format('must have at most %s entries', schema ->> 'maxItems')
  end;
  if fault is null and kind = 'number' then
    amount := (value #>> '{}')::numeric;
    fault := case
      when amount < headway_private.schema_bound(schema, 'minimum') then format('must be at least %s', schema ->> 'minimum')
      when amount > headway_private.schema_bound(schema, 'maximum') then format('must be at most %s', schema ->> 'maximum')
      when amount <= headway_private.schema_bound(schema, 'exclusiveMinimum') then format('must be more than %s', schema ->> 'exclusiveMinimum')
      when amount >= headway_private.schema_bound(schema, 'exclusiveMaximum') then format('must be less than %s', schema ->> 'exclusiveMaximum')
    end;
  end if;
  if fault is not null then
    return;
  end if;

  if kind = 'object' then
    select format('%s.%s', path, r.name) into at_path
    from jsonb_array_elements_text(case when jsonb_typeof(schema -> 'required') = 'array' then schema -> 'required' end)
      with ordinality r (name, place)
    where not value ? r.name
    order by r.place
    limit 1;
    if found then
      fault := 'is missing';
      return;
    end if;
    for part in
      select e.key, e.value, coalesce(schema -> 'properties' -> e.key, schema -> 'additionalProperties') as rule
      from jsonb_each(value) e
    loop
      select f.at_path, f.fault into at_path, fault
      from headway_private.schema_fault(part.value, part.rule, defs, format('%s.%s', path, part.key), depth + 1) f;
      if fault is not null then
        return;
      end if;
    end loop;
  elsif kind = 'array' and schema ? 'items' then
    for part in select e.value, e.place from jsonb_array_elements(value) with ordinality e (value, place) loop
      select f.at_path, f.fault into at_path, fault
      from headway_private.schema_fault(part.value, schema -> 'items', defs, format('%s[%s]', path, part.place - 1), depth + 1) f;
      if fault is not null then
        return;
      end if;
    end loop;
  end if;

  for part in
    select k.word, schema -> k.word as branches from (values ('allOf'), ('anyOf'), ('oneOf')) k (word)
    where jsonb_typeof(schema -> k.word) = 'array'
  loop
    fitting := 0;
    first_fault := null;
    for branch in select b.value from jsonb_array_elements(part.branches) b loop
      select f.at_path, f.fault into at_path, fault
      from headway_private.schema_fault(value, branch, defs, path, depth + 1) f;
      if fault is null then
        fitting := fitting + 1;
      elsif part.word = 'allOf' then
        return;
      elsif first_fault is null or (kind = 'object' and at_path <> path) then
        -- The branch that got furthest into the value says most about what was meant.
        first_path := at_path;
        first_fault := fault;
      end if;
    end loop;
    if part.word <> 'allOf' and fitting = 0 and first_fault is not null then
      at_path := first_path;
      fault := first_fault;
      return;
    elsif part.word = 'oneOf' and fitting > 1 then
      at_path := path;
      fault := 'fits more than one of the allowed forms';
      return;
    end if;
  end loop;
  at_path := null;
  fault := null;
end
$$;

create function headway_private.refuse_unfit_payload(payload jsonb, schema jsonb, field text) returns void
language plpgsql immutable set search_path = ''
as $$
declare
  found_fault record;
begin
  select f.at_path, f.fault into found_fault
  from headway_private.schema_fault(payload, schema, coalesce(schema -> '$defs', '{}'), field) f;
  if found_fault.fault is not null then
    perform headway_private.refuse(
      'HW100', found_fault.fault, found_fault.at_path, 'The schema of the payload is in headway.kinds.payload_schema.'
    );
  end if;
end
$$;

revoke all on function
  headway_private.has_type(jsonb, text), headway_private.schema_fault(jsonb, jsonb, jsonb, text, integer),
  headway_private.schema_bound(jsonb, text), headway_private.refuse_unfit_payload(jsonb, jsonb, text)
from public, anon, authenticated, service_role;
