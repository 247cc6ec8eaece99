"""The client: how soon an app has an id, an update, a result, through HTTP and Realtime.

Stack, worker, writer of progress and this program, which is the app, are processes of their own on one
machine. The app speaks as a signed-in user through the official client.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from supabase import AsyncClientOptions, acreate_client

from bench.report import Figure
from bench.worker import _Bench, _stack, _worker
from headway import AsyncHeadway, JobHandle

NAME = "The client: submit, update, result"

_SUBMITS = 300
_MANY = 10_000
_RUNS = 3
_UPDATES = 300
_RESULTS = 200
_WATCHERS = 200
_SECONDS = 10


async def run() -> list[Figure]:
    """The figures of the issue."""
    async with _stack() as bench, _app(bench) as hw:
        figures = []
        for measure in _MEASURES.values():
            figures += await measure(bench, hw)
        return figures


async def _submit(bench: _Bench, hw: AsyncHeadway) -> list[Figure]:
    """From the call to the handle, one after the other."""
    await _declare(bench, "bench.submitted")
    times = []
    for number in range(_SUBMITS + 20):
        began = time.perf_counter()
        await hw.submit("bench.submitted", {"n": number})
        times.append((time.perf_counter() - began) * 1000)
    times = times[20:]
    return [
        Figure(f"submit to id, p50 of {_SUBMITS}", _p(times, 50), "ms"),
        Figure("submit to id, p95", _p(times, 95), "ms", 15),
    ]


async def _many(bench: _Bench, hw: AsyncHeadway) -> list[Figure]:
    """Ten thousand jobs in one request, payloads and handles included."""
    await _declare(bench, "bench.many")
    rates = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        batch = await hw.submit_many(
            ({"kind": "bench.many", "payload": {"n": number}} for number in range(_MANY)), batch_name="bench"
        )
        rates.append(_MANY / (time.perf_counter() - began))
        await batch.cancel()
    what = f"submit_many of {_MANY:,}, median of {_RUNS}"
    return [Figure(what, statistics.median(rates), "jobs/s", 5000, at_most=False)]


async def _progress(bench: _Bench, hw: AsyncHeadway) -> list[Figure]:
    """From the worker's write to the app's hands: one job, one watcher, 20 updates a second."""
    late = await _watched(bench, hw, jobs=1, beats=_UPDATES, pause=0.05, together=1)
    return [
        Figure(f"progress write to update, p50 of {len(late)}", _p(late, 50), "ms"),
        Figure("progress write to update, p95", _p(late, 95), "ms", 25),
    ]


async def _crowd(bench: _Bench, hw: AsyncHeadway) -> list[Figure]:
    """200 watchers of 200 jobs in this process, 200 updates a second in all."""
    together = 20
    late = await _watched(
        bench, hw, jobs=_WATCHERS, beats=200 * _SECONDS // together, pause=together / 200, together=together
    )
    what = f"{_WATCHERS} watchers, 200 updates/s, {len(late)} updates"
    return [
        Figure(f"{what}: p50", _p(late, 50), "ms"),
        Figure(f"{what}: the latest", max(late), "ms", 250),
    ]


async def _result(bench: _Bench, hw: AsyncHeadway) -> list[Figure]:
    """From submit to the result of a no-op job in the app's hands, by an idle worker."""
    times = []
    async with _worker(bench):
        for number in range(_RESULTS + 20):
            began = time.perf_counter()
            job = await hw.submit("bench.loud", {"n": number})
            await job.result(timeout=10)
            times.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.02)
    times = times[20:]
    return [
        Figure(f"submit to result of a no-op job, p50 of {_RESULTS}", _p(times, 50), "ms", 15),
        Figure("submit to result, p95", _p(times, 95), "ms"),
    ]


async def _watched(
    bench: _Bench, hw: AsyncHeadway, *, jobs: int, beats: int, pause: float, together: int
) -> list[float]:
    """Milliseconds from each write to its update, for as many watchers as jobs."""
    kind = f"bench.watched{jobs}"
    await _declare(bench, kind)
    batch = await hw.submit_many([{"kind": kind} for _ in range(jobs)])
    order = {"url": bench.url, "key": bench.key, "kind": kind, "jobs": jobs}
    order |= {"beats": beats, "pause": pause, "together": together}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.client_writer",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(order).encode() + b"\n")
    assert await process.stdout.readline() == b"claimed\n"
    late: list[float] = []
    listening = asyncio.Semaphore(0)
    watches = [asyncio.create_task(_watch(job, late, listening)) for job in batch.jobs]
    for _ in watches:
        await listening.acquire()
    link = hw.connection.hearing.link
    assert link is not None
    # Joins are paced, for the sake of a plan's limits; until then a watch reads every two seconds.
    while not all(topic.listening for topic in link._topics.values()):
        await asyncio.sleep(0.05)
    process.stdin.write(b"go\n")
    await asyncio.gather(*watches)
    await process.wait()
    return late


async def _watch(job: JobHandle, late: list[float], listening: asyncio.Semaphore) -> None:
    told = None
    async for update in job.watch():
        if update.status == "processing" and told is None:
            told = 0.0
            listening.release()
        at = update.metrics.get("at")
        if at is not None and at != told and not update.ended:
            told = at
            late.append((time.monotonic() - at) * 1000)


async def _declare(bench: _Bench, kind: str) -> None:
    worker = {"worker_id": "6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b", "name": "bench"}
    await bench.rpc("register_worker", worker | {"kinds": [{"kind": kind, "queue": kind.replace(".", "-")}]})


@asynccontextmanager
async def _app(bench: _Bench) -> AsyncIterator[AsyncHeadway]:
    async with httpx.AsyncClient(timeout=30) as session:
        options = AsyncClientOptions(httpx_client=session)
        client = await acreate_client(bench.url, bench.publishable_key, options)
        await client.auth.sign_in_anonymously()
        async with AsyncHeadway(client) as hw:
            yield hw
        await client.auth.sign_out({"scope": "local"})


def _p(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


_MEASURES: dict[str, Callable[[_Bench, AsyncHeadway], Awaitable[list[Figure]]]] = {
    "submit": _submit,
    "many": _many,
    "progress": _progress,
    "crowd": _crowd,
    "result": _result,
}


if __name__ == "__main__":
    from bench.report import print_figures

    async def _some(names: list[str]) -> None:
        async with _stack() as bench, _app(bench) as hw:
            for name in names:
                print_figures(f"Client: {name}", await _MEASURES[name](bench, hw))

    asyncio.run(_some(sys.argv[1:] or list(_MEASURES)))
