-- Jobs about profiles that cannot be worked on are refused before they exist, not found out by a worker. After the
-- insert, for a job, its payload and its files are stored in one statement. The condition keeps the trigger away from
-- other kinds.

create function headway_private.check_profile_job() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
declare
  payload jsonb := (select i.payload from headway.job_inputs i where i.job_id = new.id);
  names text[];
  session text := lower(payload ->> 'session_id');
begin
  -- A project may have a handler of its own for a kind of this name, with another payload: that one decides itself.
  if not exists (
    select from headway.kinds k
    where k.kind = new.kind
      and k.payload_schema ->> 'title' in
        ('CvPayload', 'SessionPayload', 'InterviewPayload', 'ExportPayload', 'ComparePayload')
  ) then
    return null;
  end if;
  if new.owner_id is null and not (new.kind = 'profile.compare' and payload ->> 'left' is not null) then
    perform headway_private.refuse(
      'HW102', 'is missing: a profile belongs to somebody', 'owner_id', 'Submit as the signed-in user, or with owner_id.'
    );
  end if;
  if new.kind = 'cv.parse' then
    select array_agg(f.name order by f.name) into names
    from headway.job_files f
    where f.job_id = new.id and f.direction = 'input';
    if names is null then
      perform headway_private.refuse(
        'HW102', 'is missing: no file came with the job', 'files', 'Submit a CV as PDF, DOCX, text or image.'
      );
    elsif coalesce(payload ->> 'file', names[1]) <> all (names) then
      perform headway_private.refuse(
        'HW100', 'is none of the job''s files', 'payload.file', format('The files are %s.', array_to_string(names[1:10], ', '))
      );
    elsif payload ->> 'file' is null and cardinality(names) > 1 then
      perform headway_private.refuse(
        'HW102', format('is missing: there are %s files', cardinality(names)), 'payload.file',
        format('Name the CV among %s.', array_to_string(names[1:10], ', '))
      );
    end if;
  elsif new.kind like 'interview.%' then
    if coalesce(session !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', true) then
      perform headway_private.refuse(
        'HW100', 'is no UUID', 'payload.session_id', 'Make one for each interview, with crypto.randomUUID() or uuid4().'
      );
    elsif exists (select from public.interview_sessions s where s.id = session::uuid and s.profile_id <> new.owner_id)
      or (
        new.kind = 'interview.extract'
        and not exists (select from public.interview_sessions s where s.id = session::uuid)
      )
    then
      perform headway_private.refuse(
        'HW301', 'there is no such interview', 'payload.session_id', 'Prepare it with a job of kind interview.session.'
      );
    end if;
  end if;
  if (new.kind in ('interview.session', 'profile.export') or (new.kind = 'profile.compare' and payload ->> 'left' is null))
    and not exists (select from public.profiles p where p.id = new.owner_id)
  then
    perform headway_private.refuse(
      'HW301', 'there is no profile yet', 'owner_id', 'Upload a CV, or create a profile, first.'
    );
  end if;
  return null;
end
$$;

create trigger jobs_check_profile_job
  after insert on headway.jobs
  for each row
  when (new.kind in ('cv.parse', 'interview.session', 'interview.extract', 'profile.export', 'profile.compare'))
  execute function headway_private.check_profile_job();

revoke all on function headway_private.check_profile_job() from public, anon, authenticated, service_role;
