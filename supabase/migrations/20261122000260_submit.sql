-- Submitting: jobs are stored with their first event, or found again by id or key. All or nothing.

-- Why a submission could not be stored: it has been before, or another job holds its key. Answers the job that
-- stands in for it, or null when the obstacle has gone in the meantime. A debounced job takes the new payload.
create function headway_private.settle_collision(s headway_private.submission, tenant uuid)
returns table (job_id uuid, merged text)
language plpgsql volatile set search_path = ''
as $$
declare
  job headway.jobs;
begin
  select j.* into job from headway.jobs j where j.id = s.id;
  if found then
    if job.tenant_id <> tenant or job.kind <> s.kind or (
      job.debounce_key is null
      and s.payload is distinct from (select i.payload from headway.job_inputs i where i.job_id = job.id)
    ) then
      perform headway_private.refuse(
        'HW201', 'belongs to another job', s.path || 'id', 'Make a new UUID for every new job; repeat one only with the same content.'
      );
    end if;
    return query select job.id, 'id';
    return;
  end if;

  if s.idempotency_key is not null then
    select j.* into job from headway.jobs j
    where j.tenant_id = tenant and j.idempotency_key = s.idempotency_key
    for no key update;
    if found and job.idempotency_expires_at <= clock_timestamp() then
      update headway.jobs j
      set idempotency_key = null, idempotency_expires_at = null, revision = j.revision + 1
      where j.id = job.id;
    elsif found then
      if job.kind <> s.kind then
        perform headway_private.refuse(
          'HW204', format('belongs to a job of kind %s', job.kind), s.path || 'idempotency_key', 'Use a key of its own for each intent.'
        );
      end if;
      return query select job.id, 'idempotency_key';
      return;
    end if;
  end if;

  if s.unique_key is not null then
    return query
    select j.id, 'unique_key' from headway.jobs j
    where j.tenant_id = tenant and j.kind = s.kind and j.unique_key = s.unique_key
      and j.status in ('pending', 'processing');
    return;
  end if;

  if s.debounce_key is not null then
    select j.* into job from headway.jobs j
    where j.tenant_id = tenant and j.kind = s.kind and j.debounce_key = s.debounce_key
      and j.status = 'pending' and j.attempt = 0
    for no key update;
    if found then
      update headway.job_inputs i
      set payload = s.payload, bytes = s.bytes, notify = s.notify
      where i.job_id = job.id;
      insert into headway.file_removals (bucket, path, due_at)
      select f.bucket, f.path, clock_timestamp() + job.retention from headway.job_files f
      where f.job_id = job.id and f.direction = 'input' and f.removable
      on conflict do nothing;
      delete from headway.job_files f where f.job_id = job.id and f.direction = 'input';
      perform headway_private.store_files(job.id, 'input', s.files);
      update headway.jobs j
      set run_at = s.run_at, seq = j.seq + 1, revision = j.revision + 1, updated_at = clock_timestamp(), tags = s.tags,
        priority = coalesce(s.priority, j.priority),
        ready_order = case when s.run_at <= clock_timestamp() then nextval('headway_private.ready_order') end
      where j.id = job.id;
      insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
      values (
        job.id, job.seq + 1, 'replaced', job.run, 0, clock_timestamp(), jsonb_build_object('by', auth.uid(), 'submission', s.id)
      );
      return query select job.id, 'debounce_key';
    end if;
  end if;
end
$$;

-- Whether a file that the caller submits may be removed with its job: to see an object is not yet to own it.
create function headway_private.may_give_away(bucket text, path text) returns boolean
language sql stable set search_path = ''
as $$
  select headway_private.is_service() or exists (
    select from storage.objects o where o.bucket_id = $1 and o.name = $2 and o.owner_id = auth.uid()::text
  )
$$;

create function headway_private.store_files(job_id uuid, direction text, files jsonb) returns void
language sql volatile set search_path = ''
as $$
  insert into headway.job_files (job_id, direction, name, bucket, path, content_type, bytes, sha256, removable)
  select $1, $2, f.value ->> 'name', f.value ->> 'bucket', f.value ->> 'path', f.value ->> 'content_type',
    nullif(f.value -> 'bytes', 'null')::bigint, f.value ->> 'sha256',
    headway_private.may_give_away(f.value ->> 'bucket', f.value ->> 'path')
  from jsonb_array_elements(case when jsonb_typeof($3) = 'array' then $3 else '[]' end) f
$$;

create function headway_private.tenant_of(s headway_private.submission) returns uuid
language plpgsql immutable set search_path = ''
as $$
begin
  return coalesce($1.organization_id, $1.owner_id, '00000000-0000-0000-0000-000000000000');
end
$$;

-- Stores what can be stored as it is, in the order of the submissions; answers the ids.
-- In PL/pgSQL, which keeps the plan: to plan this statement takes longer than to store a job.
create function headway_private.insert_jobs(jobs headway_private.submission[]) returns uuid[]
language plpgsql volatile set search_path = ''
as $$
declare
  ids uuid[];
begin
  with wanted as materialized (
    select s.*, headway_private.tenant_of(s) as tenant_id, k.queue as kind_queue, k.priority as kind_priority,
      k.max_attempts as kind_max_attempts, k.retention as kind_retention, coalesce(p.depth + 1, 0) as depth
    from unnest(jobs) s
    join headway.kinds k on k.kind = s.kind
    left join headway.jobs p on p.id = s.parent_id
    order by s.place
  ),
  fresh as (
    insert into headway.jobs (
      id, kind, queue, priority, ready_order, run_at, max_attempts, tenant_id, owner_id, organization_id, project_id,
      parent_id, depth, batch_id, tags, idempotency_key, idempotency_expires_at, unique_key, debounce_key, retention,
      created_at, updated_at
    )
    select w.id, w.kind, coalesce(w.queue, w.kind_queue), coalesce(w.priority, w.kind_priority),
      case when w.run_at <= clock_timestamp() then nextval('headway_private.ready_order') end,
      w.run_at, coalesce(w.max_attempts, w.kind_max_attempts), w.tenant_id, w.owner_id, w.organization_id, w.project_id,
      w.parent_id, w.depth, w.batch_id, w.tags, w.idempotency_key,
      case when w.idempotency_key is not null
        then clock_timestamp() + make_interval(secs => coalesce(w.idempotency_seconds, 86400)) end,
      w.unique_key, w.debounce_key, coalesce(make_interval(secs => w.retention_seconds), w.kind_retention),
      clock_timestamp(), clock_timestamp()
    from wanted w
    on conflict do nothing
    returning id, created_at
  ),
  stored as materialized (
    select distinct on (f.id) w.*, f.created_at from fresh f join wanted w on w.id = f.id order by f.id, w.place
  ),
  inputs as (
    insert into headway.job_inputs (job_id, payload, bytes, notify)
    select s.id, s.payload, s.bytes, s.notify from stored s
  ),
  costs as (
    insert into headway.job_costs (job_id, budget)
    select s.id, s.cost_budget from stored s where s.cost_budget is not null
  ),
  files as (
    insert into headway.job_files (job_id, direction, name, bucket, path, content_type, bytes, sha256, removable)
    select s.id, 'input', f.value ->> 'name', f.value ->> 'bucket', f.value ->> 'path', f.value ->> 'content_type',
      nullif(f.value -> 'bytes', 'null')::bigint, f.value ->> 'sha256',
      headway_private.may_give_away(f.value ->> 'bucket', f.value ->> 'path')
    from stored s
    cross join lateral jsonb_array_elements(s.files) f
    where jsonb_typeof(s.files) = 'array'
  ),
  events as (
    insert into headway.job_events (job_id, seq, type, run, attempt, at, data)
    select s.id, 1, 'submitted', 1, 0, s.created_at, jsonb_build_object('by', auth.uid()) from stored s
  )
  select coalesce(array_agg(f.id), '{}') into ids from fresh f;
  return ids;
end
$$;

create function headway_private.store_jobs(jobs headway_private.submission[])
returns table (place integer, job_id uuid, merged text)
language plpgsql volatile set search_path = ''
as $$
declare
  open headway_private.submission[] := jobs;
  left_over headway_private.submission[];
  fresh uuid[];
  s headway_private.submission;
  stand_in record;
begin
  -- Ids that were merged into another job before: a repeated submission, whose answer was lost.
  if exists (select from headway_private.job_aliases a join unnest(jobs) w on a.id = w.id) then
    select w.* into s
    from unnest(jobs) w
    join headway_private.job_aliases a on a.id = w.id
    join headway.jobs j on j.id = a.job_id
    where j.tenant_id <> headway_private.tenant_of(w) or j.kind <> w.kind
    order by w.place
    limit 1;
    if found then
      perform headway_private.refuse(
        'HW201', 'belongs to another job', s.path || 'id', 'Make a new UUID for every new job; repeat one only with the same content.'
      );
    end if;
    return query
    select w.place, a.job_id, a.reason from unnest(jobs) w join headway_private.job_aliases a on a.id = w.id;
    select array_agg(w order by w.place) into open
    from unnest(jobs) w
    where not exists (select from headway_private.job_aliases a where a.id = w.id);
  end if;

  for round in 1 .. 5 loop
    exit when open is null;
    fresh := headway_private.insert_jobs(open);
    if cardinality(fresh) = cardinality(open) then
      return query select w.place, w.id, null::text from unnest(open) w;
      return;
    end if;
    left_over := null;
    foreach s in array open loop
      if s.id = any (fresh) then
        fresh := array_remove(fresh, s.id);
        place := s.place;
        job_id := s.id;
        merged := null;
        return next;
        continue;
      end if;
      select c.job_id, c.merged into stand_in
      from headway_private.settle_collision(s, headway_private.tenant_of(s)) c;
      if stand_in.job_id is null then
        left_over := left_over || s;
        continue;
      end if;
      if stand_in.merged <> 'id' then
        insert into headway_private.job_aliases (id, job_id, reason)
        values (s.id, stand_in.job_id, stand_in.merged)
        on conflict do nothing;
      end if;
      place := s.place;
      job_id := stand_in.job_id;
      merged := stand_in.merged;
      return next;
    end loop;
    open := left_over;
  end loop;
  if open is not null then
    perform headway_private.refuse(
      'HW202', 'is in dispute between submissions at the same moment', open[1].path || 'unique_key', 'Submit again.'
    );
  end if;
end
$$;

-- The whole submission, for callers, workers and schedules alike; whose it may be depends on who is asking.
--
-- specs: array of submissions as docs/engine.md describes them; batch: null or {"id", "name", "organization_id",
-- "project_id"}; many: whether fields are named jobs[n].field in refusals. Answers {"jobs", "batch_id", "written"}:
-- what submit_many answers, and the ids whose inputs were written.
create function headway_private.submit_jobs(specs jsonb, batch jsonb, many boolean) returns jsonb
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = 'force_generic_plan'
as $$
declare
  jobs headway_private.submission[];
  batch_key uuid;
  batch_label text;
  batch_scope headway_private.scope;
  stored jsonb;
  ids uuid[];
  merges text[];
  created uuid[];
  written uuid[];
begin
  select array_agg(
    headway_private.read_submission(e.value, e.place::integer - 1, case when many then format('jobs[%s]', e.place - 1) else '' end)
    order by e.place
  ) into jobs
  from jsonb_array_elements(specs) with ordinality e (value, place);
  if jobs is null then
    perform headway_private.refuse('HW102', 'is empty', 'jobs', 'Send at least one job.');
  end if;
  perform headway_private.refuse_against_kinds(jobs);

  if headway_private.read_object(batch, 'batch', 8192) is not null then
    perform headway_private.refuse_unknown_fields(batch, '{id,name,organization_id,project_id}', 'batch.');
    batch_key := coalesce(headway_private.read_uuid(batch -> 'id', 'batch.id'), headway_private.new_id());
    batch_label := headway_private.read_text(batch -> 'name', 'batch.name', 200);
    batch_scope.organization_id := coalesce(
      headway_private.read_uuid(batch -> 'organization_id', 'batch.organization_id'), jobs[1].organization_id
    );
    batch_scope.project_id := coalesce(headway_private.read_uuid(batch -> 'project_id', 'batch.project_id'), jobs[1].project_id);
    batch_scope.owner_id := jobs[1].owner_id;
    batch_scope := headway_private.resolve_scope(batch_scope, jobs[1].parent_id, null, 'batch.');
    insert into headway.batches (id, name, tenant_id, owner_id, organization_id, project_id)
    values (
      batch_key, batch_label,
      coalesce(batch_scope.organization_id, batch_scope.owner_id, '00000000-0000-0000-0000-000000000000'),
      batch_scope.owner_id, batch_scope.organization_id, batch_scope.project_id
    )
    on conflict (id) do nothing;
    if not exists (
      select from headway.batches b
      where b.id = batch_key and headway_private.can_write_scope(b.owner_id, b.organization_id)
    ) then
      perform headway_private.refuse('HW201', 'belongs to another batch', 'batch.id', 'Make a new UUID for every batch.');
    end if;
    select array_agg(
      (
        s.place, s.path, s.id, s.kind, s.queue, s.priority, s.run_at, s.payload, s.bytes, s.idempotency_key,
        s.idempotency_seconds, s.unique_key, s.debounce_key, s.organization_id, s.project_id, s.owner_id, s.parent_id,
        coalesce(s.batch_id, batch_key), s.tags, s.retention_seconds, s.max_attempts, s.cost_budget, s.notify, s.files
      )::headway_private.submission
      order by s.place
    ) into jobs
    from unnest(jobs) s;
  end if;

  jobs := headway_private.resolve_scopes(jobs);

  -- Two statements: the one that stores does not see what it has stored.
  select array_agg(a.job_id order by a.place), array_agg(a.merged order by a.place),
    array_agg(a.job_id) filter (where a.merged is null),
    array_agg(a.job_id) filter (where a.merged is null or a.merged = 'debounce_key')
  into ids, merges, created, written
  from headway_private.store_jobs(jobs) a;
  select jsonb_agg(
    jsonb_build_object(
      'id', j.id, 'status', j.status, 'created', a.merged is null, 'merged', a.merged, 'kind', j.kind, 'queue', j.queue,
      'seq', j.seq, 'run_at', j.run_at, 'created_at', j.created_at
    )
    order by a.place
  )
  into stored
  from unnest(ids, merges) with ordinality a (id, merged, place)
  join headway.jobs j on j.id = a.id;

  update headway.batches b
  set total = b.total + n.jobs, finished_at = null
  from (
    select j.batch_id, count(*) as jobs from headway.jobs j where j.id = any (created) and j.batch_id is not null
    group by j.batch_id
  ) n
  where b.id = n.batch_id;

  -- Every job was merged into an earlier one: a batch without jobs would never end.
  delete from headway.batches b
  where b.id = batch_key and b.total = 0 and not exists (select from headway.jobs j where j.batch_id = b.id);
  if found then
    batch_key := null;
  end if;

  return jsonb_build_object('jobs', stored, 'batch_id', batch_key, 'written', to_jsonb(coalesce(written, '{}')));
end
$$;

-- Files are checked as the caller, after they were stored: what row level security hides from the caller in
-- Storage cannot become the input of its job. A refusal takes everything back.
create function headway_private.refuse_unseen_files(written jsonb) returns void
language plpgsql stable set search_path = ''
as $$
declare
  unseen record;
begin
  select f.bucket, f.path, f.name into unseen
  from headway.job_files f
  where f.job_id in (select c.id::uuid from jsonb_array_elements_text(written) c (id))
    and f.direction = 'input'
    and not exists (select from storage.objects o where o.bucket_id = f.bucket and o.name = f.path)
  limit 1;
  if found then
    perform headway_private.refuse(
      'HW301', format('there is no file %s in bucket %s', unseen.path, unseen.bucket), 'files',
      'Upload it first, as the same user, and send the exact bucket and path.'
    );
  end if;
end
$$;

create function headway.submit(json) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  body jsonb := headway_private.storable($1, '');
  answer jsonb;
begin
  if jsonb_typeof(body) is distinct from 'object' then
    perform headway_private.refuse('HW100', 'must be an object', 'body', 'Send {"kind": ..., "payload": ...}.');
  end if;
  answer := headway_private.submit_jobs(jsonb_build_array(body), null, false);
  if jsonb_typeof(body -> 'files') = 'array' then
    perform headway_private.refuse_unseen_files(answer -> 'written');
  end if;
  return answer #> '{jobs,0}';
end
$$;

comment on function headway.submit(json) is
  'Asks for one job; the body is {"kind", "payload", "id", ...}. The same id or key finds the same job again.';

create function headway.submit_many(json) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
  body jsonb := headway_private.storable($1, '');
  specs jsonb;
  answer jsonb;
begin
  if jsonb_typeof(body) = 'array' then
    specs := body;
  elsif jsonb_typeof(body) = 'object' then
    if body - '{jobs,batch}'::text[] <> '{}' then
      perform headway_private.refuse('HW101', 'has unknown fields', 'body', 'Send {"jobs": [...], "batch": {"id", "name"}}.');
    end if;
    specs := body -> 'jobs';
  end if;
  if jsonb_typeof(specs) is distinct from 'array' then
    perform headway_private.refuse('HW100', 'must be an array', 'jobs', 'Send {"jobs": [{"kind": ...}, ...]}.');
  elsif jsonb_array_length(specs) > 10000 then
    perform headway_private.refuse(
      'HW103', format('has %s entries, more than 10000', jsonb_array_length(specs)), 'jobs', 'Send at most 10,000 jobs at a time.'
    );
  end if;
  answer := headway_private.submit_jobs(specs, case when jsonb_typeof(body) = 'object' then body -> 'batch' end, true);
  if exists (select from jsonb_array_elements(specs) s where jsonb_typeof(s.value -> 'files') = 'array') then
    perform headway_private.refuse_unseen_files(answer -> 'written');
  end if;
  return answer - 'written';
end
$$;

comment on function headway.submit_many(json) is
  'Asks for up to 10,000 jobs at once, all or nothing: {"jobs": [...], "batch": {"id", "name"}}.';

revoke all on function
  headway_private.settle_collision(headway_private.submission, uuid), headway_private.store_files(uuid, text, jsonb),
  headway_private.may_give_away(text, text),
  headway_private.tenant_of(headway_private.submission), headway_private.insert_jobs(headway_private.submission[]),
  headway_private.store_jobs(headway_private.submission[]), headway_private.submit_jobs(jsonb, jsonb, boolean),
  headway_private.refuse_unseen_files(jsonb), headway.submit(json), headway.submit_many(json)
from public, anon, authenticated, service_role;
grant execute on function
  headway_private.submit_jobs(jsonb, jsonb, boolean), headway_private.refuse_unseen_files(jsonb),
  headway.submit(json), headway.submit_many(json)
to authenticated, service_role;
