-- Cron expressions in a time zone: parsing, and the next instant that matches.
--
-- Five fields (minute, hour, day of month, month, day of week) with lists, ranges, steps and names; ranges may
-- wrap (fri-mon, 22-2); L is the last day of the month; @hourly, @daily, @midnight, @weekly, @monthly, @yearly
-- and @annually. As POSIX has it, a time matches when day of month or day of week does, if neither is `*`.
--
-- When clocks change: times in an hour that is skipped run once, right after the gap, and times in an hour that
-- comes twice run the first time only - unless the hour field is a wildcard (`*`, `*/n`), which means
-- "regularly": then the skipped hour is skipped and the repeated one repeated.

create function headway_private.cron_field(field text, title text, low integer, high integer, names text[]) returns integer[]
language plpgsql immutable parallel safe set search_path = ''
as $$
declare
  size integer := high - low + 1;
  week boolean := title = 'day of week';
  item text;
  parts text[];
  bound text;
  bounds integer[];
  value integer;
  step integer;
  picked integer[] := '{}';
begin
  if field = '*' then
    return array(select generate_series(low, high));
  end if;
  foreach item in array string_to_array(field, ',') loop
    parts := regexp_match(item, '^(\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:/([0-9]{1,4}))?$');
    if parts is null then
      perform headway_private.refuse('HW100', format('the %s field does not understand %L', title, item), 'cron',
        'Write numbers, names, ranges (1-5), steps (*/15) and lists (1,15).');
    end if;
    step := coalesce(parts[4]::integer, 1);
    if step not between 1 and size then
      perform headway_private.refuse('HW100', format('the %s field has a step of %s', title, step), 'cron',
        format('A step of this field is between 1 and %s.', size));
    end if;
    if parts[1] = '*' then
      bounds := array[low, high];
    else
      bounds := '{}';
      foreach bound in array array_remove(array[parts[2], parts[3]], null) loop
        if bound ~ '^[0-9]{1,4}$' then
          value := bound::integer;
        else
          value := array_position(names, bound) - 1 + low;
        end if;
        if value is null then
          perform headway_private.refuse('HW100', format('the %s field does not understand %L', title, bound), 'cron',
            format('Write numbers from %s to %s%s.', low, high, ' or names such as ' || names[1]));
        end if;
        if value not between low and high + week::integer then
          perform headway_private.refuse('HW100', format('the %s field holds %s', title, value), 'cron',
            format('Write numbers from %s to %s.', low, high + week::integer));
        end if;
        bounds := bounds || value;
      end loop;
      if cardinality(bounds) = 1 then
        bounds := bounds || case when parts[4] is null then bounds[1] else greatest(high, bounds[1]) end;
      elsif bounds[1] > bounds[2] then
        bounds[2] := bounds[2] + size;
      end if;
    end if;
    picked := picked || array(
      select low + (v - low) % size from generate_series(bounds[1], bounds[2], step) v
    );
  end loop;
  return array(select distinct v from unnest(picked) v order by v);
end
$$;

create function headway_private.cron_parse(
  expression text,
  out minutes integer[],
  out hours integer[],
  out days integer[],
  out months integer[],
  out weekdays integer[],
  out last_day boolean,
  out any_day boolean,
  out any_weekday boolean,
  out regular boolean
)
language plpgsql immutable parallel safe set search_path = ''
as $$
declare
  text_form text := lower(btrim(regexp_replace(expression, '[[:space:]]+', ' ', 'g')));
  fields text[];
  day_items text[];
begin
  if expression is null or char_length(expression) > 256 or text_form = '' then
    perform headway_private.refuse('HW100', 'an expression of at most 256 characters is required', 'cron',
      'For example: 0 9 * * mon-fri');
  end if;
  text_form := case text_form
    when '@yearly' then '0 0 1 1 *'
    when '@annually' then '0 0 1 1 *'
    when '@monthly' then '0 0 1 * *'
    when '@weekly' then '0 0 * * 0'
    when '@daily' then '0 0 * * *'
    when '@midnight' then '0 0 * * *'
    when '@hourly' then '0 * * * *'
    else text_form
  end;
  if text_form like '@%' then
    perform headway_private.refuse('HW100', format('%L is not a known shorthand', text_form), 'cron',
      'Known are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually.');
  end if;
  fields := string_to_array(text_form, ' ');
  if cardinality(fields) <> 5 then
    perform headway_private.refuse('HW100', format('an expression has 5 fields, not %s', cardinality(fields)), 'cron',
      'Minute, hour, day of month, month, day of week: 0 9 * * mon-fri');
  end if;

  any_day := fields[3] in ('*', '?');
  any_weekday := fields[5] in ('*', '?');
  regular := fields[2] like '*%';
  minutes := headway_private.cron_field(fields[1], 'minute', 0, 59, null);
  hours := headway_private.cron_field(fields[2], 'hour', 0, 23, null);
  day_items := string_to_array(fields[3], ',');
  last_day := 'l' = any (day_items);
  days := case
    when any_day then array(select generate_series(1, 31))
    when day_items <@ array['l'] then '{}'
    else headway_private.cron_field(array_to_string(array_remove(day_items, 'l'), ','), 'day of month', 1, 31, null)
  end;
  months := headway_private.cron_field(fields[4], 'month', 1, 12,
    array['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']);
  weekdays := headway_private.cron_field(case when any_weekday then '*' else fields[5] end, 'day of week', 0, 6,
    array['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']);

  if any_weekday and not last_day and not exists (
    select from unnest(months) m
    where days[1] <= case when m = 2 then 29 when m in (4, 6, 9, 11) then 30 else 31 end
  ) then
    perform headway_private.refuse('HW100',
      format('day %s does not exist in month %s', array_to_string(days, ','), array_to_string(months, ',')), 'cron',
      'Correct the day or the month; L is the last day of a month.');
  end if;
end
$$;

-- The name of a time zone with rules of its own. Postgres also takes abbreviations (PST) and POSIX strings
-- (FOO+3), which silently ignore daylight saving time.
create function headway_private.cron_time_zone(time_zone text) returns text
language plpgsql stable set search_path = ''
as $$
begin
  if time_zone is null or time_zone !~ '^(UTC|GMT|[A-Za-z]+(/[A-Za-z_-]+){1,2}|Etc/GMT([+][0-9]|[+]1[0-2]|-[0-9]|-1[0-4]))$' then
    raise invalid_parameter_value;
  end if;
  perform now() at time zone time_zone;
  return time_zone;
exception when invalid_parameter_value then
  perform headway_private.refuse('HW100', format('%L is not a known time zone', time_zone), 'time_zone',
    'Use an IANA name such as Europe/Berlin, America/New_York or UTC.');
  return null;
end
$$;

create function headway_private.cron_matches_day(
  day date, days integer[], weekdays integer[], last_day boolean, any_day boolean, any_weekday boolean
) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
  select case
    when any_day and any_weekday then true
    when any_day then extract(dow from day)::integer = any (weekdays)
    when any_weekday then on_day
    else on_day or extract(dow from day)::integer = any (weekdays)
  end
  from (
    select extract(day from day)::integer = any (days)
      or (last_day and extract(day from day + 1)::integer = 1) as on_day
  ) as matched
$$;

create function headway_private.utc_offset(time_zone text, at timestamptz) returns interval
language sql stable set search_path = ''
as $$
  select (at at time zone time_zone) - (at at time zone 'UTC')
$$;

-- The first instant after `after` on a local day, or null. Around a change of clocks every wall time is looked
-- at by itself: with the offset before the change and with the one after it.
create function headway_private.cron_first_on(
  day date, minutes integer[], hours integer[], regular boolean, time_zone text, after timestamptz
) returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  midnight timestamptz := day::timestamp at time zone 'UTC';
  offset_before interval := headway_private.utc_offset(time_zone, midnight - interval '2 days');
  offset_after interval := headway_private.utc_offset(time_zone, midnight + interval '3 days');
  passed integer;
  hour integer;
  minute integer;
  wall timestamp;
  first_try timestamptz;
  second_try timestamptz;
  candidate timestamptz;
  best timestamptz;
  middle timestamptz;
begin
  if offset_before = offset_after then
    -- Minutes of this local day that have passed; a wall time must be later.
    passed := least(greatest(floor(extract(epoch from after + offset_before - midnight) / 60), -1), 1440);
    minute := (select min(m) from unnest(minutes) m where m > passed % 60);
    hour := case when passed >= 0 and minute is not null and passed / 60 = any (hours) then passed / 60 end;
    if hour is null then
      minute := minutes[1];
      hour := (select min(h) from unnest(hours) h where h * 60 > passed);
    end if;
    return midnight - offset_before + make_interval(hours => hour, mins => minute);
  end if;
  for wall in
    select day + make_interval(hours => h, mins => m) from unnest(hours) h, unnest(minutes) m
  loop
    first_try := wall at time zone 'UTC' - offset_before;
    second_try := wall at time zone 'UTC' - offset_after;
    candidate := null;
    if first_try at time zone time_zone = wall then
      candidate := first_try;
      if regular and candidate <= after and second_try at time zone time_zone = wall then
        candidate := second_try;
      end if;
    elsif second_try at time zone time_zone = wall then
      candidate := second_try;
    elsif not regular then
      -- In a gap: the change lies in (second_try, first_try]; find it to the minute.
      while first_try - second_try > interval '1 minute' loop
        middle := date_trunc('minute', second_try + (first_try - second_try) / 2);
        if (middle at time zone time_zone) - (middle at time zone 'UTC') = offset_after then
          first_try := middle;
        else
          second_try := middle;
        end if;
      end loop;
      candidate := first_try;
    end if;
    if candidate > after and (best is null or candidate < best) then
      best := candidate;
    end if;
  end loop;
  return best;
end
$$;

create function headway.cron_next(expression text, time_zone text default 'UTC', after timestamptz default now())
returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  f record;
  zone text := headway_private.cron_time_zone(time_zone);
  day date;
  horizon date;
  found_at timestamptz;
begin
  if after is null or not isfinite(after) or after not between '1970-01-01 UTC' and '9000-01-01 UTC' then
    perform headway_private.refuse('HW103', format('%L is not a time between 1970 and 9000', after), 'after',
      'Pass a point in time such as now().');
  end if;
  f := headway_private.cron_parse(expression);
  -- One day early: where clocks are set back at midnight, times of the day before come again.
  day := (after at time zone zone)::date - 1;
  horizon := day + 3660; -- 29 February comes at least every eight years
  while day <= horizon loop
    if not extract(month from day)::integer = any (f.months) then
      day := (date_trunc('month', day::timestamp) + interval '1 month')::date;
      continue;
    end if;
    if headway_private.cron_matches_day(day, f.days, f.weekdays, f.last_day, f.any_day, f.any_weekday) then
      found_at := headway_private.cron_first_on(day, f.minutes, f.hours, f.regular, zone, after);
      if found_at is not null then
        -- For the same reason the next day may begin before this one has ended.
        if headway_private.utc_offset(zone, found_at - interval '3 days')
            <> headway_private.utc_offset(zone, found_at + interval '3 days')
          and extract(month from day + 1)::integer = any (f.months)
          and headway_private.cron_matches_day(day + 1, f.days, f.weekdays, f.last_day, f.any_day, f.any_weekday)
        then
          found_at := least(found_at, headway_private.cron_first_on(day + 1, f.minutes, f.hours, f.regular, zone, after));
        end if;
        return found_at;
      end if;
    end if;
    day := day + 1;
  end loop;
  perform headway_private.refuse('HW100', format('%L does not come within ten years', expression), 'cron',
    'Correct the day or the month.');
  return null;
end
$$;

create function headway.cron_preview(
  expression text, time_zone text default 'UTC', count integer default 5, after timestamptz default now()
) returns setof timestamptz
language plpgsql stable set search_path = ''
as $$
declare
  tick timestamptz := after;
begin
  if count is null or count not between 1 and 100 then
    perform headway_private.refuse('HW103', format('%L is not between 1 and 100', count), 'count',
      'Ask for at most 100 times.');
  end if;
  for i in 1..count loop
    tick := headway.cron_next(expression, time_zone, tick);
    return next tick;
  end loop;
end
$$;

comment on function headway.cron_next(text, text, timestamptz) is
  'The first instant after a given one that a cron expression matches in a time zone.';
comment on function headway.cron_preview(text, text, integer, timestamptz) is
  'The next times at which a schedule would run.';

revoke all on function
  headway_private.cron_field(text, text, integer, integer, text[]), headway_private.cron_parse(text), headway_private.cron_time_zone(text),
  headway_private.cron_matches_day(date, integer[], integer[], boolean, boolean, boolean),
  headway_private.utc_offset(text, timestamptz),
  headway_private.cron_first_on(date, integer[], integer[], boolean, text, timestamptz),
  headway.cron_next(text, text, timestamptz), headway.cron_preview(text, text, integer, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function
  headway_private.cron_field(text, text, integer, integer, text[]), headway_private.cron_parse(text), headway_private.cron_time_zone(text),
  headway_private.cron_matches_day(date, integer[], integer[], boolean, boolean, boolean),
  headway_private.utc_offset(text, timestamptz),
  headway_private.cron_first_on(date, integer[], integer[], boolean, text, timestamptz),
  headway.cron_next(text, text, timestamptz), headway.cron_preview(text, text, integer, timestamptz)
to authenticated, service_role;
