"""Any Postgres from 15 on becomes a project by the same bootstrap, and takes this project's migrations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from headway.errors import ConfigError
from headway.local.config import load_config
from headway.local.database import Database
from headway.local.postgres.bootstrap import bootstrap, environment_warnings
from headway.local.postgres.migrations import apply_migrations
from support.own_cluster import own_cluster
from support.postgres import PASSWORD, SUPABASE_DIR

SYSTEM_15 = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(params=["15", "17"])
async def plain(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    binaries = SYSTEM_15 if request.param == "15" else None
    if binaries is not None and not binaries.is_dir():
        pytest.skip(f"there is no Postgres 15 at {SYSTEM_15}")
    async with own_cluster(binaries) as database:
        yield database


async def test_a_plain_postgres_becomes_a_project(plain: Database) -> None:
    await bootstrap(plain, password=PASSWORD)
    await bootstrap(plain, password=PASSWORD)
    owner = await plain.connect("postgres")
    try:
        await owner.execute("""
            create policy p on storage.objects for select using (owner_id = auth.uid()::text);
            alter policy p on storage.objects using (true);
            drop policy p on storage.objects;
            create policy p on realtime.messages to authenticated using (true);
            create table public.t (id uuid references auth.users (id));
            alter publication supabase_realtime add table public.t;
            select realtime.send('{}', 'e', 'room');
        """)
        assert await owner.fetchval("select count(*) from realtime.messages") == 1
        for refused, message in (
            ("create table auth.mine (i int)", "permission denied for schema auth"),
            ("alter table realtime.messages enable row level security", "must be owner of table messages"),
            ("create policy p on storage.migrations using (true)", "must be owner of table migrations"),
            ("drop trigger protect_objects_delete on storage.objects", "must be owner of relation objects"),
            ("delete from storage.objects", "Direct deletion from storage tables"),
            ("create role mine superuser", "must be superuser|permission denied to create role"),
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match=message):
                await owner.execute(refused)
    finally:
        await owner.close()
    assert all(isinstance(warning, str) for warning in await environment_warnings(plain))


async def test_this_projects_migrations_fit(plain: Database) -> None:
    await bootstrap(plain, password=PASSWORD)
    config = load_config(SUPABASE_DIR / "config.toml")
    applied = await apply_migrations(plain, SUPABASE_DIR, config)
    assert len(applied) == len(list((SUPABASE_DIR / "migrations").glob("*.sql")))


async def test_a_cluster_of_another_superuser_is_refused_with_the_remedy(plain: Database) -> None:
    connection = await plain.connect("supabase_admin")
    try:
        # What a cluster looks like that was initialised as usual.
        await connection.execute("create role other superuser login")
    finally:
        await connection.close()
    other = await plain.connect("other")
    try:
        await other.execute("alter role supabase_admin rename to postgres")
    finally:
        await other.close()
    with pytest.raises(ConfigError, match="no superuser supabase_admin") as caught:
        await bootstrap(plain, password=PASSWORD)
    assert "initdb -U supabase_admin" in (caught.value.hint or "")
    other = await plain.connect("other")
    try:
        await other.execute("create role supabase_admin superuser login")
    finally:
        await other.close()
    with pytest.raises(ConfigError, match="cannot be demoted") as caught:
        await bootstrap(plain, password=PASSWORD)
    assert "initdb -U supabase_admin" in (caught.value.hint or "")
