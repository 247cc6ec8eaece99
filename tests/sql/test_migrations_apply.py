"""The project's migrations: in one go, twice, on Postgres 15 and 17, under any default privileges."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from headway.local.config import load_config
from headway.local.database import Database
from headway.local.postgres.bootstrap import bootstrap
from headway.local.postgres.migrations import MigrationFailed, apply_migrations
from support.catalog import describe
from support.own_cluster import own_cluster
from support.people import SERVICE, Project
from support.postgres import PASSWORD, SUPABASE_DIR, TestCluster

CATALOG = Path(__file__).with_name("catalog.txt")
FILES = sorted(path.name for path in (SUPABASE_DIR / "migrations").glob("*.sql"))
SYSTEM_15 = Path("/usr/lib/postgresql/15/bin")

PLATFORM = """
select 'relation ' || c.oid::regclass || ' ' || coalesce(c.relacl::text, '') as line
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('auth', 'storage', 'realtime', 'extensions', 'vault') and c.relname !~ '^messages_[0-9]'
union all
select 'function ' || p.oid::regprocedure || ' ' || md5(p.prosrc)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('auth', 'storage', 'realtime')
union all
select 'trigger ' || t.tgname || ' on ' || t.tgrelid::regclass
from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
where not t.tgisinternal and n.nspname in ('auth', 'storage', 'realtime')
union all
select 'role ' || rolname from pg_roles
order by 1
"""


async def apply(database: Database) -> list[str]:
    applied = await apply_migrations(database, SUPABASE_DIR, load_config(SUPABASE_DIR / "config.toml"))
    return [f"{migration.version}_{migration.name}.sql" for migration in applied]


async def catalog(database: Database) -> list[str]:
    return await asyncio.to_thread(describe, database)


async def rows(database: Database, sql: str) -> list[str]:
    connection = await database.connect("supabase_admin")
    try:
        return [row[0] for row in await connection.fetch(sql)]
    finally:
        await connection.close()


@dataclass(frozen=True)
class Outcome:
    """What applying everything to a project that is not new has led to."""

    database: Database
    first: list[str]
    second: list[str]
    platform_before: list[str]
    platform_after: list[str]
    built: list[str]
    built_again: list[str]


async def _apply_twice(database: Database) -> Outcome:
    owner = await database.connect("postgres")
    try:
        # As on projects from before May 2026, where whatever is new in public was open to everybody.
        for kind in ("tables", "sequences", "functions"):
            await owner.execute(
                f"alter default privileges in schema public grant all on {kind}"
                " to anon, authenticated, service_role"
            )
        await owner.execute(
            "insert into storage.buckets (id, name, file_size_limit) values ('cvs', 'cvs', 7)"
        )
    finally:
        await owner.close()
    before = await rows(database, PLATFORM)
    first = await apply(database)
    built = await catalog(database)
    after = await rows(database, PLATFORM)
    second = await apply(database)
    return Outcome(database, first, second, before, after, built, await catalog(database))


@pytest.fixture(scope="module")
def outcome(cluster: TestCluster) -> Iterator[Outcome]:
    with cluster.clone(cluster.template("bootstrapped", lambda _: None)) as cloned:
        yield cluster.run(_apply_twice(cloned))


async def test_in_one_go_and_twice(outcome: Outcome) -> None:
    assert outcome.first == FILES
    assert outcome.second == []
    assert outcome.built_again == outcome.built
    history = await rows(
        outcome.database,
        "select version || '_' || name || '.sql' from supabase_migrations.schema_migrations order by version",
    )
    assert history == FILES


def test_nothing_but_policies_in_the_platforms_schemas(outcome: Outcome) -> None:
    assert outcome.platform_after == outcome.platform_before


def test_default_privileges_make_no_difference(outcome: Outcome) -> None:
    def without_buckets(lines: list[str]) -> list[str]:
        return [line for line in lines if not line.startswith("bucket cvs")]

    assert without_buckets(outcome.built) == without_buckets(CATALOG.read_text().splitlines())


def test_a_bucket_that_exists_is_left_alone(outcome: Outcome) -> None:
    assert "bucket cvs: private, at most 7 bytes, any type" in outcome.built


@pytest.fixture
async def postgres_15() -> AsyncIterator[Database]:
    if not SYSTEM_15.is_dir():
        pytest.skip(f"there is no Postgres 15 at {SYSTEM_15}")
    async with own_cluster(SYSTEM_15) as database:
        await bootstrap(database, password=PASSWORD)
        yield database


def run_a_job(database: Database) -> None:
    """A schedule, a job, its end and the message about it: the engine works, not only applies."""
    project = Project(database)
    person = project.person()
    worker = str(uuid.uuid4())
    project.ask(
        SERVICE,
        "select headway.register_worker(%s, 'w', %s::json)",
        worker,
        json.dumps([{"kind": "test.echo", "queue": "default"}]),
    )
    project.call(
        person, "headway.create_endpoint", {"channel": "webhook", "target": "https://a.example.com/"}
    )
    saved = project.call(
        person, "headway.put_schedule", {"name": "s", "cron": "@daily", "job": {"kind": "test.echo"}}
    )
    started = project.value(person, "select headway.run_schedule(%s)", saved["id"])
    (lease,) = project.ask(SERVICE, "select * from headway.claim(%s, %s)", worker, str(uuid.uuid4()))
    assert str(lease.job_id) == started["job_id"]
    ending = {
        "job_id": str(lease.job_id), "attempt": lease.attempt, "lease_token": str(lease.lease_token),
        "outcome": "completed", "result": {"ok": True},
    }  # fmt: skip
    project.ask(SERVICE, "select * from headway.finish(%s, %s::json)", worker, json.dumps([ending]))
    (job,) = project.ask(person, "select status, percent from headway.jobs")
    assert (job.status, int(job.percent)) == ("completed", 100)
    (message,) = project.ask(SERVICE, "select * from headway.claim_outbox(%s, %s)", worker, str(uuid.uuid4()))
    assert message.event == "job.completed"
    project.close()


async def test_on_postgres_15(postgres_15: Database) -> None:
    assert await apply(postgres_15) == FILES
    assert await apply(postgres_15) == []
    assert await catalog(postgres_15) == CATALOG.read_text().splitlines()
    await asyncio.to_thread(run_a_job, postgres_15)


async def test_on_the_stacks_own_postgres(migrated_database: Database) -> None:
    await asyncio.to_thread(run_a_job, migrated_database)


async def test_a_failing_file_leaves_nothing(database: Database, tmp_path: Path) -> None:
    """Each of our files is one transaction: broken at its end, none of it is there."""
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    for name in FILES[:3]:
        text = (SUPABASE_DIR / "migrations" / name).read_text()
        (folder / name).write_text(text if name != FILES[2] else f"{text}\nselect 1 / 0;\n")
    with pytest.raises(MigrationFailed, match="division by zero"):
        await apply_migrations(database, folder.parent, load_config(SUPABASE_DIR / "config.toml"))
    last = (folder / FILES[2]).read_text().splitlines()
    tables = [line.split()[2] for line in last if line.startswith("create table")]
    assert tables
    for table in tables:
        assert await rows(database, f"select to_regclass('{table}')::text") == [None]
    assert await rows(database, "select 'public.organizations'::regclass::text")
