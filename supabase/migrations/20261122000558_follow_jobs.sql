-- Videos and campaigns stand where their jobs stand, whatever ended these: the worker's word, a person who cancelled,
-- a worker that died too often. A row follows the job that it names in job_id. A row that cannot follow (a constraint
-- that somebody has added) never keeps a job from ending.

create function headway_private.follow_video_job() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update public.videos v
  set
    status = case new.status when 'completed' then 'ready' when 'failed' then 'failed' when 'cancelled' then 'failed' else 'processing' end,
    error_code = case new.status when 'failed' then new.error_code when 'cancelled' then 'cancelled' end,
    error_message = case new.status
      when 'failed' then left(coalesce(new.error_message, 'The job has failed.'), 2000)
      when 'cancelled' then left(concat_ws(' ', 'The job was cancelled.', new.cancel_reason), 2000)
    end
  where v.job_id = new.id;
  return null;
exception when others then
  raise warning 'headway: the video of job % cannot follow it: %', new.id, sqlerrm;
  return null;
end
$$;

create function headway_private.follow_discovery_job() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  if new.status in ('failed', 'cancelled') then
    -- What was found until then, counted where it is kept: the worker that counted may be dead.
    update public.campaigns c
    set (businesses_found, qualified_leads, leads_enriched, average_confidence) = (
      select count(*), count(*) filter (where l.qualified), count(*) filter (where l.reachable),
        round(avg(l.confidence) filter (where l.reachable), 2)
      from (
        select f.*, f.qualified and f.contact_email is not null and f.verification not in ('invalid', 'disposable') as reachable
        from public.leads f
        where f.campaign_id = c.id and f.updated_at >= c.started_at
      ) l
    )
    where c.job_id = new.id;
  end if;
  update public.campaigns c
  set
    status = new.status,
    error_message = case new.status
      when 'failed' then left(coalesce(new.error_message, 'The job has failed.'), 2000)
      when 'cancelled' then left(concat_ws(' ', 'The job was cancelled.', new.cancel_reason), 2000)
    end,
    -- To the last call, those of executions that were killed too.
    total_cost = coalesce((select k.spent from headway.job_costs k where k.job_id = new.id), c.total_cost),
    started_at = coalesce(c.started_at, case when new.status = 'processing' then new.started_at end),
    finished_at = case when new.status in ('completed', 'failed', 'cancelled') then greatest(new.finished_at, c.started_at) end
  where c.job_id = new.id;
  return null;
exception when others then
  raise warning 'headway: the campaign of job % cannot follow it: %', new.id, sqlerrm;
  return null;
end
$$;

revoke all on function headway_private.follow_video_job(), headway_private.follow_discovery_job()
from public, anon, authenticated, service_role;

create trigger jobs_follow_video
  after update of status on headway.jobs
  for each row when (new.kind = 'video.process' and new.status is distinct from old.status)
  execute function headway_private.follow_video_job();
create trigger jobs_follow_discovery
  after update of status on headway.jobs
  for each row when (new.kind = 'discovery.run' and new.status is distinct from old.status)
  execute function headway_private.follow_discovery_job();
