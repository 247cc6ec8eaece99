-- Interviews: questions for what a profile lacks, the transcript as it is spoken, and what contradicts a CV.

create table public.interview_sessions (
  id uuid primary key default gen_random_uuid(),
  profile_id uuid not null default auth.uid() references public.profiles (id) on delete cascade,
  status text not null default 'active',
  end_reason text,
  sandbox boolean not null default false,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  updated_at timestamptz not null default now(),
  constraint interview_sessions_status_known check (status in ('active', 'completed', 'abandoned')),
  constraint interview_sessions_end check ((status = 'active') = (ended_at is null)),
  constraint interview_sessions_end_reason_length check (char_length(end_reason) <= 500)
);

create index interview_sessions_profile_idx on public.interview_sessions (profile_id, started_at desc);

-- The open questions of a profile, in order of worth. record_id names the job, board role or degree asked about.
create table public.interview_questions (
  id uuid primary key default gen_random_uuid(),
  session_id uuid not null references public.interview_sessions (id) on delete cascade,
  target text not null default 'profiles',
  record_id uuid,
  field text not null,
  question text not null,
  worth integer not null default 0,
  status text not null default 'open',
  answer jsonb,
  answered_at timestamptz,
  created_at timestamptz not null default now(),
  constraint interview_questions_once unique nulls not distinct (session_id, target, record_id, field),
  constraint interview_questions_target_known check (
    target in ('profiles', 'work_experience', 'board_experience', 'education')
  ),
  constraint interview_questions_record check ((target = 'profiles') = (record_id is null)),
  constraint interview_questions_field_format check (field ~ '^[a-z_]{1,64}$'),
  constraint interview_questions_question_length check (char_length(question) between 1 and 2000),
  constraint interview_questions_status_known check (status in ('open', 'answered', 'skipped')),
  constraint interview_questions_answered check ((status = 'answered') = (answered_at is not null))
);

-- seq is the browser's own count of turns, so a turn that is sent twice is stored once.
create table public.interview_turns (
  session_id uuid not null references public.interview_sessions (id) on delete cascade,
  seq integer not null,
  speaker text not null,
  content text not null,
  extracted_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (session_id, seq),
  constraint interview_turns_seq_range check (seq >= 0),
  constraint interview_turns_speaker_known check (speaker in ('assistant', 'user')),
  constraint interview_turns_content_length check (char_length(content) between 1 and 20000)
);

-- A spoken answer that contradicts what is known: both are kept until a person decides.
create table public.profile_conflicts (
  id uuid primary key default gen_random_uuid(),
  profile_id uuid not null references public.profiles (id) on delete cascade,
  session_id uuid references public.interview_sessions (id) on delete set null,
  target text not null default 'profiles',
  record_id uuid,
  field text not null,
  known_value jsonb not null,
  known_source text not null,
  heard_value jsonb not null,
  heard_source text not null default 'interview',
  resolution text,
  resolved_at timestamptz,
  created_at timestamptz not null default now(),
  constraint profile_conflicts_once unique nulls not distinct (profile_id, target, record_id, field, known_value, heard_value),
  constraint profile_conflicts_target_known check (
    target in ('profiles', 'work_experience', 'board_experience', 'education')
  ),
  constraint profile_conflicts_field_format check (field ~ '^[a-z_]{1,64}$'),
  constraint profile_conflicts_sources_known check (
    known_source in ('cv', 'interview', 'linkedin', 'manual') and heard_source in ('cv', 'interview', 'linkedin', 'manual')
  ),
  constraint profile_conflicts_resolution_known check (resolution in ('known', 'heard', 'neither')),
  constraint profile_conflicts_resolved check ((resolution is null) = (resolved_at is null)),
  constraint profile_conflicts_value_size check (
    octet_length(known_value::text) <= 8000 and octet_length(heard_value::text) <= 8000
  )
);

create index profile_conflicts_open_idx on public.profile_conflicts (profile_id, created_at) where resolution is null;
create index profile_conflicts_session_idx on public.profile_conflicts (session_id);

-- The browser's short-lived key to the voice model, kept until shortly before it expires.
create table public.interview_client_secrets (
  session_id uuid primary key references public.interview_sessions (id) on delete cascade,
  secret text not null,
  model text not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  constraint interview_client_secrets_secret_length check (char_length(secret) between 1 and 4096),
  constraint interview_client_secrets_model_length check (char_length(model) between 1 and 200)
);

comment on table public.interview_sessions is 'One conversation that fills a profile''s gaps.';
comment on table public.interview_questions is 'What a session asks, and what was answered.';
comment on table public.interview_turns is 'The transcript; the browser writes turns, a worker extracts answers from them.';
comment on table public.profile_conflicts is 'Facts of two sources that contradict each other, until the person decides.';
comment on table public.interview_client_secrets is 'Short-lived client secrets of the voice model; never the API key.';

create trigger interview_sessions_set_updated_at
  before update on public.interview_sessions for each row execute function public.set_updated_at();

-- Row level security --------------------------------------------------------------------------------------
-- A session's rows follow the session: the subquery is itself under row level security.

alter table public.interview_sessions enable row level security;
alter table public.interview_questions enable row level security;
alter table public.interview_turns enable row level security;
alter table public.profile_conflicts enable row level security;
alter table public.interview_client_secrets enable row level security;

create policy "owners see their sessions" on public.interview_sessions
  for select to authenticated using (profile_id = (select auth.uid()));
create policy "owners start sessions" on public.interview_sessions
  for insert to authenticated with check (profile_id = (select auth.uid()));
create policy "owners end their sessions" on public.interview_sessions
  for update to authenticated
  using (profile_id = (select auth.uid())) with check (profile_id = (select auth.uid()));
create policy "owners delete their sessions" on public.interview_sessions
  for delete to authenticated using (profile_id = (select auth.uid()));

create policy "owners see their questions" on public.interview_questions
  for select to authenticated
  using (session_id in (select s.id from public.interview_sessions s));
create policy "owners skip their questions" on public.interview_questions
  for update to authenticated
  using (session_id in (select s.id from public.interview_sessions s))
  with check (status in ('open', 'skipped') and session_id in (select s.id from public.interview_sessions s));

create policy "owners see their turns" on public.interview_turns
  for select to authenticated
  using (session_id in (select s.id from public.interview_sessions s));
create policy "owners add turns to an active session" on public.interview_turns
  for insert to authenticated
  with check (session_id in (select s.id from public.interview_sessions s where s.status = 'active'));

create policy "owners see their conflicts" on public.profile_conflicts
  for select to authenticated using (profile_id = (select auth.uid()));
create policy "owners resolve their conflicts" on public.profile_conflicts
  for update to authenticated
  using (profile_id = (select auth.uid())) with check (profile_id = (select auth.uid()));

create policy "owners read their live secret" on public.interview_client_secrets
  for select to authenticated
  using (expires_at > (select now()) and session_id in (select s.id from public.interview_sessions s));

revoke all on table
  public.interview_sessions, public.interview_questions, public.interview_turns, public.profile_conflicts,
  public.interview_client_secrets
from public, anon, authenticated, service_role;
grant select, delete on table public.interview_sessions to authenticated;
grant insert (id, profile_id) on table public.interview_sessions to authenticated;
grant update (status, ended_at, end_reason) on table public.interview_sessions to authenticated;
grant select on table public.interview_questions to authenticated;
grant update (status) on table public.interview_questions to authenticated;
grant select on table public.interview_turns to authenticated;
grant insert (session_id, seq, speaker, content) on table public.interview_turns to authenticated;
grant select on table public.profile_conflicts to authenticated;
grant update (resolution, resolved_at) on table public.profile_conflicts to authenticated;
grant select on table public.interview_client_secrets to authenticated;
grant select, insert, update, delete
  on table
    public.interview_sessions, public.interview_questions, public.interview_turns, public.profile_conflicts,
    public.interview_client_secrets
  to service_role;
