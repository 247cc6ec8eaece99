-- Many campaigns at once, each with its job: all or nothing, in one transaction, safe to repeat.

create function headway_private.read_campaign(value jsonb, path text, organization uuid) returns public.campaigns
language plpgsql volatile set search_path = ''
as $$
declare
  campaign public.campaigns;
begin
  value := headway_private.read_object(value, path, 65536);
  if value is null then
    perform headway_private.refuse('HW100', 'must be an object', path, 'Send {"business_type": ..., "location": ...}.');
  end if;
  perform headway_private.refuse_unknown_fields(
    value,
    '{id,name,business_type,location,max_results,budget,min_score,region,language,organization_id,owner_id}', path || '.'
  );
  campaign.id := coalesce(headway_private.read_uuid(value -> 'id', path || '.id'), headway_private.new_id());
  campaign.name := headway_private.read_text(value -> 'name', path || '.name', 200);
  campaign.business_type := headway_private.read_text(
    value -> 'business_type', path || '.business_type', 200, '[^[:space:]]', 'Say what is looked for, such as "dentists".'
  );
  campaign.location := headway_private.read_text(
    value -> 'location', path || '.location', 500, '[^[:space:]]', 'Say where, such as "Hamburg".'
  );
  if campaign.business_type is null or campaign.location is null then
    perform headway_private.refuse(
      'HW102', 'is missing', path || case when campaign.business_type is null then '.business_type' else '.location' end,
      'Say what is looked for, and where.'
    );
  end if;
  campaign.max_results := coalesce(headway_private.read_integer(value -> 'max_results', path || '.max_results', 1, 500), 20);
  campaign.budget := coalesce(headway_private.read_number(value -> 'budget', path || '.budget', 0, 100000), 5);
  campaign.config := jsonb_strip_nulls(jsonb_build_object(
    'min_score', headway_private.read_integer(value -> 'min_score', path || '.min_score', 0, 100),
    'region', headway_private.read_text(value -> 'region', path || '.region', 2, '^[A-Z]{2}$', 'Send a country such as "DE".'),
    'language', headway_private.read_text(value -> 'language', path || '.language', 35)
  ));
  campaign.organization_id := coalesce(
    headway_private.read_uuid(value -> 'organization_id', path || '.organization_id'), organization
  );
  if campaign.organization_id is null then
    campaign.user_id := coalesce(headway_private.read_uuid(value -> 'owner_id', path || '.owner_id'), auth.uid());
    if campaign.user_id is null then
      perform headway_private.refuse('HW102', 'is missing', path || '.owner_id', 'Say whose campaign it is.');
    end if;
  end if;
  -- As its owner the function writes past row level security, so who may write there is asked here.
  if not headway_private.can_write_scope(campaign.user_id, campaign.organization_id) then
    perform headway_private.refuse(
      'HW302', 'you may not write there',
      path || case when campaign.organization_id is null then '.owner_id' else '.organization_id' end,
      'Leave it out for your own, or ask for the role editor in the organisation.'
    );
  end if;
  return campaign;
end
$$;

create function public.launch_campaigns(json) returns jsonb
language plpgsql volatile security definer set search_path = ''
as $$
declare
  body jsonb := headway_private.storable($1, '');
  specs jsonb;
  organization uuid;
  wanted public.campaigns[];
  fresh public.campaigns[];
  jobs jsonb;
  submitted jsonb;
begin
  if jsonb_typeof(body) = 'array' then
    specs := headway_private.read_array(body, 'campaigns', 1000);
  else
    body := headway_private.read_object(body, 'body', 16777216);
    perform headway_private.refuse_unknown_fields(body, '{campaigns,organization_id,batch}', '');
    specs := headway_private.read_array(body -> 'campaigns', 'campaigns', 1000);
    organization := headway_private.read_uuid(body -> 'organization_id', 'organization_id');
  end if;
  if coalesce(jsonb_array_length(specs), 0) = 0 then
    perform headway_private.refuse('HW102', 'is missing', 'campaigns', 'Send {"campaigns": [{"business_type": ..., "location": ...}]}.');
  end if;

  select array_agg(headway_private.read_campaign(s.spec, format('campaigns[%s]', s.place - 1), organization) order by s.place)
  into wanted
  from jsonb_array_elements(specs) with ordinality s (spec, place);
  if (select count(distinct w.id) from unnest(wanted) w) < cardinality(wanted) then
    perform headway_private.refuse('HW201', 'comes twice', 'campaigns.id', 'Give each campaign an id of its own, or none.');
  end if;
  -- Two requests with the same ids: the second one waits, and finds the campaigns of the first.
  perform pg_advisory_xact_lock(hashtextextended('headway campaign ' || w.id, 0)) from unnest(wanted) w order by w.id;
  if exists (
    select from unnest(wanted) w join public.campaigns c on c.id = w.id
    where not headway_private.can_write_scope(c.user_id, c.organization_id)
  ) then
    perform headway_private.refuse('HW201', 'belongs to another campaign', 'campaigns.id', 'Make a new id.');
  end if;

  fresh := array(
    select w from unnest(wanted) w where not exists (select from public.campaigns c where c.id = w.id and c.job_id is not null)
  );
  if cardinality(fresh) > 0 then
    insert into public.campaigns as c (
      id, user_id, organization_id, created_by, name, business_type, location, max_results, budget, config, status
    )
    select f.id, f.user_id, f.organization_id, auth.uid(), f.name, f.business_type, f.location, f.max_results, f.budget,
      f.config, 'pending'
    from unnest(fresh) f
    on conflict (id) do update set status = excluded.status;
    select jsonb_agg(jsonb_build_object(
      'id', headway_private.new_id(),
      'kind', 'discovery.run',
      'payload', f.config || jsonb_build_object(
        'campaign_id', f.id, 'business_type', f.business_type, 'location', f.location, 'max_results', f.max_results,
        'budget', trim_scale(f.budget)::text
      ),
      'cost_budget', f.budget,
      'organization_id', f.organization_id,
      'owner_id', case when headway_private.is_service() then f.user_id end
    ))
    into jobs
    from unnest(fresh) f;
    jobs := (select jsonb_agg(jsonb_strip_nulls(j.value)) from jsonb_array_elements(jobs) j);
    submitted := headway.submit_many(
      (case when jsonb_typeof(body) = 'object' and body ? 'batch'
        then jsonb_build_object('jobs', jobs, 'batch', body -> 'batch') else jsonb_build_object('jobs', jobs) end)::json
    );
    update public.campaigns c
    set job_id = (submitted -> 'jobs' -> (f.place - 1)::integer ->> 'id')::uuid
    from (select u.id, row_number() over () as place from unnest(fresh) u) f
    where c.id = f.id;
  end if;
  return jsonb_build_object(
    'campaigns', (
      select jsonb_agg(
        jsonb_build_object('id', c.id, 'job_id', c.job_id, 'created', exists (select from unnest(fresh) f where f.id = c.id))
        order by w.place
      )
      from (select u.id, row_number() over () as place from unnest(wanted) u) w
      join public.campaigns c on c.id = w.id
    ),
    'batch_id', submitted -> 'batch_id'
  );
end
$$;

comment on function public.launch_campaigns(json) is
  'Creates up to 1,000 campaigns with their jobs: {"campaigns": [...], "organization_id", "batch"}. Safe to repeat with the same ids.';

revoke all on function
  headway_private.read_campaign(jsonb, text, uuid), public.launch_campaigns(json)
from public, anon, authenticated, service_role;
grant execute on function public.launch_campaigns(json) to authenticated, service_role;
