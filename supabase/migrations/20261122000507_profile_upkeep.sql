-- What a profile's tables keep by themselves, whoever writes: how complete it is, and what its owner has typed.

-- 0 to 100: what an employer looks for first weighs most. It needs no board experience: most people have none.
create function public.profile_completeness_of(person public.profiles) returns smallint
language sql stable set search_path = ''
as $$
  select (
    case when person.first_name is not null then 4 else 0 end
    + case when person.last_name is not null then 4 else 0 end
    + case when person.email is not null then 5 else 0 end
    + case when person.professional_headline is not null then 7 else 0 end
    + case when person.bio is not null then 8 else 0 end
    + case when person.location is not null then 5 else 0 end
    + case when person.phone is not null then 5 else 0 end
    + case when person.linkedin_url is not null then 4 else 0 end
    + case when person.website is not null then 2 else 0 end
    + case when cardinality(person.skills) >= 3 then 9 else 0 end
    + case when jsonb_array_length(person.languages) > 0 then 6 else 0 end
    + case when cardinality(person.sectors) > 0 then 5 else 0 end
    + case when person.availability_status is not null then 6 else 0 end
    + case
        when person.available_from is not null or person.availability_status in ('available', 'not_available') then 2
        else 0
      end
    + case when person.remote_work_preference is not null then 4 else 0 end
    + case
        when coalesce(person.compensation_expectation_min, person.compensation_expectation_max) is not null then 4
        else 0
      end
    + case when exists (select from public.work_experience w where w.profile_id = person.id) then 12 else 0 end
    + case
        when exists (
          select from public.work_experience w where w.profile_id = person.id and cardinality(w.key_achievements) > 0
        ) then 4
        else 0
      end
    + case when exists (select from public.education e where e.profile_id = person.id) then 4 else 0 end
  )::smallint
$$;

create function public.keep_profile_completeness() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
  new.profile_completeness := public.profile_completeness_of(new);
  return new;
end
$$;

-- Touching the profile also tells whoever has read it that something in it has changed.
create function public.touch_profiles_of_entries() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
  update public.profiles p
  set profile_completeness = 0  -- the trigger on profiles counts
  where p.id in (select c.profile_id from changed c);
  return null;
end
$$;

-- A field that its owner changes is the owner's word from then on, unless the change says where it comes from.
create function public.note_manual_profile_changes() returns trigger
language plpgsql volatile set search_path = ''
as $$
declare
  before jsonb := to_jsonb(old);
  after jsonb := to_jsonb(new);
  field text;
begin
  foreach field in array array[
    'first_name', 'last_name', 'email', 'professional_headline', 'bio', 'location', 'phone', 'linkedin_url',
    'website', 'avatar_url', 'skills', 'languages', 'sectors', 'availability_status', 'available_from',
    'remote_work_preference', 'compensation_expectation_min', 'compensation_expectation_max', 'compensation_currency'
  ]
  loop
    if after -> field is distinct from before -> field
      and new.data_sources -> field is not distinct from old.data_sources -> field
    then
      new.data_sources := new.data_sources || jsonb_build_object(field, 'manual');
    end if;
  end loop;
  return new;
end
$$;

create function public.note_manual_entry_changes() returns trigger
language plpgsql volatile set search_path = ''
as $$
declare
  kept text[] := array['updated_at', 'position', 'merge_key', 'source'];
begin
  if new.source = old.source and to_jsonb(new) - kept is distinct from to_jsonb(old) - kept then
    new.source := 'manual';
  end if;
  return new;
end
$$;

-- By name, triggers run in this order: completeness, manual changes, updated_at.
create trigger profiles_keep_completeness
  before insert or update on public.profiles for each row execute function public.keep_profile_completeness();
create trigger profiles_note_manual_changes
  before update on public.profiles
  for each row when (current_user = 'authenticated') execute function public.note_manual_profile_changes();

create trigger work_experience_note_manual_changes
  before update on public.work_experience
  for each row when (current_user = 'authenticated') execute function public.note_manual_entry_changes();
create trigger board_experience_note_manual_changes
  before update on public.board_experience
  for each row when (current_user = 'authenticated') execute function public.note_manual_entry_changes();
create trigger education_note_manual_changes
  before update on public.education
  for each row when (current_user = 'authenticated') execute function public.note_manual_entry_changes();

create trigger work_experience_touch_profile_on_insert
  after insert on public.work_experience referencing new table as changed
  for each statement execute function public.touch_profiles_of_entries();
create trigger work_experience_touch_profile_on_update
  after update on public.work_experience referencing new table as changed
  for each statement execute function public.touch_profiles_of_entries();
create trigger work_experience_touch_profile_on_delete
  after delete on public.work_experience referencing old table as changed
  for each statement execute function public.touch_profiles_of_entries();
create trigger board_experience_touch_profile_on_insert
  after insert on public.board_experience referencing new table as changed
  for each statement execute function public.touch_profiles_of_entries();
create trigger board_experience_touch_profile_on_update
  after update on public.board_experience referencing new table as changed
  for each statement execute function public.touch_profiles_of_entries();
create trigger board_experience_touch_profile_on_delete
  after delete on public.board_experience referencing old table as changed
  for each statement execute function public.touch_profiles_of_entries();
create trigger education_touch_profile_on_insert
  after insert on public.education referencing new table as changed
  for each statement execute function public.touch_profiles_of_entries();
create trigger education_touch_profile_on_update
  after update on public.education referencing new table as changed
  for each statement execute function public.touch_profiles_of_entries();
create trigger education_touch_profile_on_delete
  after delete on public.education referencing old table as changed
  for each statement execute function public.touch_profiles_of_entries();

comment on column public.profiles.profile_completeness is
  'Kept by the database: 0 to 100, what an employer looks for first weighs most.';
comment on function public.profile_completeness_of(public.profiles) is
  'How complete a profile is, 0 to 100.';

revoke all on function
  public.profile_completeness_of(public.profiles), public.keep_profile_completeness(),
  public.touch_profiles_of_entries(), public.note_manual_profile_changes(), public.note_manual_entry_changes()
from public, anon, authenticated, service_role;
-- Triggers run as whoever writes the row.
grant execute on function public.profile_completeness_of(public.profiles) to authenticated, service_role;
