-- Waiting without holding a worker: signals from people and webhooks, and children.

create function headway.signal(job_id uuid, name text, payload json default 'null') returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  content jsonb := coalesce(headway_private.storable(signal.payload, 'payload'), 'null');
  job headway.jobs;
  state text;
begin
  if name is null or name !~ '^[a-z][a-z0-9_.:-]{0,99}$' then
    perform headway_private.refuse(
      'HW100', 'has the wrong format', 'name', 'Use up to 100 lower-case letters, digits, _ . : and -.'
    );
  end if;
  if name like 'system.%' and not headway_private.is_service() then
    perform headway_private.refuse(
      'HW302', 'is reserved to the service role', 'name', 'Names that begin with "system." come from webhooks, not from people.'
    );
  end if;
  if octet_length(content::text) > 1048576 then
    perform headway_private.refuse('HW104', 'has more than 1048576 bytes', 'payload', 'Send large data as a file.');
  end if;
  perform headway_private.refuse_deep(content, 'payload');

  job := headway_private.lock_job_for_caller(signal.job_id);
  if exists (select from headway.signals g where g.job_id = job.id and g.name = signal.name) then
    state := 'repeated';
  elsif job.status not in ('pending', 'processing') then
    state := 'late';
  else
    if (select count(*) >= 100 from headway.signals g where g.job_id = job.id) then
      perform headway_private.refuse('HW103', 'is one too many', 'name', 'A job takes at most 100 signals.');
    end if;
    insert into headway.signals (job_id, name, payload, sent_by, sent_at)
    values (job.id, signal.name, content, auth.uid(), clock_timestamp());
    perform headway_private.add_event(
      job.id, 'signalled', jsonb_strip_nulls(jsonb_build_object('name', signal.name, 'by', auth.uid()))
    );
    if job.waiting_for = 'signal' and job.waiting_on = signal.name then
      perform headway_private.resume(array[job.id], 'signal');
      state := 'delivered';
    else
      state := 'stored';
    end if;
  end if;
  return jsonb_build_object('state', state);
end
$$;

comment on function headway.signal(uuid, text, json) is
  'Answers a job that waits for a person or a webhook. The first answer of a name counts; late and repeated ones are harmless.';

create function headway.submit_children(job_id uuid, attempt integer, lease_token uuid, children json) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  specs jsonb := headway_private.read_array(headway_private.storable(children, 'jobs'), 'jobs', 10000);
begin
  perform headway_private.hold_lease(submit_children.job_id, submit_children.attempt, submit_children.lease_token);
  return headway_private.submit_jobs(
    (
      select jsonb_agg(
        case when jsonb_typeof(e.value) = 'object'
          then e.value || jsonb_build_object('parent_id', submit_children.job_id) else e.value end
        order by e.place
      )
      from jsonb_array_elements(coalesce(specs, '[]')) with ordinality e (value, place)
    ),
    null, true
  ) - '{written,batch_id}'::text[];
end
$$;

comment on function headway.submit_children(uuid, integer, uuid, json) is
  'Submits children of a running job, fenced by its lease; they belong where their parent does.';

create function headway.children(job_id uuid) returns table (
  id uuid, kind text, status text, percent numeric, result jsonb, error_code text, error_message text, created_at timestamptz
)
language sql stable set search_path = ''
as $$
  select j.id, j.kind, j.status, j.percent, o.result, j.error_code, j.error_message, j.created_at
  from headway.jobs j
  left join headway.job_outputs o on o.job_id = j.id
  where j.parent_id = $1
  order by j.created_at, j.id
$$;

comment on function headway.children(uuid) is 'A job''s children with their results.';

create function headway.add_files(job_id uuid, attempt integer, lease_token uuid, files json) returns integer
language plpgsql volatile security definer set search_path = ''
as $$
declare
  entries jsonb := headway_private.read_files(headway_private.storable(add_files.files, 'files'), 'files');
  fresh jsonb;
begin
  perform headway_private.hold_lease(add_files.job_id, add_files.attempt, add_files.lease_token);
  select jsonb_agg(e.value) into fresh
  from jsonb_array_elements(coalesce(entries, '[]')) e
  where not exists (
    select from headway.job_files f
    where f.job_id = add_files.job_id and f.direction = 'output' and f.name = e.value ->> 'name'
      and f.bucket = e.value ->> 'bucket' and f.path = e.value ->> 'path'
  );
  if fresh is not null then
    -- An output made again, at another place: the object it replaces has no owner any more.
    with replaced as (
      delete from headway.job_files f
      where f.job_id = add_files.job_id and f.direction = 'output'
        and f.name in (select e.value ->> 'name' from jsonb_array_elements(fresh) e)
      returning f.bucket, f.path
    )
    insert into headway.file_removals (bucket, path)
    select r.bucket, r.path from replaced r
    on conflict do nothing;
    perform headway_private.store_files(add_files.job_id, 'output', fresh);
    perform headway_private.add_event(
      add_files.job_id, 'file_added', jsonb_build_object('files', (
        select jsonb_agg(jsonb_build_object('name', e.value -> 'name', 'bucket', e.value -> 'bucket', 'path', e.value -> 'path'))
        from jsonb_array_elements(fresh) e
      ))
    );
  end if;
  return coalesce(jsonb_array_length(fresh), 0);
end
$$;

comment on function headway.add_files(uuid, integer, uuid, json) is
  'Registers Storage objects that a running job has made; they are removed with it. Safe to repeat.';

revoke all on function
  headway.signal(uuid, text, json), headway.submit_children(uuid, integer, uuid, json), headway.children(uuid),
  headway.add_files(uuid, integer, uuid, json)
from public, anon, authenticated, service_role;
grant execute on function headway.signal(uuid, text, json), headway.children(uuid) to authenticated, service_role;
grant execute on function
  headway.submit_children(uuid, integer, uuid, json), headway.add_files(uuid, integer, uuid, json)
to service_role;
