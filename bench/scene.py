"""What the benchmarks of the pipelines play on.

Stack, sandbox and the benchmark share a process; every worker is a process of its own, and is killed as such.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from headway.client import AsyncHeadway
from headway.local.config import load_config
from headway.local.stack import Stack
from headway.sandbox.server import SandboxServer
from headway.settings import LocalSettings

__all__ = ["Scene", "opened_scene", "until"]

_ROOT = Path(__file__).parents[1]


class Scene:
    """A stack, a sandbox, somebody who has signed in, and workers that are processes of their own."""

    def __init__(
        self,
        stack: Stack,
        sandbox: SandboxServer,
        client: AsyncClient,
        hw: AsyncHeadway,
        modules: tuple[str, ...],
    ) -> None:
        self.stack = stack
        self.sandbox = sandbox
        self.client = client
        self.hw = hw
        self._modules = modules

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A worker that is ready, until the block ends."""
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
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "headway.cli", "worker", *self._modules, "--http-port", str(port),
            env=environment, cwd=_ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with httpx.AsyncClient() as http:
                await until(lambda: _ready(http, port))
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def project(self) -> str:
        """A new project of theirs."""
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


async def until(satisfied: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something has come about."""
    async with asyncio.timeout(60):
        while not await satisfied():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def opened_scene(directory: Path, *modules: str) -> AsyncIterator[Scene]:
    """A scene whose workers have these modules."""
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
                    yield Scene(stack, sandbox, client, hw, modules)
    finally:
        await stack.stop()
