-- Videos and campaigns that cannot be worked on are refused before a job exists, not found out by a worker. The
-- conditions keep the triggers away from other kinds and their payloads.

-- A tag as people write one; whether there is such a language only the worker knows.
create function headway_private.is_language_tag(value text) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
  select value ~ '^\s*[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}\s*$'
$$;

create function headway_private.refuse_video_without_project() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
  perform headway_private.refuse(
    'HW102', 'is missing: a video belongs to a project', 'project_id', 'Submit with the project whose video it is.'
  );
  return null;
end
$$;

create function headway_private.check_video() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
declare
  job headway.jobs;
  video public.videos;
  wrong bigint;
begin
  select j.* into job from headway.jobs j where j.id = new.job_id;
  if job.kind <> 'video.process' then
    return new;
  end if;
  if new.payload ->> 'video_id' is not null then
    select v.* into video from public.videos v
    where v.project_id = job.project_id and v.id::text = lower(new.payload ->> 'video_id');
    if video.id is null then
      perform headway_private.refuse(
        'HW301', 'there is no such video in the project', 'payload.video_id', 'Submit with the project that the video belongs to.'
      );
    elsif video.storage_path is null then
      perform headway_private.refuse(
        'HW301', 'its file was removed with the job that it was attached to', 'payload.video_id', 'Upload it again, and attach it instead.'
      );
    elsif exists (
      select from headway.jobs other
      where other.id = video.job_id and other.id <> job.id and other.status in ('pending', 'processing')
    ) then
      perform headway_private.refuse(
        'HW202', 'another job is at work on this video', 'payload.video_id', 'Wait for it, or cancel it first.'
      );
    end if;
  end if;
  if jsonb_typeof(new.payload -> 'languages') = 'array' then
    select l.place - 1 into wrong
    from jsonb_array_elements_text(new.payload -> 'languages') with ordinality l (tag, place)
    where not headway_private.is_language_tag(l.tag)
    order by l.place
    limit 1;
    if found then
      perform headway_private.refuse(
        'HW100', 'is no language tag', format('payload.languages[%s]', wrong), 'Write one such as de, pt-BR or zh-Hant.'
      );
    end if;
  end if;
  if not headway_private.is_language_tag(new.payload ->> 'language') then
    perform headway_private.refuse(
      'HW100', 'is no language tag', 'payload.language', 'Write one such as de, pt-BR or zh-Hant.'
    );
  end if;
  return new;
end
$$;

create function headway_private.check_discovery() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
declare
  job headway.jobs;
  campaign public.campaigns;
  field text;
begin
  select j.* into job from headway.jobs j where j.id = new.job_id;
  if job.kind <> 'discovery.run' then
    return new;
  end if;
  if job.organization_id is null and job.owner_id is null then
    perform headway_private.refuse(
      'HW102', 'is missing: a campaign belongs to somebody', 'owner_id', 'Submit with owner_id or organization_id.'
    );
  end if;
  foreach field in array '{business_type,location}'::text[] loop
    if btrim(new.payload ->> field, E' \t\r\n') = '' then
      perform headway_private.refuse('HW100', 'is blank', 'payload.' || field, 'Say what is looked for, and where.');
    end if;
  end loop;
  if jsonb_typeof(new.payload -> 'budget') = 'string' and (
    new.payload ->> 'budget' !~ '^[0-9]{1,6}([.][0-9]{1,20})?$' or (new.payload ->> 'budget')::numeric > 100000
  ) then
    perform headway_private.refuse(
      'HW100', 'is no amount from 0 to 100000', 'payload.budget', 'Write US dollars as a number, or as text such as "2.50".'
    );
  end if;
  if new.payload ->> 'region' !~ '^\s*[A-Za-z]{2}\s*$' then
    perform headway_private.refuse('HW100', 'is no country', 'payload.region', 'Write its two letters, such as DE.');
  end if;
  if not headway_private.is_language_tag(new.payload ->> 'language') then
    perform headway_private.refuse(
      'HW100', 'is no language tag', 'payload.language', 'Write one such as de, pt-BR or zh-Hant.'
    );
  end if;
  if new.payload ->> 'campaign_id' is not null then
    select c.* into campaign from public.campaigns c where c.id::text = lower(new.payload ->> 'campaign_id');
    if campaign.id is null or campaign.organization_id is distinct from job.organization_id
      or (campaign.organization_id is null and campaign.user_id is distinct from job.owner_id) then
      perform headway_private.refuse(
        'HW301', 'there is no such campaign', 'payload.campaign_id', 'Use a campaign of the job''s owner or organisation, or leave it out.'
      );
    elsif exists (
      select from headway.jobs other
      where other.id = campaign.job_id and other.id <> job.id and other.status in ('pending', 'processing')
    ) then
      perform headway_private.refuse(
        'HW202', 'another job is at work on this campaign', 'payload.campaign_id', 'Wait for it, or cancel it first.'
      );
    end if;
  end if;
  return new;
end
$$;

revoke all on function
  headway_private.is_language_tag(text), headway_private.refuse_video_without_project(), headway_private.check_video(),
  headway_private.check_discovery()
from public, anon, authenticated, service_role;

create trigger jobs_refuse_video_without_project
  before insert on headway.jobs
  for each row when (new.kind = 'video.process' and new.project_id is null)
  execute function headway_private.refuse_video_without_project();
create trigger job_inputs_check_video
  before insert or update of payload on headway.job_inputs
  for each row when (new.payload ?| '{video_id,languages,language}')
  execute function headway_private.check_video();
create trigger job_inputs_check_discovery
  before insert or update of payload on headway.job_inputs
  for each row when (new.payload ?| '{business_type,location,campaign_id}')
  execute function headway_private.check_discovery();
