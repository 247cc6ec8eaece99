"""The daily partitions of ``realtime.messages``."""

from __future__ import annotations

import asyncpg

from headway.local.realtime.database.archive import Archive
from headway.local.realtime.database.sessions import open_pool

from .harness import RealtimeStack

Db = asyncpg.Connection
PARTITIONS = """
select array_agg(to_date(right(c.relname, 10), 'YYYY_MM_DD') - (now() at time zone 'utc')::date
                 order by c.relname)
  from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
 where i.inhparent = 'realtime.messages'::regclass
"""


async def test_partitions_are_there_from_yesterday_to_three_days_ahead(
    realtime: RealtimeStack, db: Db
) -> None:
    assert await db.fetchval(PARTITIONS) == [-1, 0, 1, 2, 3]


async def test_upkeep_makes_what_is_missing_and_drops_what_is_old(realtime: RealtimeStack, db: Db) -> None:
    pool = await open_pool(realtime.database)
    admin = await realtime.database.connect("supabase_admin")
    try:
        await admin.execute(
            """
            do $$ declare day date; begin
              for day in select (now() at time zone 'utc')::date - n from generate_series(2, 6) as n loop
                execute format('create table realtime.%I partition of realtime.messages'
                               ' for values from (%L) to (%L)',
                               to_char(day, '"messages_"YYYY_MM_DD'), day, day + 1);
              end loop;
              execute format('drop table realtime.%I',
                             to_char((now() at time zone 'utc')::date + 3, '"messages_"YYYY_MM_DD'));
            end $$
            """
        )
        await Archive(pool).upkeep()
        # Older than 72 hours: the day that lies wholly before then.
        assert await db.fetchval(PARTITIONS) == [-3, -2, -1, 0, 1, 2, 3]
    finally:
        await admin.execute(
            """
            do $$ declare day date; begin
              for day in select (now() at time zone 'utc')::date - n from generate_series(2, 3) as n loop
                execute format('drop table realtime.%I', to_char(day, '"messages_"YYYY_MM_DD'));
              end loop;
            end $$
            """
        )
        await admin.close()
        pool.terminate()


async def test_nothing_of_realtimes_own_shows_in_the_catalogue(realtime: RealtimeStack, db: Db) -> None:
    schemas = await db.fetchval(
        "select array_agg(nspname::text order by nspname) from pg_namespace where nspname like '%realtime%'"
    )
    assert schemas == ["realtime"]
    assert (
        await db.fetchval("select count(*) from realtime.messages where payload is null and event is null")
        == 0
    )
