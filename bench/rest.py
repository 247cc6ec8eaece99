"""A 20-row select under row level security at ten connections, beside the same rows fetched by bare asyncpg.

Server, load and database are processes of their own. The reference does what any server in Python would have
to do at least: begin, set role and claims, query, commit; without HTTP, JSON or pool. Throughput is what the
issue asks for; on a machine that others use too, CPU time says the same with less noise.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import psutil

from bench.report import Figure

NAME = "REST: 20 rows under RLS, 10 connections"

_RUNS = 7
_SECONDS = 1.5
_CONNECTIONS = 10
_USER = "00000000-0000-4000-8000-000000000003"
_SELECT = "/rest/v1/notes?select=id,title,body,done,rank,created_at&order=id&limit=20"
_QUERY = "SELECT id, title, body, done, rank, created_at FROM public.notes ORDER BY id LIMIT 20"


@asynccontextmanager
async def _process(module: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(await process.stdout.readline())
    return answer


async def _measure(load: asyncio.subprocess.Process, job: dict[str, Any]) -> dict[str, Any]:
    assert load.stdin is not None
    load.stdin.write(json.dumps(job).encode() + b"\n")
    return await _line(load)


def _cpu_s(*roots: int) -> dict[int, float]:
    """The CPU time of processes and everything below them, by process."""
    found: dict[int, float] = {}
    for root in roots:
        process = psutil.Process(root)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):  # a session that has just ended
                times = each.cpu_times()
                found[each.pid] = times.user + times.system
    return found


async def _measure_cpu(load: asyncio.subprocess.Process, server: int, job: dict[str, Any]) -> float:
    """Microseconds of CPU per request, in all processes together, while ``job`` runs."""
    running = asyncio.create_task(_measure(load, job))
    await asyncio.sleep(0.3)
    begun, before = time.perf_counter(), _cpu_s(server, load.pid)
    await asyncio.sleep(job["seconds"] - 0.6)
    after, elapsed = _cpu_s(server, load.pid), time.perf_counter() - begun
    used = sum(after[pid] - before[pid] for pid in after.keys() & before.keys())
    return used / ((await running)["per_second"] * elapsed) * 1e6


async def run() -> list[Figure]:
    """The figures of the issue: throughput relative to bare asyncpg, and latency."""
    async with _process("bench.rest_server") as server, _process("bench.rest_load") as load:
        address = await _line(server)
        claims = {"sub": _USER, "role": "authenticated", "exp": int(time.time()) + 3600}
        token = jwt.encode(claims, address["jwt_secret"], algorithm="HS256")
        request = (
            f"GET {_SELECT} HTTP/1.1\r\nHost: 127.0.0.1\r\napikey: {address['key']}\r\n"
            f"Authorization: Bearer {token}\r\nAccept: application/json\r\n"
            "X-Client-Info: bench\r\nUser-Agent: bench\r\n\r\n"
        )
        common = {"seconds": _SECONDS, "connections": _CONNECTIONS}
        http = common | {"kind": "http", "port": address["port"], "request": request}
        bare = common | {
            "kind": "bare",
            "socket_dir": address["socket_dir"],
            "db_port": address["db_port"],
            "claims": json.dumps(claims),
            "query": _QUERY,
        }
        await _measure(load, http | {"seconds": 0.5})
        runs = [(await _measure(load, bare), await _measure(load, http)) for _ in range(_RUNS)]
        spent = [
            (
                await _measure_cpu(load, server.pid, bare | {"seconds": 3}),
                await _measure_cpu(load, server.pid, http | {"seconds": 3}),
            )
            for _ in range(2)
        ]
    ratio = statistics.median(h["per_second"] / b["per_second"] for b, h in runs) * 100
    median = statistics.median
    return [
        Figure("select through the gateway", ratio, "% of bare asyncpg", 40, at_most=False),
        Figure("the same by CPU time", median(b / h for b, h in spent) * 100, "% of bare asyncpg"),
        Figure("p95 latency at that load", median(h["p95_ms"] for _, h in runs), "ms", 12),
        Figure("p50 latency at that load", median(h["p50_ms"] for _, h in runs), "ms"),
        Figure("requests", median(h["per_second"] for _, h in runs), "req/s"),
        Figure("bare asyncpg cycles", median(b["per_second"] for b, _ in runs), "cycles/s"),
        Figure("bare asyncpg p95", median(b["p95_ms"] for b, _ in runs), "ms"),
    ]
