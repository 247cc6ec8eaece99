-- Videos and the documentation made of them: segments, chapters, and articles in every language.

create function public.is_language(value text) returns boolean
language sql immutable parallel safe set search_path = ''
as $$
  select value ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$'
$$;
revoke all on function public.is_language(text) from public, anon, authenticated, service_role;
grant execute on function public.is_language(text) to authenticated, service_role;

create table public.videos (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references public.projects (id) on delete cascade,
  user_id uuid default auth.uid() references auth.users (id) on delete set null,
  job_id uuid references headway.jobs (id) on delete set null,
  title text,
  status text not null default 'uploaded',
  storage_path text unique,
  language text,
  duration_seconds numeric(10, 3),
  vtt_content text,
  vtt_languages jsonb not null default '{}',
  error_code text,
  error_message text,
  sandbox boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint videos_title_length check (char_length(title) <= 500),
  constraint videos_status_known check (status in ('uploaded', 'processing', 'ready', 'failed')),
  constraint videos_failure_explained check (status <> 'failed' or error_message is not null),
  constraint videos_error_length check (char_length(error_code) <= 100 and char_length(error_message) <= 2000),
  -- A path of the bucket `videos`, under its user's or organisation's folder, without tricks.
  constraint videos_storage_path_format check (
    char_length(storage_path) <= 1024
    and storage_path ~ '^(org/)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[^/]'
    and storage_path !~ '(^|/)\.{1,2}(/|$)'
  ),
  constraint videos_language_format check (public.is_language(language)),
  constraint videos_duration_range check (duration_seconds >= 0),
  constraint videos_vtt_format check (vtt_content like 'WEBVTT%'),
  constraint videos_vtt_languages_object check (
    jsonb_typeof(vtt_languages) = 'object'
    and not jsonb_path_exists(vtt_languages, 'strict $.* ? (
      @.type() != "string" || !(@ starts with "WEBVTT")
    )')
  )
);

create index videos_project_idx on public.videos (project_id, created_at desc);
create index videos_user_idx on public.videos (user_id);
create index videos_job_idx on public.videos (job_id);

create table public.video_segments (
  id uuid primary key default gen_random_uuid(),
  video_id uuid not null references public.videos (id) on delete cascade,
  position integer not null,
  start_seconds numeric(10, 3) not null,
  end_seconds numeric(10, 3) not null,
  spoken_content text,
  visual_context text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint video_segments_position_once unique (video_id, position),
  constraint video_segments_position_range check (position >= 0),
  constraint video_segments_span check (start_seconds >= 0 and end_seconds >= start_seconds),
  constraint video_segments_spoken_content_length check (char_length(spoken_content) <= 50000),
  constraint video_segments_visual_context_length check (char_length(visual_context) <= 50000)
);

create table public.chapters (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references public.projects (id) on delete cascade,
  video_id uuid references public.videos (id) on delete cascade,
  slug text not null,
  title text not null,
  summary text,
  sections jsonb not null default '[]',
  position integer not null default 0,
  start_seconds numeric(10, 3),
  end_seconds numeric(10, 3),
  sandbox boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint chapters_slug_once unique (project_id, slug),
  constraint chapters_slug_format check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) <= 200),
  constraint chapters_title_length check (char_length(btrim(title)) between 1 and 500),
  constraint chapters_summary_length check (char_length(summary) <= 20000),
  constraint chapters_sections_list check (
    jsonb_typeof(sections) = 'array'
    and not jsonb_path_exists(sections, 'strict $[*] ? (@.type() != "object")')
    and not jsonb_path_exists(sections, '$[*] ? (
      !exists(@.title) || @.title.type() != "string"
    )')
  ),
  constraint chapters_position_range check (position >= 0),
  constraint chapters_span check (start_seconds >= 0 and end_seconds >= start_seconds)
);

create index chapters_video_idx on public.chapters (video_id, position);

create table public.articles (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references public.projects (id) on delete cascade,
  chapter_id uuid not null references public.chapters (id) on delete cascade,
  language text not null,
  slug text not null,
  title text not null,
  content_json jsonb not null,
  content_text text not null default '',
  status text not null default 'draft',
  sandbox boolean not null default false,
  published_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint articles_language_once unique (chapter_id, language),
  constraint articles_slug_once unique (project_id, language, slug),
  constraint articles_language_format check (public.is_language(language)),
  constraint articles_slug_format check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) <= 200),
  constraint articles_title_length check (char_length(btrim(title)) between 1 and 500),
  -- TipTap/ProseMirror: the root is a node of type doc with a list of nodes.
  constraint articles_content_json_document check (
    jsonb_typeof(content_json) = 'object'
    and coalesce(content_json ->> 'type' = 'doc', false)
    and coalesce(jsonb_typeof(content_json -> 'content') = 'array', true)
    and octet_length(content_json::text) <= 5242880
  ),
  constraint articles_content_text_length check (char_length(content_text) <= 2000000),
  constraint articles_status_known check (status in ('draft', 'published'))
);

comment on table public.videos is 'Uploaded videos of a project and where their processing stands.';
comment on column public.videos.storage_path is
  'In bucket videos; null once the file is removed with the job that it was attached to.';
comment on column public.videos.vtt_languages is 'Translated subtitles: {"de": "WEBVTT..."}.';
comment on table public.video_segments is 'What is said and seen in a video, in order.';
comment on table public.chapters is 'Chapters of a project''s documentation; written again by a later run for the same slug.';
comment on table public.articles is 'A chapter in one language, as TipTap JSON and as plain text.';

-- published_at follows status, whoever writes it.
create function public.set_published_at() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
  new.published_at := case when new.status = 'published' then coalesce(new.published_at, now()) end;
  return new;
end
$$;

-- A chapter's project is its video's, an article's its chapter's: a row cannot hang between two tenants.
create function public.check_same_project() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
  if tg_table_name = 'chapters' then
    if new.video_id is not null and not exists (
      select from public.videos v where v.id = new.video_id and v.project_id = new.project_id
    ) then
      perform headway_private.refuse('HW202', 'the video belongs to another project', 'video_id',
        'Use a video of the same project.');
    end if;
  elsif not exists (
    select from public.chapters c where c.id = new.chapter_id and c.project_id = new.project_id
  ) then
    perform headway_private.refuse('HW202', 'the chapter belongs to another project', 'chapter_id',
      'Use a chapter of the same project.');
  end if;
  return new;
end
$$;

create function public.can_write_video(video uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from public.videos v where v.id = video and public.can_write_project(v.project_id)
  )
$$;

-- Whether the caller may put files at a path: below its own folder, or that of an organisation it writes for.
create function public.can_write_path(path text) returns boolean
language sql stable security definer set search_path = ''
as $$
  select coalesce(
    split_part(path, '/', 1) = (select auth.uid())::text
    or (
      split_part(path, '/', 1) = 'org'
      and split_part(path, '/', 2) = any ((select public.writer_org_ids())::text[])
    ),
    false
  )
$$;

revoke all on function
  public.set_published_at(), public.check_same_project(), public.can_write_video(uuid), public.can_write_path(text)
from public, anon, authenticated, service_role;
grant execute on function public.can_write_video(uuid), public.can_write_path(text) to authenticated, service_role;

create trigger videos_set_updated_at
  before update on public.videos for each row execute function public.set_updated_at();
create trigger video_segments_set_updated_at
  before update on public.video_segments for each row execute function public.set_updated_at();
create trigger chapters_set_updated_at
  before update on public.chapters for each row execute function public.set_updated_at();
create trigger chapters_same_project
  before insert or update of project_id, video_id on public.chapters
  for each row execute function public.check_same_project();
create trigger articles_set_updated_at
  before update on public.articles for each row execute function public.set_updated_at();
create trigger articles_same_project
  before insert or update of project_id, chapter_id on public.articles
  for each row execute function public.check_same_project();
create trigger articles_set_published_at
  before insert or update of status on public.articles
  for each row execute function public.set_published_at();

-- Row level security --------------------------------------------------------------------------------------

alter table public.videos enable row level security;
alter table public.video_segments enable row level security;
alter table public.chapters enable row level security;
alter table public.articles enable row level security;

create policy "project readers see videos" on public.videos
  for select to authenticated using (project_id in (select p.id from public.projects p));
create policy "project writers add videos" on public.videos
  for insert to authenticated
  with check (
    user_id = (select auth.uid()) and public.can_write_project(project_id) and public.can_write_path(storage_path)
  );
create policy "project writers change videos" on public.videos
  for update to authenticated
  using (public.can_write_project(project_id)) with check (public.can_write_project(project_id));
create policy "project writers delete videos" on public.videos
  for delete to authenticated using (public.can_write_project(project_id));

create policy "project readers see segments" on public.video_segments
  for select to authenticated using (video_id in (select v.id from public.videos v));
create policy "project writers correct segments" on public.video_segments
  for update to authenticated
  using (public.can_write_video(video_id)) with check (public.can_write_video(video_id));

create policy "project readers see chapters" on public.chapters
  for select to authenticated using (project_id in (select p.id from public.projects p));
create policy "project writers add chapters" on public.chapters
  for insert to authenticated with check (public.can_write_project(project_id));
create policy "project writers change chapters" on public.chapters
  for update to authenticated
  using (public.can_write_project(project_id)) with check (public.can_write_project(project_id));
create policy "project writers delete chapters" on public.chapters
  for delete to authenticated using (public.can_write_project(project_id));

create policy "project readers see articles" on public.articles
  for select to authenticated using (project_id in (select p.id from public.projects p));
create policy "project writers add articles" on public.articles
  for insert to authenticated with check (public.can_write_project(project_id));
create policy "project writers change articles" on public.articles
  for update to authenticated
  using (public.can_write_project(project_id)) with check (public.can_write_project(project_id));
create policy "project writers delete articles" on public.articles
  for delete to authenticated using (public.can_write_project(project_id));

revoke all on table public.videos, public.video_segments, public.chapters, public.articles
from public, anon, authenticated, service_role;
grant select, delete on table public.videos, public.chapters, public.articles to authenticated;
grant select on table public.video_segments to authenticated;
grant insert (id, project_id, title, storage_path, language) on table public.videos to authenticated;
grant update (title, language) on table public.videos to authenticated;
grant update (spoken_content, visual_context) on table public.video_segments to authenticated;
grant insert (id, project_id, video_id, slug, title, summary, sections, position) on table public.chapters to authenticated;
grant update (slug, title, summary, sections, position) on table public.chapters to authenticated;
grant insert (id, project_id, chapter_id, language, slug, title, content_json, content_text, status)
  on table public.articles to authenticated;
grant update (slug, title, content_json, content_text, status) on table public.articles to authenticated;
grant select, insert, update, delete
  on table public.videos, public.video_segments, public.chapters, public.articles to service_role;
