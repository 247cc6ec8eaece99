-- Applying a parsed CV or an interview to a profile.

-- Everything or nothing, and the same again when repeated. An entry is found by its id, else by what makes two
-- entries the same (and then keeps its spelling); what the document leaves out or gives as null keeps its value,
-- and nothing is deleted. Only what is current again loses its end.
-- Whoever has merged a document into what was read before says so with unless_changed_since, the updated_at of then (or
-- '-infinity' when there was no profile): should the profile have changed meanwhile, nothing is written.
create function public.apply_profile(
  profile uuid, document jsonb, unless_changed_since timestamptz default null
) returns public.profiles
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  fault text;
  fields jsonb;
  stored public.profiles;
  item jsonb;
  ordinal integer;
  work public.work_experience;
  board public.board_experience;
  study public.education;
begin
  if profile is null then
    perform headway_private.refuse('HW102', 'a user id is required', 'profile', 'Pass the owner''s user id.');
  end if;
  if jsonb_typeof(document) is distinct from 'object' then
    perform headway_private.refuse('HW100', 'a document is an object', 'document',
      'Pass {"profile": {...}, "work_experience": [...], ...}.');
  end if;
  for fault in
    select part.key from jsonb_object_keys(document) as part (key)
    where part.key not in ('profile', 'work_experience', 'board_experience', 'education')
  loop
    perform headway_private.refuse('HW101', format('%L is no part of a document', fault), 'document.' || fault,
      'The parts are profile, work_experience, board_experience and education.');
  end loop;
  for fault in
    select part.key
    from jsonb_each(document) as part
    where case part.key
      when 'profile' then jsonb_typeof(part.value) <> 'object'
      else jsonb_path_exists(part.value, 'strict $ ? (@.type() != "array" || exists(@[*] ? (@.type() != "object")))')
    end
  loop
    perform headway_private.refuse('HW100', format('%s must be %s', fault,
      case fault when 'profile' then 'an object' else 'a list of objects' end), 'document.' || fault,
      'Pass {"profile": {...}, "work_experience": [{...}], ...}.');
  end loop;
  for fault in
    select part.key || '.' || field
    from jsonb_each(document) as part,
      jsonb_path_query(part.value, 'lax $[*]') as entry,
      jsonb_object_keys(entry) as field
    where field not in (
      select a.attname
      from pg_catalog.pg_attribute a
      where a.attrelid = ('public.' || case part.key when 'profile' then 'profiles' else part.key end)::regclass
        and a.attnum > 0 and not a.attisdropped
    )
  loop
    perform headway_private.refuse('HW101', format('%L is not known', fault), 'document.' || fault,
      'The fields are the columns of the tables of the same name, and of profiles.');
  end loop;
  fields := jsonb_strip_nulls(coalesce(document -> 'profile', '{}')) - array['id', 'created_at', 'updated_at'];

  insert into public.profiles (id) values (profile) on conflict (id) do nothing;
  if not found and unless_changed_since is not null then
    -- The lock makes two who have read the same profile follow one another, and the insertion two who found none.
    select p.* into stored from public.profiles p where p.id = profile for no key update;
    if stored.updated_at is distinct from unless_changed_since then
      perform headway_private.refuse('HW202', 'the profile has changed since it was read', 'unless_changed_since',
        'Read it again, merge again, and apply the new document.');
    end if;
  end if;
  update public.profiles p
  set (
    first_name, last_name, email, professional_headline, bio, location, phone, linkedin_url, website, avatar_url,
    skills, languages, sectors, has_board_experience, current_board_roles, availability_status, available_from,
    remote_work_preference, compensation_expectation_min, compensation_expectation_max, compensation_currency,
    profile_completeness, onboarding_completed, data_sources, sandbox
  ) = (
    select
      r.first_name, r.last_name, r.email, r.professional_headline, r.bio, r.location, r.phone, r.linkedin_url,
      r.website, r.avatar_url, r.skills, r.languages, r.sectors, r.has_board_experience, r.current_board_roles,
      r.availability_status, r.available_from, r.remote_work_preference, r.compensation_expectation_min,
      r.compensation_expectation_max, r.compensation_currency, r.profile_completeness, r.onboarding_completed,
      p.data_sources || r.data_sources, r.sandbox
    from jsonb_populate_record(p, fields) r
  )
  where p.id = profile;

  for item, ordinal in
    select jsonb_strip_nulls(e.value), e.ordinality - 1
    from jsonb_array_elements(coalesce(document -> 'work_experience', '[]')) with ordinality e
  loop
    work := jsonb_populate_record(null::public.work_experience, item);
    update public.work_experience w
    set
      company = case when work.id is null then w.company else coalesce(work.company, w.company) end,
      title = case when work.id is null then w.title else coalesce(work.title, w.title) end,
      start_date = coalesce(work.start_date, w.start_date),
      end_date = case when work.is_current and work.end_date is null then null else coalesce(work.end_date, w.end_date) end,
      is_current = coalesce(work.is_current, w.is_current),
      description = coalesce(work.description, w.description),
      key_achievements = coalesce(work.key_achievements, w.key_achievements),
      company_size = coalesce(work.company_size, w.company_size),
      location = coalesce(work.location, w.location),
      position = coalesce(work.position, w.position)
    where w.profile_id = profile and case
      when work.id is not null then w.id = work.id
      else w.merge_key = md5(lower(btrim(coalesce(work.company, ''))) || '|' || lower(btrim(coalesce(work.title, '')))
        || '|' || coalesce(work.start_date, ''))
    end;
    if not found then
      insert into public.work_experience (
        id, profile_id, company, title, start_date, end_date, is_current, description, key_achievements,
        company_size, location, source, position
      ) values (
        coalesce(work.id, gen_random_uuid()), profile, work.company, work.title, work.start_date, work.end_date,
        coalesce(work.is_current, false), work.description, coalesce(work.key_achievements, '{}'),
        work.company_size, work.location, coalesce(work.source, 'cv'), coalesce(work.position, ordinal)
      );
    end if;
  end loop;

  for item, ordinal in
    select jsonb_strip_nulls(e.value), e.ordinality - 1
    from jsonb_array_elements(coalesce(document -> 'board_experience', '[]')) with ordinality e
  loop
    board := jsonb_populate_record(null::public.board_experience, item);
    update public.board_experience b
    set
      organization = case when board.id is null then b.organization else coalesce(board.organization, b.organization) end,
      role = case when board.id is null then b.role else coalesce(board.role, b.role) end,
      sector = coalesce(board.sector, b.sector),
      start_date = coalesce(board.start_date, b.start_date),
      end_date = case when board.is_current and board.end_date is null then null else coalesce(board.end_date, b.end_date) end,
      is_current = coalesce(board.is_current, b.is_current),
      organization_size = coalesce(board.organization_size, b.organization_size),
      key_contributions = coalesce(board.key_contributions, b.key_contributions),
      compensation_disclosed = coalesce(board.compensation_disclosed, b.compensation_disclosed),
      annual_fee = coalesce(board.annual_fee, b.annual_fee),
      position = coalesce(board.position, b.position)
    where b.profile_id = profile and case
      when board.id is not null then b.id = board.id
      else b.merge_key = md5(lower(btrim(coalesce(board.organization, ''))) || '|'
        || lower(btrim(coalesce(board.role, ''))) || '|' || coalesce(board.start_date, ''))
    end;
    if not found then
      insert into public.board_experience (
        id, profile_id, organization, role, sector, start_date, end_date, is_current, organization_size,
        key_contributions, compensation_disclosed, annual_fee, source, position
      ) values (
        coalesce(board.id, gen_random_uuid()), profile, board.organization, board.role, board.sector,
        board.start_date, board.end_date, coalesce(board.is_current, false), board.organization_size,
        board.key_contributions, coalesce(board.compensation_disclosed, false), board.annual_fee,
        coalesce(board.source, 'cv'), coalesce(board.position, ordinal)
      );
    end if;
  end loop;

  for item, ordinal in
    select jsonb_strip_nulls(e.value), e.ordinality - 1
    from jsonb_array_elements(coalesce(document -> 'education', '[]')) with ordinality e
  loop
    study := jsonb_populate_record(null::public.education, item);
    update public.education d
    set
      institution = case when study.id is null then d.institution else coalesce(study.institution, d.institution) end,
      degree = case when study.id is null then d.degree else coalesce(study.degree, d.degree) end,
      field_of_study = case when study.id is null then d.field_of_study else coalesce(study.field_of_study, d.field_of_study) end,
      graduation_year = coalesce(study.graduation_year, d.graduation_year),
      gpa = coalesce(study.gpa, d.gpa),
      honors = coalesce(study.honors, d.honors),
      description = coalesce(study.description, d.description),
      position = coalesce(study.position, d.position)
    where d.profile_id = profile and case
      when study.id is not null then d.id = study.id
      else d.merge_key = md5(lower(btrim(coalesce(study.institution, ''))) || '|'
        || lower(btrim(coalesce(study.degree, ''))) || '|' || lower(btrim(coalesce(study.field_of_study, '')))
        || '|' || coalesce(study.graduation_year::text, ''))
    end;
    if not found then
      insert into public.education (
        id, profile_id, institution, degree, field_of_study, graduation_year, gpa, honors, description, source,
        position
      ) values (
        coalesce(study.id, gen_random_uuid()), profile, study.institution, study.degree, study.field_of_study,
        study.graduation_year, study.gpa, coalesce(study.honors, '{}'), study.description,
        coalesce(study.source, 'cv'), coalesce(study.position, ordinal)
      );
    end if;
  end loop;

  select p.* into stored from public.profiles p where p.id = profile;
  return stored;
end
$$;

comment on function public.apply_profile(uuid, jsonb, timestamptz) is
  'Write a parsed profile and its entries at once; repeating it changes nothing. Rows of the caller''s own profile only, unless called with the service role.';

revoke all on function public.apply_profile(uuid, jsonb, timestamptz) from public, anon, authenticated, service_role;
grant execute on function public.apply_profile(uuid, jsonb, timestamptz) to authenticated, service_role;
