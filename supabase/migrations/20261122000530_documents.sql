-- Handbook documents: the sanitised HTML that an automation wrote for a prompt.
--
-- A document lives as long as its job: pruning the job after its retention removes the document with it.

create table public.documents (
  id uuid primary key default gen_random_uuid(),
  job_id uuid not null unique references headway.jobs (id) on delete cascade,
  project_id uuid references public.projects (id) on delete cascade,
  user_id uuid references auth.users (id) on delete cascade,
  title text,
  html text not null,
  sandbox boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint documents_one_owner check (num_nonnulls(project_id, user_id) = 1),
  constraint documents_title_length check (char_length(title) <= 500),
  constraint documents_html_size check (octet_length(html) between 1 and 5242880),
  -- The worker sanitises; this refuses what no sanitiser would have let through.
  constraint documents_html_passive check (
    html !~* '<[[:space:]/]*(script|iframe|object|embed|base|meta)[[:space:]/>]'
  )
);

create index documents_project_idx on public.documents (project_id, created_at desc) where project_id is not null;
create index documents_user_idx on public.documents (user_id, created_at desc) where user_id is not null;

comment on table public.documents is 'Generated handbook documents; removed together with their job.';

create trigger documents_set_updated_at
  before update on public.documents for each row execute function public.set_updated_at();

alter table public.documents enable row level security;

create policy "owners and project readers see documents" on public.documents
  for select to authenticated
  using (
    user_id = (select auth.uid()) or project_id in (select p.id from public.projects p)
  );
create policy "owners and project writers delete documents" on public.documents
  for delete to authenticated
  using (
    user_id = (select auth.uid()) or public.can_write_project(project_id)
  );

revoke all on table public.documents from public, anon, authenticated, service_role;
grant select, delete on table public.documents to authenticated;
grant select, insert, update, delete on table public.documents to service_role;

-- Refused before a job exists, not found out by a worker. The condition keeps the trigger away from other payloads.
create function headway_private.check_document() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
declare
  job headway.jobs;
begin
  select j.* into job from headway.jobs j where j.id = new.job_id;
  if job.kind <> 'document.generate' then
    return new;
  end if;
  if job.project_id is null and job.owner_id is null then
    perform headway_private.refuse(
      'HW102', 'is missing: a document belongs to a project or to a person', 'owner_id', 'Submit with project_id or owner_id.'
    );
  end if;
  if btrim(new.payload ->> 'prompt', E' \t\r\n') = '' then
    perform headway_private.refuse('HW100', 'is blank', 'payload.prompt', 'Say what the document shall be about.');
  end if;
  return new;
end
$$;

create trigger job_inputs_check_document
  before insert or update of payload on headway.job_inputs
  for each row when (new.payload ? 'prompt')
  execute function headway_private.check_document();

revoke all on function headway_private.check_document() from public, anon, authenticated, service_role;
