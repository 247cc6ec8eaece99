-- Storage objects that nothing refers to: uploads whose job was never submitted, files of rows that are gone.
--
-- Workers look through the buckets a page at a time, where they left off, and put what they find among the removals
-- that prune lists. Nothing is deleted here: objects go through the Storage API.

create table headway.cleaned_buckets (
  bucket text primary key,
  orphans_after interval not null default '7 days',
  -- Where the search has come to; null between two searches.
  scanned_to text,
  next_scan_at timestamptz not null default now(),
  last_scan_at timestamptz,
  constraint cleaned_buckets_bucket_length check (char_length(bucket) between 1 and 100),
  -- A resumable upload may take a day; who uploads first and submits later needs time too.
  constraint cleaned_buckets_orphans_after check (orphans_after >= interval '1 day')
);

insert into headway.cleaned_buckets (bucket) values ('cvs'), ('videos'), ('job-files'), ('exports');

comment on table headway.cleaned_buckets is
  'Private buckets in which objects that nothing refers to are removed. Add your own, or take one out to keep everything.';
comment on column headway.cleaned_buckets.orphans_after is 'How long an object may lie there without a job or row.';

alter table headway.cleaned_buckets enable row level security;
revoke all on table headway.cleaned_buckets from public, anon, authenticated, service_role;
grant select, insert (bucket, orphans_after), update (orphans_after), delete on table headway.cleaned_buckets
to service_role;

create index campaigns_export_path_idx on public.campaigns (export_path) where export_path is not null;

-- What refers to objects. A domain table that keeps a path belongs here.
create view headway_private.files_in_use as
select f.bucket, f.path from headway.job_files f
union all
select 'videos', v.storage_path from public.videos v where v.storage_path is not null
union all
select 'exports', c.export_path from public.campaigns c where c.export_path is not null;

revoke all on table headway_private.files_in_use from public, anon, authenticated, service_role;

-- A file that was attached to a job goes with it. The row that names it stays, and names it no more once a worker has
-- ticked the removal off.
create function headway_private.forget_removed_files() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  update public.videos v set storage_path = null
  from removed r
  where r.bucket = 'videos' and v.storage_path = r.path;
  update public.campaigns c set export_path = null
  from removed r
  where r.bucket = 'exports' and c.export_path = r.path;
  return null;
end
$$;
revoke all on function headway_private.forget_removed_files() from public, anon, authenticated, service_role;

create trigger file_removals_forget_removed_files
  after delete on headway.file_removals referencing old table as removed
  for each statement execute function headway_private.forget_removed_files();

create function headway.collect_orphans(max_objects integer default 2000) returns jsonb
language plpgsql volatile security definer set search_path = '' set enable_seqscan = off
as $$
declare
  moment constant timestamptz := clock_timestamp();
  searched headway.cleaned_buckets;
  scanned integer;
  found_here integer := 0;
  last_name text;
begin
  if max_objects is null or max_objects not between 1 and 10000 then
    perform headway_private.refuse('HW103', 'must be from 1 to 10000', 'max_objects', 'Leave it out for 2000.');
  end if;
  select b.* into searched from headway.cleaned_buckets b
  where b.next_scan_at <= moment order by b.next_scan_at limit 1
  for update skip locked;
  if found then
    with page as materialized (
      select o.name, greatest(o.created_at, o.updated_at) as at
      from storage.objects o
      where o.bucket_id = searched.bucket and o.name collate "C" > coalesce(searched.scanned_to, '') collate "C"
      order by o.name collate "C"
      limit max_objects
    ),
    orphaned as (
      insert into headway.file_removals (bucket, path)
      select searched.bucket, p.name from page p
      where p.at < moment - searched.orphans_after
        and not exists (
          select from headway_private.files_in_use u where u.bucket = searched.bucket and u.path = p.name
        )
        -- Something is being uploaded in its place.
        and not exists (
          select from storage.s3_multipart_uploads m where m.bucket_id = searched.bucket and m.key = p.name
        )
      on conflict do nothing
      returning 1
    )
    select count(*), max(p.name collate "C"), (select count(*) from orphaned)
    into scanned, last_name, found_here
    from page p;
    update headway.cleaned_buckets b
    set
      scanned_to = case when scanned = max_objects then last_name end,
      next_scan_at = case when scanned = max_objects then moment else moment + interval '1 day' end,
      last_scan_at = case when scanned = max_objects then b.last_scan_at else moment end
    where b.bucket = searched.bucket;
  end if;
  return jsonb_build_object(
    'bucket', searched.bucket, 'scanned', coalesce(scanned, 0), 'found', found_here,
    'next_in_seconds', (
      select greatest(0, extract(epoch from b.next_scan_at - moment))
      from headway.cleaned_buckets b
      order by b.next_scan_at
      limit 1
    )
  );
end
$$;

comment on function headway.collect_orphans(integer) is
  'Looks at the next objects of the next bucket that is due, and has prune list those that nothing refers to.';

revoke all on function headway.collect_orphans(integer) from public, anon, authenticated, service_role;
grant execute on function headway.collect_orphans(integer) to service_role;
