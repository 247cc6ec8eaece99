-- Workers say who they are and what they run; kinds and queues come into being that way.

create function headway_private.read_stages(value jsonb, field text) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  stages jsonb := '[]';
  stage jsonb;
  path text;
  place integer := 0;
begin
  if headway_private.read_array(value, field, 50) is null then
    return stages;
  end if;
  for stage in select e.value from jsonb_array_elements(value) e loop
    path := format('%s[%s]', field, place);
    place := place + 1;
    if jsonb_typeof(stage) = 'string' then
      stage := jsonb_build_object('name', stage);
    elsif jsonb_typeof(stage) <> 'object' then
      perform headway_private.refuse('HW100', 'must be a name or an object', path, 'Send {"name", "label", "weight"}.');
    end if;
    perform headway_private.refuse_unknown_fields(stage, '{name,label,weight}', path || '.');
    if headway_private.read_text(stage -> 'name', path || '.name', 100) is null then
      perform headway_private.refuse('HW102', 'is missing', path || '.name', 'Name every stage.');
    end if;
    stages := stages || jsonb_build_object(
      'name', stage ->> 'name',
      'label', coalesce(headway_private.read_text(stage -> 'label', path || '.label', 200), stage ->> 'name'),
      'weight', coalesce(headway_private.read_number(stage -> 'weight', path || '.weight', 0, 1000000), 1)
    );
  end loop;
  return stages;
end
$$;

create function headway_private.read_kind(value jsonb, path text, worker_id uuid) returns headway.kinds
language plpgsql stable set search_path = ''
as $$
declare
  kind headway.kinds;
begin
  if jsonb_typeof(value) is distinct from 'object' then
    perform headway_private.refuse('HW100', 'must be an object', path, 'Send {"kind", ...}.');
  end if;
  perform headway_private.refuse_unknown_fields(
    value,
    '{kind,queue,description,submitters,priority,max_priority,max_attempts,timeout_seconds,backoff_base_seconds,backoff_max_seconds,stages,retention_seconds,concurrency,tenant_concurrency,cost_budget,push,payload_schema,payload_limit,result_limit}',
    path || '.'
  );
  kind.kind := headway_private.read_text(
    value -> 'kind', path || '.kind', 100, '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$',
    'Use lower-case words joined by dots, such as cv.parse.'
  );
  if kind.kind is null then
    perform headway_private.refuse('HW102', 'is missing', path || '.kind', 'Name the kind, such as cv.parse.');
  end if;
  kind.queue := coalesce(
    headway_private.read_text(
      value -> 'queue', path || '.queue', 63, '^[a-z][a-z0-9_-]*$', 'Use lower-case letters, digits, _ and -.'
    ),
    'default'
  );
  kind.description := headway_private.read_text(value -> 'description', path || '.description', 1000);
  kind.submitters := coalesce(
    headway_private.read_text(value -> 'submitters', path || '.submitters', 10, '^(users|service)$', 'Send users or service.'),
    'users'
  );
  kind.priority := coalesce(headway_private.read_integer(value -> 'priority', path || '.priority', 0, 9), 5);
  kind.max_priority := coalesce(
    headway_private.read_integer(value -> 'max_priority', path || '.max_priority', kind.priority, 9), 9
  );
  kind.max_attempts := coalesce(headway_private.read_integer(value -> 'max_attempts', path || '.max_attempts', 1, 100), 5);
  kind.timeout_seconds := coalesce(
    headway_private.read_integer(value -> 'timeout_seconds', path || '.timeout_seconds', 1, 604800), 900
  );
  kind.backoff_base_seconds := coalesce(
    headway_private.read_number(value -> 'backoff_base_seconds', path || '.backoff_base_seconds', 0, 604800), 5
  );
  kind.backoff_max_seconds := coalesce(
    headway_private.read_number(value -> 'backoff_max_seconds', path || '.backoff_max_seconds', 0, 604800), 3600
  );
  kind.stages := headway_private.read_stages(value -> 'stages', path || '.stages');
  kind.retention := make_interval(secs => coalesce(
    headway_private.read_integer(value -> 'retention_seconds', path || '.retention_seconds', 60, 316224000), 604800
  )::double precision);
  kind.concurrency := headway_private.read_integer(value -> 'concurrency', path || '.concurrency', 0, 1000000);
  kind.tenant_concurrency := headway_private.read_integer(
    value -> 'tenant_concurrency', path || '.tenant_concurrency', 1, 1000000
  );
  kind.cost_budget := headway_private.read_number(value -> 'cost_budget', path || '.cost_budget', 0, 1000000000);
  kind.push := coalesce(
    headway_private.read_text(value -> 'push', path || '.push', 10, '^(always|watched)$', 'Send always or watched.'), 'always'
  );
  kind.payload_schema := headway_private.read_object(value -> 'payload_schema', path || '.payload_schema', 65536);
  kind.payload_limit := coalesce(
    headway_private.read_integer(value -> 'payload_limit', path || '.payload_limit', 2, 16777216), 1048576
  );
  kind.result_limit := coalesce(
    headway_private.read_integer(value -> 'result_limit', path || '.result_limit', 2, 67108864), 4194304
  );
  kind.registered_by := worker_id;
  return kind;
end
$$;

create function headway.register_worker(
  worker_id uuid,
  name text,
  kinds json,
  version text default null,
  slots integer default 1,
  info json default '{}'
) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  specs jsonb := headway_private.read_array(headway_private.storable(kinds, 'kinds'), 'kinds', 1000);
  details jsonb := coalesce(headway_private.read_object(headway_private.storable(info, 'info'), 'info', 8192), '{}');
  known headway.kinds[];
begin
  if worker_id is null then
    perform headway_private.refuse('HW102', 'is missing', 'worker_id', 'Make a new UUID at every start of a worker.');
  end if;
  if name is null or char_length(name) not between 1 and 200 then
    perform headway_private.refuse('HW103', 'must have 1 to 200 characters', 'name', 'Name the worker.');
  end if;
  if char_length(version) > 100 then
    perform headway_private.refuse('HW103', 'must have at most 100 characters', 'version', 'Shorten it.');
  end if;
  if slots is null or slots not between 0 and 100000 then
    perform headway_private.refuse('HW103', 'must be from 0 to 100000', 'slots', 'Send how many jobs it runs at once.');
  end if;
  if specs is null then
    perform headway_private.refuse('HW102', 'is missing', 'kinds', 'Send an array of kinds; an empty one runs nothing.');
  end if;

  -- In the order of their names, so that workers which start together do not wait for each other in a ring.
  select array_agg(k order by (k).kind) into known
  from (
    select distinct on ((r.k).kind) r.k
    from (
      select headway_private.read_kind(e.value, format('kinds[%s]', e.place - 1), worker_id) as k, e.place
      from jsonb_array_elements(specs) with ordinality e (value, place)
    ) r
    order by (r.k).kind, r.place desc
  ) d;

  insert into headway.queues (queue)
  select distinct k.queue from unnest(known) k order by 1
  on conflict do nothing;

  insert into headway.kinds as present (
    kind, queue, description, submitters, priority, max_priority, max_attempts, timeout_seconds, backoff_base_seconds,
    backoff_max_seconds, stages, retention, concurrency, tenant_concurrency, cost_budget, push, payload_schema,
    payload_limit, result_limit, registered_by
  )
  select k.kind, k.queue, k.description, k.submitters, k.priority, k.max_priority, k.max_attempts, k.timeout_seconds,
    k.backoff_base_seconds, k.backoff_max_seconds, k.stages, k.retention, k.concurrency, k.tenant_concurrency,
    k.cost_budget, k.push, k.payload_schema, k.payload_limit, k.result_limit, k.registered_by
  from unnest(known) k
  order by k.kind
  on conflict (kind) do update set
    queue = excluded.queue, description = excluded.description, submitters = excluded.submitters,
    priority = excluded.priority, max_priority = excluded.max_priority, max_attempts = excluded.max_attempts, timeout_seconds = excluded.timeout_seconds,
    backoff_base_seconds = excluded.backoff_base_seconds, backoff_max_seconds = excluded.backoff_max_seconds,
    stages = excluded.stages, retention = excluded.retention,
    concurrency = case when present.limits_pinned then present.concurrency else excluded.concurrency end,
    tenant_concurrency = case when present.limits_pinned then present.tenant_concurrency else excluded.tenant_concurrency end,
    cost_budget = excluded.cost_budget, push = excluded.push, payload_schema = excluded.payload_schema,
    payload_limit = excluded.payload_limit,
    result_limit = excluded.result_limit, registered_by = excluded.registered_by, updated_at = now();

  insert into headway.workers (id, name, version, slots, info, kinds, queues)
  values (
    worker_id, name, version, slots, details,
    coalesce((select array_agg(k.kind order by k.kind) from unnest(known) k), '{}'),
    coalesce((select array_agg(distinct k.queue order by k.queue) from unnest(known) k), '{}')
  )
  on conflict (id) do update set
    name = excluded.name, version = excluded.version, slots = excluded.slots, info = excluded.info,
    kinds = excluded.kinds, queues = excluded.queues, last_seen_at = clock_timestamp(), stopped_at = null;

  return (
    select jsonb_build_object(
      'worker_id', w.id, 'kinds', to_jsonb(w.kinds), 'queues', to_jsonb(w.queues), 'version', headway.version()
    )
    from headway.workers w
    where w.id = register_worker.worker_id
  );
end
$$;

comment on function headway.register_worker(uuid, text, json, text, integer, json) is
  'A worker says who it is and which kinds it runs; creates or updates the kinds. Safe to repeat.';

create function headway.stop_worker(worker_id uuid) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update headway.workers w
  set stopped_at = clock_timestamp(), last_seen_at = clock_timestamp()
  where w.id = worker_id and w.stopped_at is null;
end
$$;

comment on function headway.stop_worker(uuid) is 'A worker says that it has stopped; its leases stay until they expire.';

revoke all on function
  headway_private.read_stages(jsonb, text), headway_private.read_kind(jsonb, text, uuid),
  headway.register_worker(uuid, text, json, text, integer, json), headway.stop_worker(uuid)
from public, anon, authenticated, service_role;
grant execute on function
  headway.register_worker(uuid, text, json, text, integer, json), headway.stop_worker(uuid)
to service_role;
