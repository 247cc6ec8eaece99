-- Who may read and change a job. One rule, used by policies, topics and functions alike:
-- an organisation's job belongs to its members (writers change it), any other job to its owner.

create function headway_private.can_read_scope(owner_id uuid, organization_id uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select headway_private.is_service()
    or case
      when $2 is not null then public.is_org_member($2)
      else coalesce($1 = (select auth.uid()), false)
    end
$$;

create function headway_private.can_write_scope(owner_id uuid, organization_id uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select headway_private.is_service()
    or case
      when $2 is not null then public.is_org_writer($2)
      else coalesce($1 = (select auth.uid()), false)
    end
$$;

-- Whether the caller may listen to a topic. Never raises: a policy that raises would fail the join with a
-- server error instead of a refusal.
create function headway_private.can_read_topic(topic text) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
declare
  parts text[] := regexp_match(
    topic, '^(job|user|project|org):([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(:jobs)?$'
  );
  subject uuid;
begin
  if parts is null or (parts[1] = 'job') <> (parts[3] is null) then
    return false;
  end if;
  subject := parts[2]::uuid;
  return case parts[1]
    when 'job' then exists (
      select from headway.jobs j
      where j.id = subject and headway_private.can_read_scope(j.owner_id, j.organization_id)
    )
    when 'user' then headway_private.is_service() or coalesce(subject = auth.uid(), false)
    when 'project' then headway_private.is_service() or public.can_read_project(subject)
    else headway_private.is_service() or public.is_org_member(subject)
  end;
end
$$;

-- Refuses a job that the caller may not change. What the caller cannot see does not exist for it.
create function headway_private.refuse_foreign(job headway.jobs) returns void
language plpgsql stable security definer set search_path = ''
as $$
begin
  if job.id is null or not headway_private.can_read_scope(job.owner_id, job.organization_id) then
    perform headway_private.refuse('HW301', 'there is no such job', 'job_id', 'Check the id and who is signed in.');
  elsif not headway_private.can_write_scope(job.owner_id, job.organization_id) then
    perform headway_private.refuse(
      'HW302', 'you may see this job but not change it', 'job_id', 'Ask for the role editor in its organisation.'
    );
  end if;
end
$$;

-- The job, locked against every other transition, if the caller may change it.
create function headway_private.lock_job_for_caller(job_id uuid) returns headway.jobs
language plpgsql volatile security definer set search_path = ''
as $$
declare
  job headway.jobs;
begin
  -- Looked at before it is locked: a stranger must not be able to hold somebody else's job up.
  select j.* into job from headway.jobs j where j.id = $1;
  perform headway_private.refuse_foreign(job);
  select j.* into job from headway.jobs j where j.id = $1 for no key update;
  perform headway_private.refuse_foreign(job);
  return job;
end
$$;

-- An organisation that is deleted leaves nothing to those who once submitted jobs for it: what it still had to do is
-- cancelled, and what remains until its retention ends is nobody's.
create function headway_private.disown_organization() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  perform headway_private.cancel_all(
    array(
      select j.id from headway.jobs j where j.organization_id = old.id and j.status in ('pending', 'processing')
    ),
    'The organisation was deleted.'
  );
  update headway.jobs j
  set organization_id = null, project_id = null, owner_id = null, revision = j.revision + 1
  where j.organization_id = old.id;
  update headway.batches b set organization_id = null, project_id = null, owner_id = null where b.organization_id = old.id;
  update headway.usage u set organization_id = null, project_id = null, owner_id = null where u.organization_id = old.id;
  return old;
end
$$;

create trigger organizations_disown
  before delete on public.organizations
  for each row execute function headway_private.disown_organization();

revoke all on function
  headway_private.can_read_scope(uuid, uuid), headway_private.can_write_scope(uuid, uuid),
  headway_private.can_read_topic(text), headway_private.refuse_foreign(headway.jobs),
  headway_private.lock_job_for_caller(uuid), headway_private.disown_organization()
from public, anon, authenticated, service_role;
-- The policies on realtime.messages run as the listener.
grant execute on function headway_private.can_read_topic(text) to authenticated, service_role;
