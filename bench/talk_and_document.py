"""Talk tracks and documents: how early the first portion is read, what kills cost, how fast cancels are.

Stack, sandbox and this program share a process; every worker is a process of its own, and is killed as such.
The sandbox's model takes half a second for every answer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from bench.report import Figure
from headway.client import AsyncHeadway
from headway.local.config import load_config
from headway.local.stack import Stack
from headway.sandbox.server import SandboxServer
from headway.settings import LocalSettings

NAME = "Talk tracks and documents"

_ROOT = Path(__file__).parents[1]
_CHAT = "/openai/v1/chat/completions"
_HOOK = "/n8n/webhook/document"
_ANSWER_S = 0.5
_CANCELS = 5
_SLIDES = [{"title": f"Slide {n}", "body": "- one point\n- and another"} for n in range(1, 121)]


class _Scene:
    def __init__(self, stack: Stack, sandbox: SandboxServer, client: AsyncClient, hw: AsyncHeadway) -> None:
        self.stack = stack
        self.sandbox = sandbox
        self.client = client
        self.hw = hw

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[asyncio.subprocess.Process]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            **os.environ,
            **self.sandbox.environment,
            "SUPABASE_URL": self.stack.public_url,
            "SUPABASE_SECRET_KEY": self.stack.keys.secret_key,
            "HEADWAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        }
        modules = ("workers.talk_track", "workers.document")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "headway.cli", "worker", *modules, "--http-port", str(port),
            env=environment, cwd=_ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with httpx.AsyncClient() as http:
                await _until(lambda: _ready(http, port))
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def project(self) -> str:
        user = await self.client.auth.get_user()
        assert user is not None
        row = {"name": "bench", "user_id": user.user.id}
        made: Any = (await self.client.table("projects").insert(row).execute()).data
        return str(made[0]["id"])


async def _ready(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def _until(satisfied: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await satisfied():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _scene(directory: Path) -> AsyncIterator[_Scene]:
    settings = LocalSettings(data_dir=directory, api_port=0, db_port=0, inbox_port=0, durable=False)
    supabase = _ROOT / "supabase"
    stack = Stack(supabase, directory, load_config(supabase / "config.toml"), settings)
    await stack.start()
    try:
        with SandboxServer() as sandbox:
            async with httpx.AsyncClient(timeout=30) as session:
                options = AsyncClientOptions(httpx_client=session, auto_refresh_token=False)
                client = await acreate_client(stack.public_url, stack.keys.publishable_key, options)
                credentials = {"email": "bench@example.com", "password": "correct horse battery"}
                await client.auth.sign_up(credentials)  # type: ignore[arg-type]
                async with AsyncHeadway(client) as hw:
                    yield _Scene(stack, sandbox, client, hw)
    finally:
        await stack.stop()


async def _early(scene: _Scene, project: str) -> Figure:
    scene.sandbox.sandbox.faults.add("slow", provider="openai", seconds=_ANSWER_S)
    seen = second = 0.0
    async with scene.worker():
        payload = {"slides": _SLIDES[:20]}
        job = await scene.hw.submit("talk_track.generate", payload, project_id=project)
        async for update in job.watch(after_seq=0):
            event = update.event
            if event is not None and event.name == "slides":
                seen = seen or time.monotonic()
            if event is not None and event.type == "step_completed" and event.step == "slides_0011_0020":
                second = time.monotonic()
    scene.sandbox.sandbox.faults.clear()
    return Figure(
        "first portion read before the second is finished", second - seen, "s", target=0, at_most=False
    )


async def _killed(scene: _Scene, project: str) -> list[Figure]:
    sandbox = scene.sandbox.sandbox
    sandbox.ledger.clear()
    sandbox.requests.clear()
    for count in (3, 4, 2):
        sandbox.faults.add("slow", provider="openai", times=count, seconds=0)
        sandbox.faults.add("timeout", provider="openai", times=1, seconds=600)
    job = None
    asked = 0
    begun = time.monotonic()
    for count in (3, 4, 2):
        async with scene.worker() as process:
            if job is None:
                payload = {"slides": _SLIDES}
                job = await scene.hw.submit("talk_track.generate", payload, project_id=project)
            asked += count + 1

            async def silent(wanted: int = asked) -> bool:
                return sandbox.requests.of(_CHAT) == wanted

            await _until(silent)
            process.kill()
            await process.wait()
    assert job is not None
    async with scene.worker():
        await job.result(timeout=120)
    records = [record async for record in _answers(scene, job.id)]
    return [
        Figure(
            "120 slides, three kills: portions that the model has written", len(records), "of 12", target=12
        ),
        Figure("120 slides, three kills: from submission to the end", time.monotonic() - begun, "s"),
    ]


async def _answers(scene: _Scene, job_id: object) -> AsyncIterator[Any]:
    for record in await scene.hw.usage(job_id):
        if record.unit == "output_token":
            yield record


async def _cancels(scene: _Scene, kind: str, payload: Any, path: str, project: str) -> Figure:
    sandbox = scene.sandbox.sandbox
    slowest = 0.0
    async with scene.worker():
        for _ in range(_CANCELS):
            sandbox.requests.clear()
            sandbox.faults.add("timeout", seconds=600, times=1)
            job = await scene.hw.submit(kind, payload, project_id=project)

            async def silent() -> bool:
                return sandbox.requests.of(path) == 1

            await _until(silent)
            begun = time.monotonic()
            await job.cancel()
            async for update in job.watch():
                if update.ended:
                    slowest = max(slowest, time.monotonic() - begun)
    return Figure(f"{kind}: cancel during a call, slowest of {_CANCELS}", slowest, "s", target=2)


async def run() -> list[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as directory:
        async with _scene(Path(directory)) as scene:
            project = await scene.project()
            return [
                await _early(scene, project),
                *await _killed(scene, project),
                await _cancels(scene, "talk_track.generate", {"slides": _SLIDES[:1]}, _CHAT, project),
                await _cancels(scene, "document.generate", {"prompt": "Write."}, _HOOK, project),
            ]
