"""What the bootstrap adds to a start, and what the migration runner costs per statement."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.report import Figure
from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.postgres.binaries import resolve_binaries
from headway.local.postgres.bootstrap import bootstrap
from headway.local.postgres.migrations import apply_migrations
from headway.local.postgres.migrations.splitter import split_statements
from headway.local.postgres.server import PostgresServer
from headway.settings import LocalSettings

__all__ = ["NAME", "run"]

NAME = "bootstrap and migrations"

_RUNS = 5
_STATEMENTS = 2000
_SQL = """
-- A comment, with a semicolon; and a 'quote'.
create table app.things_{i} (id bigint primary key, name text not null default 'x;y', data jsonb);
create function app.f_{i}() returns trigger language plpgsql as $$ begin new.id := 1; return new; end; $$;
"""


async def _milliseconds(action: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await action()
    return (time.perf_counter() - start) * 1000


async def _cluster(folder: Path, durable: bool) -> PostgresServer:
    return PostgresServer(resolve_binaries(LocalSettings()), data_dir=folder / "postgres", durable=durable)


async def _cold(durable: bool) -> tuple[float, float, float]:
    """Milliseconds for: cluster and server, the first bootstrap, the bootstrap of a later start."""
    folder = Path(tempfile.mkdtemp(prefix="headway-bench-"))
    server = await _cluster(folder, durable)
    try:
        start = time.perf_counter()
        database = await server.start()
        started = (time.perf_counter() - start) * 1000
        first = await _milliseconds(lambda: bootstrap(database, password="bench"))
        again = await _milliseconds(lambda: bootstrap(database, password="bench"))
        return started, first, again
    finally:
        await server.stop()
        shutil.rmtree(folder)


async def _runner() -> tuple[float, float]:
    """Microseconds per trivial statement: through the runner, and bare on one connection."""
    folder = Path(tempfile.mkdtemp(prefix="headway-bench-"))
    server = await _cluster(folder, durable=False)
    try:
        database: Database = await server.start()
        await bootstrap(database, password="bench")
        migrations = folder / "supabase" / "migrations"
        migrations.mkdir(parents=True)
        (migrations / "1_many.sql").write_text("select 1;\n" * _STATEMENTS)
        through = await _milliseconds(
            lambda: apply_migrations(database, folder / "supabase", ProjectConfig())
        )
        connection = await database.connect("postgres")
        try:

            async def bare() -> None:
                async with connection.transaction():
                    for _ in range(_STATEMENTS):
                        await connection.execute("select 1")

            reference = await _milliseconds(bare)
        finally:
            await connection.close()
        return through * 1000 / _STATEMENTS, reference * 1000 / _STATEMENTS
    finally:
        await server.stop()
        shutil.rmtree(folder)


def _split_rate() -> float:
    sql = "".join(_SQL.format(i=i) for i in range(5000))
    rates = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        split_statements(sql)
        rates.append(len(sql) / 1e6 / (time.perf_counter() - start))
    return statistics.median(rates)


async def run() -> list[Figure]:
    """Medians of several runs, each on a cluster of its own."""
    cold = [await _cold(durable=True) for _ in range(_RUNS)]
    started, first, again = (statistics.median(column) for column in zip(*cold, strict=True))
    through, bare = await _runner()
    return [
        Figure(f"initdb and start, the reference, median of {_RUNS}", started, "ms"),
        Figure("first bootstrap", first, "ms", 700),
        Figure("first bootstrap over the reference", first / started * 100, "%", 60),
        Figure("initdb, start and bootstrap: Postgres's part of a cold start", started + first, "ms", 1500),
        Figure("bootstrap of a later start", again, "ms", 50),
        Figure("migration runner, per trivial statement", through, "µs"),
        Figure("the same statement bare in one transaction, the reference", bare, "µs"),
        Figure("runner over bare", through / bare * 100, "%"),
        Figure("splitting a file", _split_rate(), "MB/s", 2, at_most=False),
    ]
