"""CVs: from the upload's answer to the job's id, from there to the profile, and what hostile files cost.

Stack and worker are processes of their own; the sandbox, which answers at once, shares this one.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from supabase import AsyncClientOptions, acreate_client

from bench.report import Figure
from headway import AsyncHeadway, InvalidRequest
from headway.sandbox.server import SandboxServer
from workers.reading.isolated import read_file
from workers.reading.limits import Limits

NAME = "CVs"

_ROOT = Path(__file__).parents[1]
_SAMPLE = next((_ROOT / "workers" / "cv" / "samples").glob("*.pdf"))
_SUBMISSIONS = 100
_JOBS = 10
_AT_ONCE = 20


async def run() -> list[Figure]:
    """Measure."""
    figures = await _reading()
    async with _project() as (url, key, secret):
        with SandboxServer() as sandbox:
            async with _somebody(url, key) as hw:
                figures += await _ids(hw, url, secret, sandbox)
                async with _worker(url, secret, sandbox):
                    figures += await _profiles(hw)
    return figures


async def _ids(hw: AsyncHeadway, url: str, secret: str, sandbox: SandboxServer) -> list[Figure]:
    # A worker has to have declared the kind once; none runs while ids are measured.
    async with _worker(url, secret, sandbox):
        pass
    ids, whole = [], []
    for _ in range(_SUBMISSIONS):
        began = time.perf_counter()
        file = await hw.upload(_SAMPLE, bucket="cvs")
        uploaded = time.perf_counter()
        job = await hw.submit("cv.parse", {}, files={"cv": file}, bucket="cvs")
        ended = time.perf_counter()
        await job.cancel()
        ids.append((ended - uploaded) * 1000)
        whole.append((ended - began) * 1000)
    return [
        Figure(f"upload's answer to job id, p95 of {_SUBMISSIONS}", _p95(ids), "ms", 100),
        Figure(f"upload's answer to job id, median of {_SUBMISSIONS}", statistics.median(ids), "ms"),
        Figure(f"upload of 19 kB and submission, p95 of {_SUBMISSIONS}", _p95(whole), "ms"),
    ]


async def _profiles(hw: AsyncHeadway) -> list[Figure]:
    await _profile(hw)  # the worker's first job loads the providers' libraries
    runs = [await _profile(hw) for _ in range(_JOBS)]
    began = time.perf_counter()
    jobs = [await hw.submit("cv.parse", {}, files={"cv": _SAMPLE}, bucket="cvs") for _ in range(_AT_ONCE)]
    await asyncio.gather(*(job.result(timeout=120) for job in jobs))
    together = time.perf_counter() - began
    return [
        Figure(f"submitted to completed, slowest of {_JOBS}", max(done for done, _ in runs), "s", 10),
        Figure(
            f"submitted to completed, median of {_JOBS}", statistics.median(done for done, _ in runs), "s"
        ),
        Figure("submitted to the first partial output, median", statistics.median(f for _, f in runs), "s"),
        Figure(f"{_AT_ONCE} CVs of one person at once, one worker", together, "s"),
    ]


async def _profile(hw: AsyncHeadway) -> tuple[float, float]:
    began = time.perf_counter()
    first = 0.0
    job = await hw.submit("cv.parse", {}, files={"cv": _SAMPLE}, bucket="cvs")
    async for update in job.watch(after_seq=0):
        if not first and update.event is not None and update.event.name == "profile_found":
            first = time.perf_counter() - began
    return time.perf_counter() - began, first


async def _reading() -> list[Figure]:
    # The papers of the tests: their support is no package of this one.
    sys.path.insert(0, str(_ROOT / "tests"))
    from support.cvs import hostile
    from support.cvs.shapes import CVS

    long = CVS["long"].content
    figures = [
        Figure("reading 2 pages in a process of its own", await _read(_SAMPLE.read_bytes()), "ms"),
        Figure("reading 13 pages in a process of its own", await _read(long), "ms"),
    ]
    for name, content in (("PDF bomb", hostile.pdf_bomb()), ("DOCX bomb", hostile.docx_bomb())):
        figures.append(Figure(f"refusing a {name}", await _read(content) / 1000, "s", Limits().seconds * 3))
    return figures


async def _read(content: bytes) -> float:
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as directory:
        file = Path(directory) / "file"
        file.write_bytes(content)
        began = time.perf_counter()
        try:
            await read_file(file, Limits(), Path(directory) / "found")
        except InvalidRequest:
            pass  # that is what is measured
        return (time.perf_counter() - began) * 1000


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


@asynccontextmanager
async def _project() -> AsyncIterator[tuple[str, str, str]]:
    stack = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.worker_stack", cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert stack.stdout is not None
        address: dict[str, Any] = json.loads(await stack.stdout.readline())
        yield address["url"], address["publishable_key"], address["key"]
    finally:
        assert stack.stdin is not None
        stack.stdin.close()
        await stack.wait()


@asynccontextmanager
async def _somebody(url: str, key: str) -> AsyncIterator[AsyncHeadway]:
    async with httpx.AsyncClient(timeout=30) as session:
        options = AsyncClientOptions(httpx_client=session, auto_refresh_token=False)
        client = await acreate_client(url, key, options)
        credentials = {"email": "bench@example.com", "password": "correct horse battery"}
        await client.auth.sign_up(credentials)  # type: ignore[arg-type]
        async with AsyncHeadway(client) as hw:
            yield hw


@asynccontextmanager
async def _worker(url: str, secret: str, sandbox: SandboxServer) -> AsyncIterator[None]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, **sandbox.environment, "SUPABASE_URL": url, "SUPABASE_SECRET_KEY": secret}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "headway.cli", "worker", "workers.cv", "--http-port", str(port),
        env=environment, cwd=_ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with httpx.AsyncClient() as http:
            await _until(lambda: _ready(http, port))
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def _until(satisfied: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await satisfied():
            await asyncio.sleep(0.02)
