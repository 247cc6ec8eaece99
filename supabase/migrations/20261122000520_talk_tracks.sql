-- Slide decks of a project, and the talk tracks written for them.

create table public.slide_decks (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references public.projects (id) on delete cascade,
  user_id uuid default auth.uid() references auth.users (id) on delete set null,
  title text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint slide_decks_title_length check (char_length(btrim(title)) between 1 and 500)
);

create index slide_decks_project_idx on public.slide_decks (project_id, created_at desc);
create index slide_decks_user_idx on public.slide_decks (user_id);

create table public.slides (
  id uuid primary key default gen_random_uuid(),
  deck_id uuid not null references public.slide_decks (id) on delete cascade,
  position integer not null,
  title text,
  body text,
  speaker_hints text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Deferrable, so that one statement or transaction can renumber a deck.
  constraint slides_position_once unique (deck_id, position) deferrable initially immediate,
  constraint slides_position_range check (position between 1 and 1000),
  constraint slides_title_length check (char_length(title) <= 1000),
  constraint slides_body_length check (char_length(body) <= 50000),
  constraint slides_speaker_hints_length check (char_length(speaker_hints) <= 20000)
);

-- Written once, when every slide has its text; job_id makes a repeated write the same row.
create table public.talk_tracks (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references public.projects (id) on delete cascade,
  user_id uuid references auth.users (id) on delete set null,
  deck_id uuid references public.slide_decks (id) on delete set null,
  job_id uuid unique references headway.jobs (id) on delete set null,
  title text,
  status text not null default 'completed',
  options jsonb not null default '{}',
  slides jsonb not null,
  total_duration_seconds integer not null,
  sandbox boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint talk_tracks_title_length check (char_length(title) <= 500),
  constraint talk_tracks_status_known check (status in ('draft', 'completed')),
  constraint talk_tracks_options_object check (jsonb_typeof(options) = 'object'),
  constraint talk_tracks_slides_list check (
    jsonb_typeof(slides) = 'array'
    and jsonb_array_length(slides) between 1 and 1000
    and not jsonb_path_exists(slides, 'strict $[*] ? (@.type() != "object")')
    and not jsonb_path_exists(slides, '$[*] ? (
      !exists(@.position) || @.position.type() != "number"
      || !exists(@.text) || @.text.type() != "string"
      || !exists(@.seconds) || @.seconds.type() != "number" || @.seconds < 0
    )')
  ),
  constraint talk_tracks_total_duration_range check (total_duration_seconds >= 0)
);

create index talk_tracks_project_idx on public.talk_tracks (project_id, created_at desc);
create index talk_tracks_user_idx on public.talk_tracks (user_id);
create index talk_tracks_deck_idx on public.talk_tracks (deck_id);

comment on table public.slide_decks is 'A project''s ordered slides.';
comment on table public.slides is 'The slides of a deck: position 1, 2, 3 ...';
comment on table public.talk_tracks is 'What to say to each slide, and for how long; one row per finished generation.';
comment on column public.talk_tracks.slides is 'A list of {"position": 1, "text": "...", "seconds": 40}.';

create trigger slide_decks_set_updated_at
  before update on public.slide_decks for each row execute function public.set_updated_at();
create trigger slides_set_updated_at
  before update on public.slides for each row execute function public.set_updated_at();
create trigger talk_tracks_set_updated_at
  before update on public.talk_tracks for each row execute function public.set_updated_at();

-- Row level security: who sees the project sees them; who writes the project writes them. The subqueries are
-- themselves under the row level security of the tables they read, and are evaluated once per statement.

alter table public.slide_decks enable row level security;
alter table public.slides enable row level security;
alter table public.talk_tracks enable row level security;

create policy "project readers see decks" on public.slide_decks
  for select to authenticated using (project_id in (select p.id from public.projects p));
create policy "project writers add decks" on public.slide_decks
  for insert to authenticated
  with check (user_id = (select auth.uid()) and public.can_write_project(project_id));
create policy "project writers change decks" on public.slide_decks
  for update to authenticated
  using (public.can_write_project(project_id)) with check (public.can_write_project(project_id));
create policy "project writers delete decks" on public.slide_decks
  for delete to authenticated using (public.can_write_project(project_id));

create function public.can_write_deck(deck uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select from public.slide_decks d where d.id = deck and public.can_write_project(d.project_id)
  )
$$;
revoke all on function public.can_write_deck(uuid) from public, anon, authenticated, service_role;
grant execute on function public.can_write_deck(uuid) to authenticated, service_role;

create policy "project readers see slides" on public.slides
  for select to authenticated using (deck_id in (select d.id from public.slide_decks d));
create policy "project writers add slides" on public.slides
  for insert to authenticated with check (public.can_write_deck(deck_id));
create policy "project writers change slides" on public.slides
  for update to authenticated
  using (public.can_write_deck(deck_id)) with check (public.can_write_deck(deck_id));
create policy "project writers delete slides" on public.slides
  for delete to authenticated using (public.can_write_deck(deck_id));

create policy "project readers see talk tracks" on public.talk_tracks
  for select to authenticated using (project_id in (select p.id from public.projects p));
create policy "project writers edit talk tracks" on public.talk_tracks
  for update to authenticated
  using (public.can_write_project(project_id)) with check (public.can_write_project(project_id));
create policy "project writers delete talk tracks" on public.talk_tracks
  for delete to authenticated using (public.can_write_project(project_id));

revoke all on table public.slide_decks, public.slides, public.talk_tracks
from public, anon, authenticated, service_role;
grant select, delete on table public.slide_decks, public.slides, public.talk_tracks to authenticated;
grant insert (id, project_id, title) on table public.slide_decks to authenticated;
grant update (title) on table public.slide_decks to authenticated;
grant insert (id, deck_id, position, title, body, speaker_hints) on table public.slides to authenticated;
grant update (position, title, body, speaker_hints) on table public.slides to authenticated;
grant update (title, status, slides, total_duration_seconds) on table public.talk_tracks to authenticated;
grant select, insert, update, delete
  on table public.slide_decks, public.slides, public.talk_tracks to service_role;

-- What a talk track is about is known when it is asked for: refused then, not found out by a worker, which looks
-- again because a deck may be edited meanwhile. The condition keeps the trigger away from the payloads of other kinds.
create function headway_private.check_talk_track() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
declare
  most_of_a_slide constant integer := 12000;
  most constant integer := 1000000;
  job headway.jobs;
  source constant text := case when new.payload ->> 'deck_id' is null then 'payload.slides' else 'payload.deck_id' end;
  deck uuid;
  too_long bigint;
  characters bigint;
begin
  select j.* into job from headway.jobs j where j.id = new.job_id;
  if job.kind <> 'talk_track.generate' then
    return new;
  end if;
  if job.project_id is null then
    perform headway_private.refuse(
      'HW102', 'is missing: a talk track belongs to a project', 'project_id', 'Submit with the project whose talk it is.'
    );
  end if;
  if source = 'payload.deck_id' then
    select d.id into deck
    from public.slide_decks d
    where d.project_id = job.project_id and d.id::text = lower(new.payload ->> 'deck_id');
    if deck is null then
      perform headway_private.refuse(
        'HW301', 'there is no such deck in the project', 'payload.deck_id', 'Submit with the project that the deck belongs to.'
      );
    end if;
  end if;

  select min(t.place) filter (where t.characters > most_of_a_slide), coalesce(sum(t.characters), 0)
  into too_long, characters
  from (
    select s.place, (
      select coalesce(sum(char_length(btrim(part, E' \t\r\n'))), 0)
      from unnest(array[s.title, s.body, s.hints]) part
    ) as characters
    from (
      select l.position as place, l.title, l.body, l.speaker_hints as hints
      from public.slides l
      where l.deck_id = deck
      union all
      select e.place, e.slide ->> 'title', e.slide ->> 'body', e.slide ->> 'speaker_hints'
      from jsonb_array_elements(
        case when jsonb_typeof(new.payload -> 'slides') = 'array' then new.payload -> 'slides' else '[]' end
      ) with ordinality e (slide, place)
    ) s
  ) t;
  if characters = 0 then
    perform headway_private.refuse(
      'HW100', 'there is no text on any slide', source, 'Give at least one slide a title, a body or speaker hints.'
    );
  elsif too_long is not null then
    perform headway_private.refuse(
      'HW100', format('slide %s has more than %s characters', too_long, most_of_a_slide), source,
      'Shorten it, or make it several slides.'
    );
  elsif characters > most then
    perform headway_private.refuse(
      'HW100', format('the deck has more than %s characters', most), source, 'Make it several decks.'
    );
  end if;

  if new.payload #>> '{options,language}' !~ '^[A-Za-z]{1,3}([-_][A-Za-z0-9]{1,8})*$' then
    perform headway_private.refuse(
      'HW100', 'is no language tag', 'payload.options.language', 'Write one such as de, pt-BR or zh-Hant.'
    );
  end if;
  if btrim(new.payload #>> '{options,audience}', E' \t\r\n') = '' then
    perform headway_private.refuse(
      'HW100', 'is blank', 'payload.options.audience', 'Say in a few words who listens, or leave it out.'
    );
  end if;
  return new;
end
$$;

create trigger job_inputs_check_talk_track
  before insert or update of payload on headway.job_inputs
  for each row when (new.payload ?| '{deck_id,slides}')
  execute function headway_private.check_talk_track();

revoke all on function headway_private.check_talk_track() from public, anon, authenticated, service_role;
