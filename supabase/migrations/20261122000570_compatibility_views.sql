-- The job tables that each system's clients already know, as views over the engine: same names, same columns,
-- under the caller's own row level security. To read only; docs/compatibility-views.md says what each column is.
-- Metrics are free-form: what is no number there is null here, instead of failing the whole view.

create view public.cv_processing_jobs with (security_invoker = true) as
select
  j.id,
  j.owner_id as user_id,
  j.status,
  round(j.percent)::integer as progress,
  j.stage as current_step,
  j.message,
  f.name as file_name,
  f.path as file_path,
  o.result as parsed_data,
  j.error_code,
  j.error_message,
  j.metrics,
  j.attempt as attempts,
  j.created_at,
  j.updated_at,
  j.started_at,
  j.finished_at as completed_at
from headway.jobs j
left join headway.job_outputs o on o.job_id = j.id
left join lateral (
  select i.name, i.path
  from headway.job_files i
  where i.job_id = j.id and i.direction = 'input'
  order by i.created_at, i.name
  limit 1
) f on true
where j.kind = 'cv.parse';

create view public.talk_track_jobs with (security_invoker = true) as
select
  j.id,
  j.project_id,
  j.owner_id as user_id,
  j.status,
  round(j.percent)::integer as progress,
  j.stage as current_step,
  j.message,
  (case when jsonb_typeof(j.metrics -> 'slides_done') = 'number' then j.metrics -> 'slides_done' end)::bigint as slides_done,
  (case when jsonb_typeof(j.metrics -> 'slides_total') = 'number' then j.metrics -> 'slides_total' end)::bigint as slides_total,
  i.payload -> 'options' as options,
  t.id as talk_track_id,
  o.result,
  j.error_code,
  j.error_message as error,
  j.metrics,
  j.created_at,
  j.updated_at,
  j.started_at,
  j.finished_at as completed_at
from headway.jobs j
left join headway.job_inputs i on i.job_id = j.id
left join headway.job_outputs o on o.job_id = j.id
left join public.talk_tracks t on t.job_id = j.id
where j.kind = 'talk_track.generate';

create view public.document_jobs with (security_invoker = true) as
select
  j.id as job_id,
  j.status,
  i.payload ->> 'prompt' as prompt,
  coalesce(d.html, o.result ->> 'html') as html,
  j.project_id,
  j.error_message as error,
  o.result,
  j.created_at,
  j.updated_at,
  round(j.percent)::integer as progress,
  j.message,
  j.owner_id as user_id
from headway.jobs j
left join headway.job_inputs i on i.job_id = j.id
left join headway.job_outputs o on o.job_id = j.id
left join public.documents d on d.job_id = j.id
where j.kind = 'document.generate';

create view public.processing_jobs with (security_invoker = true) as
select
  j.id,
  coalesce(i.payload ->> 'video_id', v.id::text, o.result ->> 'video_id') as video_id,
  j.project_id,
  j.organization_id,
  j.owner_id as user_id,
  j.status,
  j.stage,
  round(j.percent)::integer as progress,
  j.message,
  i.payload -> 'languages' as languages,
  coalesce(s.steps, '[]') as steps,
  o.result,
  j.error_code,
  j.error_message,
  j.metrics,
  j.created_at,
  j.updated_at,
  j.started_at,
  j.finished_at as completed_at
from headway.jobs j
left join headway.job_inputs i on i.job_id = j.id
left join headway.job_outputs o on o.job_id = j.id
left join lateral (
  select jsonb_agg(jsonb_build_object(
    'name', p.name, 'status', p.status, 'error', p.error_message, 'started_at', p.started_at,
    'completed_at', p.finished_at
  ) order by p.ordinal) as steps
  from headway.job_steps p
  where p.job_id = j.id
) s on true
left join lateral (
  select w.id from public.videos w where w.job_id = j.id order by w.created_at limit 1
) v on true
where j.kind = 'video.process';

create view public.discovery_jobs with (security_invoker = true) as
select
  j.id,
  coalesce(i.payload ->> 'campaign_id', c.id::text, o.result ->> 'campaign_id') as campaign_id,
  j.owner_id as user_id,
  j.organization_id,
  j.status,
  j.stage as current_stage,
  round(j.percent)::integer as progress,
  j.message,
  i.payload ->> 'business_type' as business_type,
  i.payload ->> 'location' as location,
  coalesce((case when jsonb_typeof(j.metrics -> 'businesses_found') = 'number' then j.metrics -> 'businesses_found' end)::bigint, 0) as businesses_found,
  coalesce((case when jsonb_typeof(j.metrics -> 'qualified_leads') = 'number' then j.metrics -> 'qualified_leads' end)::bigint, 0) as qualified_leads,
  coalesce((case when jsonb_typeof(j.metrics -> 'leads_enriched') = 'number' then j.metrics -> 'leads_enriched' end)::bigint, 0) as leads_enriched,
  coalesce(k.spent, 0) as total_cost,
  -- The campaign's own, in its caller's words; else what the engine holds the job to.
  coalesce(
    case when i.payload ->> 'budget' ~ '^[0-9]{1,9}([.][0-9]{1,20})?$' then (i.payload ->> 'budget')::numeric end, c.budget, k.budget
  ) as budget,
  (case when jsonb_typeof(j.metrics -> 'average_confidence') = 'number' then j.metrics -> 'average_confidence' end)::numeric as average_confidence,
  o.result,
  j.error_code,
  j.error_message,
  j.metrics,
  j.created_at,
  j.updated_at,
  j.started_at,
  j.finished_at as completed_at
from headway.jobs j
left join headway.job_inputs i on i.job_id = j.id
left join headway.job_outputs o on o.job_id = j.id
left join headway.job_costs k on k.job_id = j.id
left join lateral (
  select m.id, m.budget from public.campaigns m where m.job_id = j.id order by m.created_at limit 1
) c on true
where j.kind = 'discovery.run';

comment on view public.cv_processing_jobs is 'Jobs of kind cv.parse, as older clients know them.';
comment on view public.talk_track_jobs is 'Jobs of kind talk_track.generate, as older clients know them.';
comment on view public.document_jobs is 'Jobs of kind document.generate, as older clients know them.';
comment on view public.processing_jobs is 'Jobs of kind video.process, as older clients know them.';
comment on view public.discovery_jobs is 'Jobs of kind discovery.run, as older clients know them.';

revoke all on table
  public.cv_processing_jobs, public.talk_track_jobs, public.document_jobs, public.processing_jobs,
  public.discovery_jobs
from public, anon, authenticated, service_role;
grant select on table
  public.cv_processing_jobs, public.talk_track_jobs, public.document_jobs, public.processing_jobs,
  public.discovery_jobs
to authenticated, service_role;
