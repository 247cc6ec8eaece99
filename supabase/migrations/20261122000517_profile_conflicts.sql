-- Deciding between two sources that contradict each other.

-- The decision and what follows from it are one transaction; repeating the same decision changes nothing.
create function public.resolve_profile_conflict(conflict uuid, resolution text) returns public.profile_conflicts
language plpgsql volatile security invoker set search_path = ''
as $$
declare
  open public.profile_conflicts;
  heard jsonb;
begin
  if resolution is null or resolution not in ('known', 'heard', 'neither') then
    perform headway_private.refuse('HW103', format('%L is no decision', resolution), 'resolution',
      'Decide for known, heard or neither.');
  end if;
  select c.* into open from public.profile_conflicts c where c.id = conflict for update;
  if not found then
    perform headway_private.refuse('HW301', 'there is no such conflict', 'conflict',
      'It may be somebody else''s, or gone with its profile.');
  end if;
  if open.resolution is not null then
    if open.resolution is distinct from resolve_profile_conflict.resolution then
      perform headway_private.refuse('HW202', format('it was decided for %s already', open.resolution), 'resolution',
        'Change the profile itself.');
    end if;
    return open;
  end if;

  if resolution = 'heard' then
    heard := jsonb_build_object(open.field, open.heard_value)
      -- What has an end goes on no more.
      || case when open.field = 'end_date' then '{"is_current": false}'::jsonb else '{}'::jsonb end;
    perform public.apply_profile(open.profile_id, case
      when open.target = 'profiles' then jsonb_build_object('profile',
        heard || jsonb_build_object('data_sources', jsonb_build_object(open.field, open.heard_source)))
      else jsonb_build_object(
        open.target, jsonb_build_array(heard || jsonb_build_object('id', open.record_id)),
        'profile', jsonb_build_object('data_sources', jsonb_build_object(
          format('%s.%s.%s', open.target, open.record_id, open.field), open.heard_source)))
    end);
  end if;
  update public.profile_conflicts c
  set resolution = resolve_profile_conflict.resolution, resolved_at = now()
  where c.id = conflict
  returning c.* into open;
  return open;
end
$$;

comment on function public.resolve_profile_conflict(uuid, text) is
  'Decide a contradiction: known keeps the profile as it is, heard takes the other value, neither leaves it to be changed by hand.';

revoke all on function public.resolve_profile_conflict(uuid, text) from public, anon, authenticated, service_role;
grant execute on function public.resolve_profile_conflict(uuid, text) to authenticated, service_role;
