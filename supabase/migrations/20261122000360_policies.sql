-- Who sees what: an organisation's jobs are its members', all others their owner's. An anonymous session is an
-- owner like any other. Nobody writes: there is no policy and no grant for it.
--
-- `(select ...)` makes each right an init-plan: evaluated once per statement, and the indexes on owner_id and
-- organization_id stay usable.

create policy "owners and members see jobs" on headway.jobs
  for select to authenticated
  using (
    (organization_id is null and owner_id = (select auth.uid()))
    or organization_id = any ((select public.member_org_ids())::uuid[])
  );

create policy "owners and members see batches" on headway.batches
  for select to authenticated
  using (
    (organization_id is null and owner_id = (select auth.uid()))
    or organization_id = any ((select public.member_org_ids())::uuid[])
  );

create policy "owners and members see what was paid" on headway.usage
  for select to authenticated
  using (
    (organization_id is null and owner_id = (select auth.uid()))
    or organization_id = any ((select public.member_org_ids())::uuid[])
  );

-- Whoever sees a job sees what belongs to it: the inner query is under the policy on jobs.
create policy "readers of the job" on headway.job_inputs
  for select to authenticated
  using (exists (select from headway.jobs j where j.id = job_id));
create policy "readers of the job" on headway.job_outputs
  for select to authenticated
  using (exists (select from headway.jobs j where j.id = job_id));
create policy "readers of the job" on headway.job_steps
  for select to authenticated
  using (exists (select from headway.jobs j where j.id = job_id));
create policy "readers of the job" on headway.job_events
  for select to authenticated
  using (exists (select from headway.jobs j where j.id = job_id));
create policy "readers of the job" on headway.attempts
  for select to authenticated
  using (exists (select from headway.jobs j where j.id = job_id));
create policy "readers of the job" on headway.job_files
  for select to authenticated
  using (exists (select from headway.jobs j where j.id = job_id));
create policy "readers of the job" on headway.signals
  for select to authenticated
  using (exists (select from headway.jobs j where j.id = job_id));
create policy "readers of the job" on headway.job_costs
  for select to authenticated
  using (exists (select from headway.jobs j where j.id = job_id));

create policy "whoever sees the kind" on headway.durations
  for select to authenticated
  using (exists (select from headway.kinds k where k.kind = durations.kind));
