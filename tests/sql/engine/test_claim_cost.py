"""What a claim reads does not depend on how much waits or has ended: counted in pages and rows."""

from __future__ import annotations

import statistics
import uuid

from sql.engine.backlog import fill
from support.engine import Engine, Row, Worker

OWN_DATABASE = True
CLAIM = "select job_id from headway.claim($1, $2, null, null, 100)"


async def pages(engine: Engine, worker: Worker) -> float:
    """Pages that a claim of 100 looks at, as a median of several."""
    counts = []
    for _ in range(9):
        (plan,) = await engine.admin.fetch(
            f"explain (analyze, buffers, format json) {CLAIM}", worker.id, uuid.uuid4()
        )
        top = plan[0][0]["Plan"]
        assert top["Actual Rows"] == 100
        counts.append(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
    return statistics.median(counts)


async def test_a_claims_pages_grow_with_the_height_of_indexes_and_not_with_what_is_in_them(
    engine: Engine,
) -> None:
    worker = await engine.worker({"kind": "k.a", "push": "watched"}, "k.b")
    await fill(engine.admin, kind="k.a", pending=1_000, finished=0, tenants=50)
    few = await pages(engine, worker)
    await fill(engine.admin, kind="k.a", pending=50_000, finished=100_000, tenants=50)
    many = await pages(engine, worker)
    assert many <= few * 1.5


async def test_a_claim_walks_the_index_of_what_is_ready_and_nothing_else(engine: Engine) -> None:
    """The plan as a test: no sequential scan of jobs, and a few rows fetched for each one handed out."""
    worker = await engine.worker({"kind": "k.a", "push": "watched"}, {"kind": "k.b", "push": "watched"})
    await fill(engine.admin, kind="k.a", pending=5_000, finished=20_000, tenants=300)
    await fill(engine.admin, kind="k.b", pending=5_000, finished=0, tenants=7)
    await engine.service.call("limit_queue", queue="default", tenant_concurrency=50)
    for claimed in (1, 100, 100):
        read = await _read_by_claim(engine, worker, claimed)
        assert read["seq_scan"] == 0
        assert read["idx_tup_fetch"] <= 12 * claimed + 60


async def _read_by_claim(engine: Engine, worker: Worker, most: int) -> Row:
    columns = "coalesce(seq_scan, 0) as seq_scan, coalesce(idx_tup_fetch, 0) as idx_tup_fetch"
    stats = f"select {columns} from pg_stat_xact_user_tables where relid = 'headway.jobs'::regclass"
    async with worker.service.request() as connection:
        before = await connection.fetchrow(stats)
        rows = await connection.fetch(
            "select job_id from headway.claim($1, $2, null, null, $3)", worker.id, uuid.uuid4(), most
        )
        assert len(rows) == most
        after = await connection.fetchrow(stats)
    assert before is not None
    assert after is not None
    return {name: after[name] - before[name] for name in dict(after)}


async def test_an_idle_claim_beside_a_long_history_reads_a_handful_of_pages(engine: Engine) -> None:
    worker = await engine.worker("k.a")
    await fill(engine.admin, kind="k.b", pending=5_000, finished=20_000, tenants=10)
    for _ in range(3):
        (plan,) = await engine.admin.fetch(
            f"explain (analyze, buffers, format json) {CLAIM}", worker.id, uuid.uuid4()
        )
        top = plan[0][0]["Plan"]
        assert top["Actual Rows"] == 0
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] <= 60
