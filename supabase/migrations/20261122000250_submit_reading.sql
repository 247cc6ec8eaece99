-- From what a caller sends to typed submissions: shape, kinds and scope, everything refused before anything is stored.

create type headway_private.submission as (
  place integer,
  path text,
  id uuid,
  kind text,
  queue text,
  priority smallint,
  run_at timestamptz,
  payload jsonb,
  bytes integer,
  idempotency_key text,
  idempotency_seconds integer,
  unique_key text,
  debounce_key text,
  organization_id uuid,
  project_id uuid,
  owner_id uuid,
  parent_id uuid,
  batch_id uuid,
  tags text[],
  retention_seconds integer,
  max_attempts integer,
  cost_budget numeric,
  notify jsonb,
  files jsonb
);

create function headway_private.read_tags(value jsonb, field text) returns text[]
language plpgsql immutable set search_path = ''
as $$
declare
  tags text[] := '{}';
  tag jsonb;
begin
  for tag in select e.value from jsonb_array_elements(headway_private.read_array(value, field, 32)) e loop
    tags := tags || coalesce(headway_private.read_text(tag, field, 64), '');
  end loop;
  if '' = any (tags) then
    perform headway_private.refuse('HW100', 'must hold strings only', field, 'Send strings of 1 to 64 characters.');
  end if;
  return tags;
end
$$;

create function headway_private.read_notify(value jsonb, field text) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  wish jsonb := headway_private.read_object(value, field, 4096);
  moment jsonb;
begin
  if wish is null then
    return null;
  end if;
  perform headway_private.refuse_unknown_fields(wish, '{webhook,email,on}', field || '.');
  perform headway_private.read_text(
    wish -> 'webhook', field || '.webhook', 2000, '^https?://[^\s/@]+(/\S*)?$', 'Send an http(s) URL without credentials.'
  );
  perform headway_private.read_text(
    wish -> 'email', field || '.email', 254, '^[^\s@<>,;]+@[^\s@<>,;]+$', 'Send one e-mail address.'
  );
  for moment in select e.value from jsonb_array_elements(headway_private.read_array(wish -> 'on', field || '.on', 3)) e loop
    perform headway_private.read_text(
      moment, field || '.on', 10, '^(completed|failed|cancelled)$', 'Send completed, failed or cancelled.'
    );
  end loop;
  if coalesce(wish ->> 'webhook', wish ->> 'email') is null then
    perform headway_private.refuse('HW102', 'names nobody', field, 'Send a webhook or an e-mail address.');
  end if;
  return wish;
end
$$;

create function headway_private.read_files(value jsonb, field text) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  entry record;
  path text;
begin
  if headway_private.read_array(value, field, 100) is null then
    return null;
  end if;
  for entry in select e.value, e.place from jsonb_array_elements(value) with ordinality e (value, place) loop
    path := format('%s[%s]', field, entry.place - 1);
    if headway_private.read_object(entry.value, path, 8192) is null then
      perform headway_private.refuse('HW100', 'must be an object', path, 'Send {"name", "bucket", "path"}.');
    end if;
    perform headway_private.refuse_unknown_fields(
      entry.value, '{name,bucket,path,content_type,bytes,sha256}', path || '.'
    );
    if headway_private.read_text(entry.value -> 'name', path || '.name', 255) is null
      or headway_private.read_text(entry.value -> 'bucket', path || '.bucket', 100) is null
      or headway_private.read_text(entry.value -> 'path', path || '.path', 1024) is null
    then
      perform headway_private.refuse('HW102', 'is incomplete', path, 'Send name, bucket and path.');
    end if;
    perform headway_private.read_text(entry.value -> 'content_type', path || '.content_type', 255);
    perform headway_private.read_integer(entry.value -> 'bytes', path || '.bytes', 0, 1099511627776);
    perform headway_private.read_text(
      entry.value -> 'sha256', path || '.sha256', 64, '^[0-9a-f]{64}$', 'Send 64 lower-case hexadecimal digits.'
    );
  end loop;
  if (select count(distinct e.value ->> 'name') <> count(*) from jsonb_array_elements(value) e) then
    perform headway_private.refuse('HW100', 'has a name twice', field, 'Give every file of a job its own name.');
  end if;
  return value;
end
$$;

-- One submission's own shape; what depends on its kind or on the caller comes after.
create function headway_private.read_submission(value jsonb, at_place integer, at_path text)
returns headway_private.submission
language plpgsql stable set search_path = ''
as $$
declare
  job headway_private.submission;
  field record;
  delay numeric;
  debounce numeric;
  dot text := case when at_path = '' then '' else at_path || '.' end;
begin
  if jsonb_typeof(value) is distinct from 'object' then
    perform headway_private.refuse(
      'HW100', 'must be an object', coalesce(nullif(at_path, ''), 'body'), 'Send {"kind": ..., "payload": ...}.'
    );
  end if;
  job.place := at_place;
  job.path := dot;
  job.payload := '{}';
  job.tags := '{}';
  for field in select e.key as name, e.value as v, dot || e.key as path from jsonb_each(value) e loop
    case field.name
      when 'kind' then job.kind := headway_private.read_text(field.v, field.path, 100);
      when 'payload' then
        perform headway_private.refuse_deep(field.v, field.path);
        job.payload := case when jsonb_typeof(field.v) = 'null' then '{}' else field.v end;
      when 'id' then job.id := headway_private.read_uuid(field.v, field.path);
      when 'queue' then job.queue := headway_private.read_text(field.v, field.path, 63);
      when 'priority' then job.priority := headway_private.read_integer(field.v, field.path, 0, 9);
      when 'run_at' then job.run_at := headway_private.read_time(field.v, field.path);
      when 'delay_seconds' then delay := headway_private.read_number(field.v, field.path, 0, 31622400);
      when 'idempotency_key' then job.idempotency_key := headway_private.read_text(field.v, field.path, 255);
      when 'idempotency_seconds' then
        job.idempotency_seconds := headway_private.read_integer(field.v, field.path, 1, 31622400);
      when 'unique_key' then job.unique_key := headway_private.read_text(field.v, field.path, 255);
      when 'debounce_key' then job.debounce_key := headway_private.read_text(field.v, field.path, 255);
      when 'debounce_seconds' then debounce := headway_private.read_number(field.v, field.path, 0, 86400);
      when 'organization_id' then job.organization_id := headway_private.read_uuid(field.v, field.path);
      when 'project_id' then job.project_id := headway_private.read_uuid(field.v, field.path);
      when 'owner_id' then job.owner_id := headway_private.read_uuid(field.v, field.path);
      when 'parent_id' then job.parent_id := headway_private.read_uuid(field.v, field.path);
      when 'batch_id' then job.batch_id := headway_private.read_uuid(field.v, field.path);
      when 'tags' then job.tags := headway_private.read_tags(field.v, field.path);
      when 'retention_seconds' then
        job.retention_seconds := headway_private.read_integer(field.v, field.path, 60, 31622400);
      when 'max_attempts' then job.max_attempts := headway_private.read_integer(field.v, field.path, 1, 100);
      when 'cost_budget' then job.cost_budget := headway_private.read_number(field.v, field.path, 0, 1000000000);
      when 'notify' then job.notify := headway_private.read_notify(field.v, field.path);
      when 'files' then job.files := headway_private.read_files(field.v, field.path);
      else
        perform headway_private.refuse_unknown_fields(
          value,
          '{id,kind,payload,queue,priority,run_at,delay_seconds,idempotency_key,idempotency_seconds,unique_key,debounce_key,debounce_seconds,organization_id,project_id,owner_id,parent_id,batch_id,tags,retention_seconds,max_attempts,cost_budget,notify,files}',
          dot
        );
    end case;
  end loop;
  if job.kind is null then
    perform headway_private.refuse('HW102', 'is missing', dot || 'kind', 'Say which kind of job, such as "cv.parse".');
  end if;
  if delay is not null then
    if job.run_at is not null then
      perform headway_private.refuse('HW100', 'contradicts run_at', dot || 'delay_seconds', 'Send only one of them.');
    end if;
    job.run_at := clock_timestamp() + make_interval(secs => delay::double precision);
  end if;
  if job.idempotency_seconds is not null and job.idempotency_key is null then
    perform headway_private.refuse('HW102', 'is missing', dot || 'idempotency_key', 'Send the key with its lifetime.');
  end if;
  if job.debounce_key is not null then
    if job.unique_key is not null then
      perform headway_private.refuse('HW100', 'contradicts unique_key', dot || 'debounce_key', 'Send only one of them.');
    end if;
    if job.run_at is not null then
      perform headway_private.refuse(
        'HW100', 'sets the delay of a debounced job', dot || 'debounce_seconds', 'Send debounce_seconds, not run_at or delay_seconds.'
      );
    end if;
    job.run_at := clock_timestamp() + make_interval(secs => coalesce(debounce, 5)::double precision);
  elsif debounce is not null then
    perform headway_private.refuse('HW102', 'is missing', dot || 'debounce_key', 'Send the key with its delay.');
  end if;
  job.run_at := greatest(coalesce(job.run_at, clock_timestamp()), clock_timestamp());
  job.bytes := octet_length(job.payload::text);
  job.id := coalesce(job.id, headway_private.new_id());
  return job;
end
$$;

-- How alike two names are, 0 to 1: the share of their letter pairs and triples that both have.
create function headway_private.likeness(one text, other text) returns double precision
language sql immutable set search_path = ''
as $$
  with pieces as (
    select distinct w.word, substr('  ' || w.name || ' ', g.place, g.size) as piece
    from (values (1, lower($1)), (2, lower($2))) w (word, name)
    cross join (values (2), (3)) s (size)
    cross join lateral (
      select p.place, s.size from generate_series(1, char_length(w.name) + 4 - s.size) p (place)
    ) g
  )
  select coalesce(
    2.0 * (select count(*) from pieces a join pieces b on a.piece = b.piece and a.word = 1 and b.word = 2)
      / nullif((select count(*) from pieces), 0),
    0
  )
$$;

create function headway_private.nearest_kinds(kind text) returns text
language sql stable set search_path = ''
as $$
  select coalesce(
    (
      select 'Did you mean ' || string_agg(n.kind, ' or ' order by n.likeness desc, n.kind) || '?'
      from (
        select k.kind, headway_private.likeness($1, k.kind) as likeness
        from headway.kinds k
        where k.submitters = 'users' or headway_private.is_service()
        order by likeness desc, k.kind
        limit 3
      ) n
      where n.likeness > 0.3
    ),
    (
      select 'Known kinds: ' || string_agg(n.kind, ', ' order by n.kind) || '.'
      from (
        select k.kind from headway.kinds k
        where k.submitters = 'users' or headway_private.is_service()
        order by k.kind
        limit 10
      ) n
    ),
    'No kind is registered yet: start a worker, it registers its kinds.'
  )
$$;

-- What depends on the kind and the queue.
create function headway_private.refuse_against_kinds(jobs headway_private.submission[]) returns void
language plpgsql stable set search_path = ''
as $$
declare
  fault record;
begin
  select s.path, s.kind, s.queue, s.bytes, s.priority, s.max_attempts, s.cost_budget, k.kind as known, q.queue as known_queue, q.state as queue_state, k.payload_limit,
    k.max_priority as most_urgent, k.max_attempts as most_attempts, k.cost_budget as most_cost,
    k.submitters = 'service' and not headway_private.is_service() as hidden
  into fault
  from unnest(jobs) s
  left join headway.kinds k on k.kind = s.kind
  left join headway.queues q on q.queue = coalesce(s.queue, k.queue)
  where k.kind is null
    or (k.submitters = 'service' and not headway_private.is_service())
    or q.queue is null
    -- A parent that already runs may still hand work to its children.
    or (q.state = 'draining' and not (s.parent_id is not null and headway_private.is_service()))
    or s.bytes > k.payload_limit
    or (
      not headway_private.is_service()
      and (s.priority > k.max_priority or s.max_attempts > k.max_attempts or s.cost_budget > k.cost_budget)
    )
  order by s.place
  limit 1;
  if not found then
    perform headway_private.refuse_unfit_payload(s.payload, k.payload_schema, s.path || 'payload')
    from unnest(jobs) s
    join headway.kinds k on k.kind = s.kind
    where k.payload_schema is not null
    order by s.place;
    return;
  end if;
  if fault.known is null or fault.hidden then
    perform headway_private.refuse(
      'HW107', format('unknown kind %s', quote_ident(fault.kind)), fault.path || 'kind', headway_private.nearest_kinds(fault.kind)
    );
  elsif fault.known_queue is null then
    perform headway_private.refuse(
      'HW108', format('unknown queue %s', quote_ident(fault.queue)), fault.path || 'queue',
      'Leave it out for the kind''s own queue, or start a worker that serves it.'
    );
  elsif fault.queue_state = 'draining' then
    perform headway_private.refuse(
      'HW203', format('queue %s is draining and accepts nothing new', fault.known_queue), fault.path || 'queue',
      'Try again later, or ask the operator to resume the queue.'
    );
  elsif fault.bytes > fault.payload_limit then
    perform headway_private.refuse(
      'HW104', format('has %s bytes, more than %s', fault.bytes, fault.payload_limit), fault.path || 'payload',
      'Upload large data to Storage and send its path.'
    );
  elsif fault.priority > fault.most_urgent then
    perform headway_private.refuse(
      'HW103', format('must be at most %s for this kind', fault.most_urgent), fault.path || 'priority', 'Lower it or leave it out.'
    );
  elsif fault.max_attempts > fault.most_attempts then
    perform headway_private.refuse(
      'HW103', format('must be at most %s for this kind', fault.most_attempts), fault.path || 'max_attempts', 'Lower it or leave it out.'
    );
  else
    perform headway_private.refuse(
      'HW103', format('must be at most %s for this kind', fault.most_cost), fault.path || 'cost_budget', 'Lower it or leave it out.'
    );
  end if;
end
$$;

-- Whose a job is.
create type headway_private.scope as (organization_id uuid, project_id uuid, owner_id uuid);

-- The scope that a submission asks for, completed; refused where the caller may not write. Locks the parent.
create function headway_private.resolve_scope(wish headway_private.scope, parent_id uuid, batch_id uuid, path text)
returns headway_private.scope
language plpgsql volatile set search_path = ''
as $$
declare
  service constant boolean := headway_private.is_service();
  caller constant uuid := auth.uid();
  scope headway_private.scope := wish;
  parent headway.jobs;
begin
  if not service and caller is null then
    perform headway_private.refuse('HW302', 'nobody is signed in', 'authorization', 'Sign in; anonymous sign-in will do.');
  end if;
  if not service and wish.owner_id is not null and wish.owner_id <> caller then
    perform headway_private.refuse('HW302', 'is not you', path || 'owner_id', 'Leave it out.');
  end if;
  if not service then
    scope.owner_id := caller;
  end if;
  if batch_id is not null and not exists (
    select from headway.batches b
    where b.id = resolve_scope.batch_id and headway_private.can_write_scope(b.owner_id, b.organization_id)
  ) then
    perform headway_private.refuse('HW301', 'there is no such batch', path || 'batch_id', 'Check the id.');
  end if;

  if parent_id is not null then
    -- Shared: a cancellation of the parent waits for this, or this sees it.
    select j.* into parent from headway.jobs j where j.id = resolve_scope.parent_id for share;
    if parent.id is null or not headway_private.can_read_scope(parent.owner_id, parent.organization_id) then
      perform headway_private.refuse('HW301', 'there is no such job', path || 'parent_id', 'Check the id.');
    elsif not headway_private.can_write_scope(parent.owner_id, parent.organization_id) then
      perform headway_private.refuse('HW302', 'you may not change this job', path || 'parent_id', 'Ask for the role editor.');
    elsif parent.status not in ('pending', 'processing') or parent.cancel_requested_at is not null then
      perform headway_private.refuse(
        'HW202', format('is %s', case when parent.cancel_requested_at is null then parent.status else 'being cancelled' end),
        path || 'parent_id', 'Only a job that is going on can have new children.'
      );
    elsif parent.depth >= 10 then
      perform headway_private.refuse('HW103', 'has 10 ancestors already', path || 'parent_id', 'Flatten the tree of jobs.');
    elsif (wish.organization_id is not null and wish.organization_id is distinct from parent.organization_id)
      or (wish.project_id is not null and wish.project_id is distinct from parent.project_id)
    then
      perform headway_private.refuse(
        'HW100', 'does not own the parent', path || case when wish.project_id is null then 'organization_id' else 'project_id' end,
        'Leave it out: children belong where their parent does.'
      );
    end if;
    scope.organization_id := parent.organization_id;
    scope.project_id := parent.project_id;
    scope.owner_id := parent.owner_id;
  elsif wish.project_id is not null then
    if not service and not public.can_write_project(wish.project_id) then
      perform headway_private.refuse(
        'HW302', 'you may not submit jobs to this project', path || 'project_id', 'Check the id, or ask for the role editor.'
      );
    end if;
    select p.organization_id, coalesce(p.user_id, scope.owner_id) into scope.organization_id, scope.owner_id
    from public.projects p
    where p.id = wish.project_id;
    if not found then
      perform headway_private.refuse('HW301', 'there is no such project', path || 'project_id', 'Check the id.');
    elsif wish.organization_id is not null and wish.organization_id is distinct from scope.organization_id then
      perform headway_private.refuse('HW100', 'does not own the project', path || 'organization_id', 'Leave it out.');
    end if;
  elsif wish.organization_id is not null then
    if not service and not public.is_org_writer(wish.organization_id) then
      perform headway_private.refuse(
        'HW302', 'you may not submit jobs for this organisation', path || 'organization_id', 'Check the id, or ask for the role editor.'
      );
    elsif not exists (select from public.organizations o where o.id = wish.organization_id) then
      perform headway_private.refuse('HW301', 'there is no such organisation', path || 'organization_id', 'Check the id.');
    end if;
  end if;
  return scope;
end
$$;

-- The submissions with their scopes filled in; each scope is looked at once.
create function headway_private.resolve_scopes(jobs headway_private.submission[]) returns headway_private.submission[]
language plpgsql volatile set search_path = ''
as $$
begin
  return (
    select array_agg(
      (
        s.place, s.path, s.id, s.kind, s.queue, s.priority, s.run_at, s.payload, s.bytes, s.idempotency_key,
        s.idempotency_seconds, s.unique_key, s.debounce_key, (r.scope).organization_id, (r.scope).project_id,
        (r.scope).owner_id, s.parent_id, s.batch_id, s.tags, s.retention_seconds, s.max_attempts, s.cost_budget,
        s.notify, s.files
      )::headway_private.submission
      order by s.place
    )
    from (
      select d.places, headway_private.resolve_scope(
        (d.organization_id, d.project_id, d.owner_id)::headway_private.scope, d.parent_id, d.batch_id, d.path
      ) as scope
      from (
        select w.organization_id, w.project_id, w.owner_id, w.parent_id, w.batch_id,
          (array_agg(w.path order by w.place))[1] as path, array_agg(w.place) as places
        from unnest(jobs) w
        group by w.organization_id, w.project_id, w.owner_id, w.parent_id, w.batch_id
        order by w.parent_id, min(w.place)
      ) d
    ) r
    cross join lateral unnest(r.places) p (place)
    join unnest(jobs) s on s.place = p.place
  );
end
$$;

revoke all on function
  headway_private.read_tags(jsonb, text), headway_private.read_notify(jsonb, text),
  headway_private.read_files(jsonb, text), headway_private.read_submission(jsonb, integer, text),
  headway_private.likeness(text, text), headway_private.nearest_kinds(text),
  headway_private.refuse_against_kinds(headway_private.submission[]),
  headway_private.resolve_scope(headway_private.scope, uuid, uuid, text),
  headway_private.resolve_scopes(headway_private.submission[])
from public, anon, authenticated, service_role;
