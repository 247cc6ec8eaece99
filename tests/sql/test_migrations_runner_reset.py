"""A reset leaves nothing of what a project made but its files, applied anew."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import psycopg2
import psycopg2.extras
import pytest

from headway.local.config import ProjectConfig
from headway.local.postgres.bootstrap import bootstrap
from headway.local.postgres.migrations import MigrationFailed, apply_migrations, apply_seed, reset_database
from support.own_cluster import own_cluster
from support.postgres import PASSWORD

CONFIG = ProjectConfig()


async def test_reset(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    migration = tmp_path / "migrations" / "1_a.sql"
    migration.write_text(
        "create role app_owner; create table public.a (i int); grant all on public.a to app_owner;"
    )
    (tmp_path / "seed.sql").write_text("insert into public.a values (1);")
    async with own_cluster() as database:
        await bootstrap(database, password=PASSWORD)
        await apply_migrations(database, tmp_path, CONFIG)
        await apply_seed(database, tmp_path, CONFIG)
        replication = await database.connect("supabase_admin")
        await replication.execute("select pg_create_logical_replication_slot('left_over', 'pgoutput')")
        # What a person does by hand: rows, objects, roles, settings; and a connection in the midst of work.
        busy = await database.connect("postgres")
        await busy.execute("""
            insert into public.a values (2);
            create table public.by_hand (i int);
            create role by_hand;
            alter role authenticator set pgrst.db_schemas = 'by_hand';
            alter role anon set statement_timeout = '99s';
        """)

        streaming = psycopg2.connect(
            database.conninfo("supabase_admin"),
            connection_factory=psycopg2.extras.LogicalReplicationConnection,
        )
        with streaming.cursor() as cursor:
            cursor.execute("CREATE_REPLICATION_SLOT streaming TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT")
            cursor.start_replication(
                "streaming", options={"proto_version": "1", "publication_names": "supabase_realtime"}
            )
        await busy.execute("begin; lock table public.a")

        applied = await reset_database(database, tmp_path, CONFIG, password="another")

        assert [m.version for m in applied] == ["1"]
        for connection in (busy, replication):
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await connection.execute("select 1")
            connection.terminate()
        streaming.close()
        fresh = await database.connect("supabase_admin")
        try:
            assert [row[0] for row in await fresh.fetch("select i from public.a")] == [1]
            assert await fresh.fetchval("select to_regclass('public.by_hand')") is None
            assert await fresh.fetchval("select count(*) from pg_roles where rolname = 'by_hand'") == 0
            assert await fresh.fetchval("select count(*) from pg_roles where rolname = 'app_owner'") == 1
            assert await fresh.fetchval("select count(*) from pg_replication_slots") == 0
            settings = dict(
                await fresh.fetch(
                    "select rolname, setconfig from pg_db_role_setting join pg_roles r on r.oid = setrole"
                )
            )
            assert settings["authenticator"] == ["statement_timeout=8s", "lock_timeout=8s"]
            assert settings["anon"] == ["statement_timeout=3s"]
            owner = "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"
            assert await fresh.fetchval(owner) == "postgres"
        finally:
            await fresh.close()

        migration.write_text("create table public.b (i int);\nselect nope;")
        with pytest.raises(MigrationFailed, match=r"1_a\.sql:2: column \"nope\" does not exist"):
            await reset_database(database, tmp_path, CONFIG, password=PASSWORD)
        migration.write_text("create table public.b (i int);")
        (tmp_path / "seed.sql").unlink()
        assert len(await reset_database(database, tmp_path, CONFIG, password=PASSWORD)) == 1
