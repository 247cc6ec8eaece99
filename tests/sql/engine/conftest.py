"""An engine for every test: one database per process that is emptied in between, or one of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from headway.local.database import Database
from support.engine import Engine
from support.postgres import SUPABASE_DIR, TestCluster

_TABLES = """
select c.oid::regclass::text as name from pg_class c
where c.relkind in ('r', 'p') and not c.relispartition and (
  c.relnamespace in ('headway'::regnamespace, 'headway_private'::regnamespace)
  or c.oid in (
    'public.organizations'::regclass, 'public.organization_members'::regclass, 'public.projects'::regclass,
    'auth.users'::regclass, 'storage.objects'::regclass, 'realtime.messages'::regclass
  )
)
"""


class SharedDatabase:
    """A migrated database that one test after the other uses, each finding it as the migrations left it.

    Args:
        database: A clone that nobody else uses.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._seeded: set[str] | None = None

    async def clean(self) -> None:
        """Remove what tests have stored; rows that migrations made stay."""
        connection = await self.database.connect("supabase_admin")
        try:
            names = [row["name"] for row in await connection.fetch(_TABLES)]
            filled = [
                name for name in names if await connection.fetchval(f"select exists (select from {name})")
            ]
            if self._seeded is None:
                self._seeded = set(filled)
            # Without triggers and cascades: every table is emptied by itself.
            await connection.execute("set session_replication_role = replica")
            for name in filled:
                if name not in self._seeded:
                    await connection.execute(f"delete from {name}")
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def shared_database(cluster: TestCluster) -> Iterator[SharedDatabase]:
    """One migrated database per test process."""

    def migrate(fresh: Database) -> None:
        from headway.local.config import load_config
        from headway.local.postgres.migrations import apply_migrations

        cluster.run(apply_migrations(fresh, SUPABASE_DIR, load_config(SUPABASE_DIR / "config.toml")))

    with ExitStack() as stack:
        yield SharedDatabase(stack.enter_context(cluster.clone(cluster.template("migrated", migrate))))


@pytest.fixture
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """A migrated database and everybody who calls it.

    A module with ``OWN_DATABASE = True`` gets a database per test: it breaks things, or makes them large.
    """
    if getattr(request.module, "OWN_DATABASE", False):
        database: Database = request.getfixturevalue("migrated_database")
    else:
        shared: SharedDatabase = request.getfixturevalue("shared_database")
        await shared.clean()
        database = shared.database
    opened = await Engine(database).open()
    try:
        yield opened
    finally:
        await opened.close()
