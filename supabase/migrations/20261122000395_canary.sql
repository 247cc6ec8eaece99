-- Realtime: a topic of one's own, on which a client proves that its connection hears what is sent.
--
-- `canary:<subject>`, or `canary:<subject>:<anything>` so that the clients of one person do not hear each other.
-- Whoever is signed in, anonymously too, may listen and send there; nobody else may. Nothing else is sent on it.

create policy "headway: callers hear their own canary" on realtime.messages
  for select to authenticated
  using (
    extension = 'broadcast'
    and (select realtime.topic()) ~ '^canary:'
    and split_part((select realtime.topic()), ':', 2) = (select auth.uid())::text
  );

create policy "headway: callers send their own canary" on realtime.messages
  for insert to authenticated
  with check (
    extension = 'broadcast'
    and (select realtime.topic()) ~ '^canary:'
    and split_part((select realtime.topic()), ':', 2) = (select auth.uid())::text
  );
