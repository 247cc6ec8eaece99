-- One partition of realtime.messages per UTC day. Without today's partition a message cannot be stored, and
-- realtime.send would swallow the error.
create or replace function realtime.ensure_partitions(days_back integer default 1, days_ahead integer default 3)
returns integer
language plpgsql
as $$
declare
  today constant date := (now() at time zone 'utc')::date;
  day date;
  partition_name text;
  made integer := 0;
begin
  for day in select generate_series(today - days_back, today + days_ahead, interval '1 day')::date loop
    partition_name := to_char(day, '"messages_"YYYY_MM_DD');
    continue when to_regclass(format('realtime.%I', partition_name)) is not null;
    perform pg_advisory_xact_lock(hashtextextended('realtime.ensure_partitions', 0));
    continue when to_regclass(format('realtime.%I', partition_name)) is not null;
    -- Made apart and attached, which does not lock readers and writers of the parent out.
    execute format('create table realtime.%I (like realtime.messages including defaults)', partition_name);
    execute format('alter table realtime.%I owner to supabase_realtime_admin', partition_name);
    execute format('alter table realtime.messages attach partition realtime.%I for values from (%L) to (%L)',
                   partition_name, day, day + 1);
    made := made + 1;
  end loop;
  return made;
end
$$;

create or replace function realtime.drop_old_partitions(keep interval default '72 hours') returns integer
language plpgsql
as $$
declare
  oldest constant date := ((now() at time zone 'utc') - keep)::date;
  partition_name text;
  dropped integer := 0;
begin
  for partition_name in
    select child.relname
      from pg_catalog.pg_inherits as link
      join pg_catalog.pg_class as child on child.oid = link.inhrelid
     where link.inhparent = 'realtime.messages'::regclass
       and child.relname ~ '^messages_\d{4}_\d{2}_\d{2}$'
       and to_date(substr(child.relname, 10), 'YYYY_MM_DD') < oldest
  loop
    execute format('drop table realtime.%I', partition_name);
    dropped := dropped + 1;
  end loop;
  return dropped;
end
$$;

revoke all on function realtime.ensure_partitions(integer, integer), realtime.drop_old_partitions(interval) from public;
select realtime.ensure_partitions();
