-- Private buckets, and who may do what in them.
--
-- A path begins with `<user id>/` or `org/<organisation id>/`. In schema storage only rows and policies are
-- created: everything else there belongs to the platform.

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values
  ('cvs', 'cvs', false, 10485760, array[
    'application/pdf',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'text/plain', 'image/jpeg', 'image/png', 'image/webp', 'image/gif'
  ]),
  ('videos', 'videos', false, 5368709120, array['video/*']),
  ('job-files', 'job-files', false, 1073741824, null),
  ('exports', 'exports', false, 104857600, array['text/csv', 'application/pdf', 'application/json', 'text/html', 'text/vtt', 'application/zip'])
on conflict (id) do nothing;

-- Whether a path belongs to the caller alone or to an organisation is read from its folders; text is compared
-- with text, so that no name can make a cast fail.

create policy "headway: owners and members read files" on storage.objects
  for select to authenticated
  using (
    bucket_id in ('cvs', 'videos', 'job-files', 'exports')
    and name !~ '(^|/)\.{1,2}(/|$)'
    and (
      (storage.foldername(name))[1] = (select auth.uid())::text
      or (
        (storage.foldername(name))[1] = 'org'
        and (storage.foldername(name))[2] = any ((select public.member_org_ids())::text[])
      )
    )
  );

create policy "headway: owners and writers add files" on storage.objects
  for insert to authenticated
  with check (
    bucket_id in ('cvs', 'videos', 'job-files')
    and name !~ '(^|/)\.{1,2}(/|$)'
    and (
      (storage.foldername(name))[1] = (select auth.uid())::text
      or (
        (storage.foldername(name))[1] = 'org'
        and (storage.foldername(name))[2] = any ((select public.writer_org_ids())::text[])
      )
    )
  );

create policy "headway: owners and writers replace files" on storage.objects
  for update to authenticated
  using (
    bucket_id in ('cvs', 'videos', 'job-files')
    and (
      (storage.foldername(name))[1] = (select auth.uid())::text
      or (
        (storage.foldername(name))[1] = 'org'
        and (storage.foldername(name))[2] = any ((select public.writer_org_ids())::text[])
      )
    )
  )
  with check (
    bucket_id in ('cvs', 'videos', 'job-files')
    and name !~ '(^|/)\.{1,2}(/|$)'
    and (
      (storage.foldername(name))[1] = (select auth.uid())::text
      or (
        (storage.foldername(name))[1] = 'org'
        and (storage.foldername(name))[2] = any ((select public.writer_org_ids())::text[])
      )
    )
  );

create policy "headway: owners and writers delete files" on storage.objects
  for delete to authenticated
  using (
    bucket_id in ('cvs', 'videos', 'job-files', 'exports')
    and (
      (storage.foldername(name))[1] = (select auth.uid())::text
      or (
        (storage.foldername(name))[1] = 'org'
        and (storage.foldername(name))[2] = any ((select public.writer_org_ids())::text[])
      )
    )
  );
