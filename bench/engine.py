"""Jobs per second through the engine beside a bare SKIP LOCKED loop, and what a claim costs in a large table.

The bare loop is the least that a queue in Postgres can do: one table, one update to take a batch, one to end
it; no fairness, limits, leases, events, history or pushes. Postgres runs without durability: processors are
compared, not disks. Ids are time-ordered, as the engine makes them. ``HEADWAY_BENCH_SCALE`` (default 1)
shrinks the large table for a quick look.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import asyncpg

from bench.report import Figure
from headway.local.config import load_config
from headway.local.database import Database
from headway.local.postgres.binaries import resolve_binaries
from headway.local.postgres.bootstrap import bootstrap
from headway.local.postgres.migrations import apply_migrations
from headway.local.postgres.server import PostgresServer
from headway.settings import LocalSettings

NAME = "Engine: submit, claim and finish in SQL"

_SUPABASE = Path(__file__).parents[1] / "supabase"
_SCALE = float(os.environ.get("HEADWAY_BENCH_SCALE", "1"))
_RUNS = 3
_JOBS = 10_000
_TENANTS = 50
_PASSWORD = "bench"

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_CLAIM = "select job_id, attempt, lease_token from headway.claim($1, $2, null, null, $3)"
_FINISH = "select count(*) from headway.finish($1, $2) where state = 'applied'"

_BARE = """
create table public.bare_jobs (
  id bigint generated always as identity primary key, status text not null default 'pending',
  payload jsonb, result jsonb
);
create index on public.bare_jobs (id) where status = 'pending';
"""
_BARE_TAKE = """
update public.bare_jobs set status = 'processing' where id in (
  select id from public.bare_jobs where status = 'pending' order by id limit $1 for update skip locked
) returning id, payload
"""
_BARE_END = "update public.bare_jobs set status = 'completed', result = $2 where id = any ($1)"

_PENDING = """
with fresh as (
  insert into headway.jobs (
    id, kind, queue, priority, ready_order, run_at, max_attempts, tenant_id, owner_id, retention
  )
  select headway_private.new_id(), 'bench.quiet', 'default', 5, nextval('headway_private.ready_order'), now(),
    5, t.id, t.id, '7 days'
  from (select md5('tenant' || n % $2)::uuid as id from generate_series(1, $1) n) t
  returning id
)
insert into headway.job_inputs (job_id, payload, bytes) select id, '{}', 2 from fresh
"""
_FINISHED = """
insert into headway.jobs (
  id, kind, queue, status, priority, run_at, attempt, max_attempts, tenant_id, owner_id, retention, percent,
  started_at, finished_at, delete_after
)
select headway_private.new_id(), 'bench.quiet', 'default', 'completed', 5, now(), 1, 5, t.id, t.id, '7 days',
  100, now(), now(), now() + interval '7 days'
from (select md5('tenant' || n % $2)::uuid as id from generate_series(1, $1) n) t
"""


async def run() -> list[Figure]:
    """The figures of the issue."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as folder:
        async with _server(Path(folder)) as database:
            return [
                *await _throughput(await _migrated(database, "rates")),
                *await _backlog(await _migrated(database, "few"), await _migrated(database, "many")),
                *await _vacuum(await _migrated(database, "drain")),
            ]


async def _throughput(database: Database) -> list[Figure]:
    """Submitting 10,000 at once, and draining them in batches."""
    async with _connected(database) as connection:
        await connection.execute(_BARE)
        worker = await _worker(connection)
        submitted: list[float] = []
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(_RUNS):
            # Taken in turns, so that whatever else the machine does meets all of them alike.
            for batch in (100, 500):
                await connection.execute(
                    "insert into public.bare_jobs (payload) select '{}' from generate_series(1, $1)", _JOBS
                )
                rates.setdefault(("bare", batch), []).append(await _rate(_drain_bare(connection, batch)))
                for kind in ("bench.quiet", "bench.loud"):
                    submitted.append(await _rate(_submit(connection, kind)))
                    await connection.execute("analyze headway.jobs, headway.job_inputs")
                    rates.setdefault((kind, batch), []).append(await _rate(_drain(connection, worker, batch)))
    figures = [
        Figure("submit_many of 10,000", statistics.median(submitted), "jobs/s", target=5_000, at_most=False)
    ]
    for (kind, batch), measured in rates.items():
        what = {"bare": "bare SKIP LOCKED loop", "bench.quiet": "claim + finish, nobody watching"}.get(
            kind, "claim + finish, two pushes per event"
        )
        figures.append(Figure(f"{what}, batches of {batch}", statistics.median(measured), "jobs/s"))
    return figures


async def _backlog(few: Database, many: Database) -> list[Figure]:
    """Claiming 100 of 1,000 with nothing beside them, and of 1,000,000 beside 5,000,000 that have ended."""
    async with _connected(few) as small, _connected(many) as large:
        small_worker, large_worker = await _worker(small), await _worker(large)
        await _fill(many, int(1_000_000 * _SCALE), int(5_000_000 * _SCALE))
        small_times: list[float] = []
        large_times: list[float] = []
        for _ in range(25):
            # Each claim of the small side finds 1,000 again, none of them finished.
            await small.execute("delete from headway.jobs")
            await _fill(few, 1_000, 0)
            for connection, worker, times in (
                (small, small_worker, small_times),
                (large, large_worker, large_times),
            ):
                await _claim(connection, worker)  # both warm: their pages, plans and hint bits
                started = time.perf_counter()
                await _claim(connection, worker)
                times.append(time.perf_counter() - started)
    ratio = statistics.median(large_times) / statistics.median(small_times)
    scale = "" if _SCALE == 1 else f" (at a scale of {_SCALE:g})"
    return [
        Figure("claim 100 of 1,000, nothing finished", statistics.median(small_times) * 1e3, "ms"),
        Figure(f"claim 100 of 1,000,000 beside 5,000,000 finished{scale}", ratio, "times that", target=1.3),
    ]


async def _vacuum(database: Database) -> list[Figure]:
    """Draining 100,000: whether claims step over ever more dead rows, and whether those are removed."""
    total = int(100_000 * min(_SCALE * 4, 1))
    async with _connected(database) as connection:
        worker = await _worker(connection)
        await _fill(database, total, 0)
        pages: list[int] = []
        done = 0
        while leases := await _claim(connection, worker, 200):
            done += await _finish(connection, worker, leases)
            if done % 2_000 == 0 and done < total - 200:
                pages.append(await _pages_of_claim(connection, worker))
        tenth = max(1, len(pages) // 10)
        more = statistics.median(pages[-tenth:]) / statistics.median(pages[:tenth])
        removed = await connection.fetchval(
            "select sum(autovacuum_count) from pg_stat_user_tables where schemaname = 'headway'"
            " and relname in ('jobs', 'leases')"
        )
        size = await connection.fetchval("select pg_relation_size('headway.leases') / 8192")
    return [
        Figure(f"last tenth of draining {total:,}, pages per claim", more, "times the first's", target=1.3),
        Figure("autovacuum runs on jobs and leases meanwhile", float(removed or 0), "runs", 1, at_most=False),
        Figure("pages of leases afterwards (200 at a time)", float(size), "pages"),
    ]


async def _pages_of_claim(connection: Connection, worker: uuid.UUID) -> int:
    """Pages that a claim looks at; what it has claimed is finished at once."""
    request = uuid.uuid4()
    document = await connection.fetchval(
        f"explain (analyze, buffers, format json) {_CLAIM}", worker, request, 200
    )
    plan = json.loads(document)[0]["Plan"]
    leases = await connection.fetch(_CLAIM, worker, request, 200)  # the same leases again
    await _finish(connection, worker, leases)
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


async def _rate(work: Awaitable[int]) -> float:
    started = time.perf_counter()
    done = await work
    return done / (time.perf_counter() - started)


async def _submit(connection: Connection, kind: str) -> int:
    owners = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"tenant-{n}")) for n in range(_TENANTS)]
    jobs = [
        {"id": str(uuid.uuid4()), "kind": kind, "payload": {"n": n}, "owner_id": owners[n % _TENANTS]}
        for n in range(_JOBS)
    ]
    await connection.execute("select headway.submit_many($1)", json.dumps({"jobs": jobs}))
    return _JOBS


async def _claim(connection: Connection, worker: uuid.UUID, most: int = 100) -> list[asyncpg.Record]:
    return await connection.fetch(_CLAIM, worker, uuid.uuid4(), most)


async def _finish(connection: Connection, worker: uuid.UUID, leases: list[asyncpg.Record]) -> int:
    outcomes = [
        {
            "job_id": str(lease["job_id"]),
            "attempt": lease["attempt"],
            "lease_token": str(lease["lease_token"]),
            "outcome": "completed",
            "result": {"ok": True},
        }
        for lease in leases
    ]
    applied: int = await connection.fetchval(_FINISH, worker, json.dumps(outcomes))
    assert applied == len(leases)
    return applied


async def _drain(connection: Connection, worker: uuid.UUID, batch: int) -> int:
    done = 0
    while leases := await _claim(connection, worker, batch):
        done += await _finish(connection, worker, leases)
    return done


async def _drain_bare(connection: Connection, batch: int) -> int:
    done = 0
    while rows := await connection.fetch(_BARE_TAKE, batch):
        await connection.execute(_BARE_END, [row["id"] for row in rows], '{"ok": true}')
        done += len(rows)
    return done


async def _fill(database: Database, pending: int, finished: int) -> None:
    """Store jobs past the functions, as if they had been submitted and run long ago."""
    admin = await database.connect("supabase_admin")
    try:
        # Without triggers and the checks of foreign keys: what is stored fits.
        await admin.execute("set session_replication_role = replica; set synchronous_commit = off")
        for statement, number in ((_PENDING, pending), (_FINISHED, finished)):
            for start in range(0, number, 250_000):
                await admin.execute(statement, min(250_000, number - start), _TENANTS, timeout=600)
        await admin.execute("vacuum analyze headway.jobs, headway.job_inputs", timeout=600)
        await admin.execute("checkpoint")
        # What the claims of a busy server would have read long ago.
        await admin.execute("set enable_seqscan = off")
        for key in ("id) from headway.jobs", "job_id) from headway.job_inputs"):
            await admin.execute(f"select count({key}", timeout=600)
    finally:
        await admin.close()


async def _worker(connection: Connection) -> uuid.UUID:
    worker = uuid.uuid4()
    kinds = [{"kind": "bench.quiet", "push": "watched"}, {"kind": "bench.loud"}]
    await connection.execute("select headway.register_worker($1, 'bench', $2)", worker, json.dumps(kinds))
    return worker


@asynccontextmanager
async def _connected(database: Database) -> AsyncIterator[Connection]:
    connection = await database.connect("postgres")
    try:
        yield connection
    finally:
        await connection.close()


async def _migrated(database: Database, name: str) -> Database:
    admin = await Database(database.socket_dir, database.port, "template1").connect("supabase_admin")
    try:
        owner = await admin.fetchval(
            "select pg_get_userbyid(datdba) from pg_database where datname = 'postgres'"
        )
        await admin.execute(f'create database "{name}" template postgres owner "{owner}"')
        await admin.execute(
            f"update pg_database set datacl = (select datacl from pg_database where datname = 'postgres')"
            f" where datname = '{name}'"
        )
    finally:
        await admin.close()
    fresh = Database(database.socket_dir, database.port, name)
    await apply_migrations(fresh, _SUPABASE, load_config(_SUPABASE / "config.toml"))
    return fresh


@asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[Database]:
    server = PostgresServer(
        resolve_binaries(LocalSettings()),
        data_dir=folder / "postgres",
        durable=False,
        # Autovacuum wakes as often as a run of seconds needs.
        # Memory for all of the large table: how often a smaller server reads its disk is another question.
        settings={"shared_buffers": "3GB", "autovacuum_naptime": "5s", "max_wal_size": "4GB"},
    )
    database = await server.start()
    try:
        await bootstrap(database, password=_PASSWORD)
        yield database
    finally:
        await server.stop()


if __name__ == "__main__":
    from bench.report import print_figures

    print_figures(NAME, asyncio.run(run()))
