-- Realtime: private topics admit exactly those who may read; `jobs` can also be followed as changes.
-- Nobody but the database sends: there is no policy for INSERT.

create policy "headway: readers receive their jobs" on realtime.messages
  for select to authenticated
  using (
    -- Once per statement, not once per message.
    extension = 'broadcast' and (select headway_private.can_read_topic(realtime.topic()))
  );

do $$
begin
  if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and not puballtables)
    and not exists (
      select from pg_catalog.pg_publication_tables
      where pubname = 'supabase_realtime' and schemaname = 'headway' and tablename = 'jobs'
    )
  then
    alter publication supabase_realtime add table headway.jobs;
  end if;
end
$$;
