"""What notifications and schedules cost: ends of jobs with endpoints beside none, and the outbox."""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import asyncpg

from bench.report import Figure
from headway.local.config import load_config
from headway.local.postgres.binaries import resolve_binaries
from headway.local.postgres.bootstrap import bootstrap
from headway.local.postgres.migrations import apply_migrations
from headway.local.postgres.server import PostgresServer
from headway.settings import LocalSettings

__all__ = ["NAME", "run"]

NAME = "notifications and schedules"

_SUPABASE = Path(__file__).parents[1] / "supabase"
_JOBS = 500
_RUNS = 7


async def _finish(
    connection: asyncpg.Connection[asyncpg.Record], worker: uuid.UUID, owners: list[uuid.UUID]
) -> float:
    """Milliseconds to finish a batch of jobs, one per owner."""
    jobs = [{"kind": "bench.echo", "owner_id": str(owner)} for owner in owners]
    await connection.execute("select headway.submit_many($1)", json.dumps({"jobs": jobs}))
    leases = await connection.fetch(
        "select * from headway.claim($1, $2, max_jobs => $3)", worker, uuid.uuid4(), len(owners)
    )
    outcomes: list[dict[str, Any]] = [
        {
            "job_id": str(lease["job_id"]),
            "attempt": lease["attempt"],
            "lease_token": str(lease["lease_token"]),
            "outcome": "completed",
        }
        for lease in leases
    ]
    body = json.dumps(outcomes)
    start = time.perf_counter()
    await connection.fetch("select * from headway.finish($1, $2)", worker, body)
    return (time.perf_counter() - start) * 1000


async def _round(
    connection: asyncpg.Connection[asyncpg.Record], worker: uuid.UUID, owners: list[uuid.UUID]
) -> tuple[float, float, float]:
    """Milliseconds to finish a batch: without endpoints, beside others' endpoints, and with one per job."""
    await connection.execute("truncate headway.notification_endpoints cascade")
    alone = await _finish(connection, worker, owners)
    await connection.execute(
        "insert into headway.notification_endpoints (channel, target, tenant_id)"
        " select 'webhook', 'https://e.example.com/', gen_random_uuid() from generate_series(1, 20000)"
    )
    await connection.execute("analyze headway.notification_endpoints")
    beside = await _finish(connection, worker, owners)
    await connection.execute(
        "insert into headway.notification_endpoints (channel, target, tenant_id)"
        " select 'webhook', 'https://e.example.com/', o from unnest($1::uuid[]) o",
        owners,
    )
    return alone, beside, await _finish(connection, worker, owners)


async def _deliver(connection: asyncpg.Connection[asyncpg.Record], worker: uuid.UUID) -> float:
    """Messages per second, claimed and reported in batches of 100, until none is left."""
    delivered = 0
    start = time.perf_counter()
    while True:
        messages = await connection.fetch(
            "select * from headway.claim_outbox($1, $2, 100)", worker, uuid.uuid4()
        )
        if not messages:
            return delivered / (time.perf_counter() - start)
        reports = [
            {"id": str(m["id"]), "lease_token": str(m["lease_token"]), "outcome": "delivered"}
            for m in messages
        ]
        await connection.fetch("select * from headway.finish_outbox($1)", json.dumps(reports))
        delivered += len(messages)


async def run() -> list[Figure]:
    """Measure on a throwaway server of its own."""
    folder = Path(tempfile.mkdtemp(prefix="headway-bench-"))
    server = PostgresServer(resolve_binaries(LocalSettings()), data_dir=folder / "postgres", durable=False)
    try:
        database = await server.start()
        await bootstrap(database, password="bench")
        await apply_migrations(database, _SUPABASE, load_config(_SUPABASE / "config.toml"))
        connection = await database.connect("postgres")
        try:
            worker = uuid.uuid4()
            owners = [uuid.uuid4() for _ in range(_JOBS)]
            await connection.execute(
                "select headway.register_worker($1, 'bench', $2)",
                worker,
                json.dumps([{"kind": "bench.echo", "queue": "default"}]),
            )
            await _finish(connection, worker, owners)
            rounds = [await _round(connection, worker, owners) for _ in range(_RUNS)]
            none = statistics.median(alone for alone, _, _ in rounds)
            others = statistics.median(beside / alone for alone, beside, _ in rounds)
            each = statistics.median(told / alone for alone, _, told in rounds)
            for _ in range(4):
                await _finish(connection, worker, owners)
            rate = await _deliver(connection, worker)
            start = time.perf_counter()
            await connection.fetch(
                "select headway.cron_next("
                "  '*/15 9-17 * * mon-fri', 'Europe/Berlin', now() + n * interval '1 hour'"
                ") from generate_series(1, 1000) n"
            )
            cron = time.perf_counter() - start
        finally:
            await connection.close()
    finally:
        await server.stop()
        await asyncio.to_thread(shutil.rmtree, folder)
    return [
        Figure(f"finish of {_JOBS} jobs, no endpoint (reference, median of {_RUNS})", none, "ms"),
        Figure("the same with 20,000 endpoints of other tenants", others, "times the reference", 1.3),
        Figure("the same with one endpoint per job", each, "times the reference", 2.5),
        Figure(
            "outbox: claim and report, one worker, batches of 100", rate, "messages/s", 1000, at_most=False
        ),
        Figure("next tick of a cron expression in a time zone", cron, "ms", 2.0),
    ]
