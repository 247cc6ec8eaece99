"""Runs commands about jobs in processes, as somebody who has signed up, beside a worker of the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from support.engine import Engine, Worker
from support.stack import TestStack

HEADWAY = [sys.executable, "-m", "headway.cli"]


@dataclass
class Desk:
    """Where somebody types commands.

    Args:
        stack: The stack that the environment names.
        engine: Its engine, for the worker.
        folder: The working directory.
        environment: More variables.
    """

    stack: TestStack
    engine: Engine
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _started: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        base = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {
            **base,
            "SUPABASE_URL": self.stack.url,
            "SUPABASE_PUBLISHABLE_KEY": self.stack.keys.publishable_key,
            "SUPABASE_SECRET_KEY": self.stack.keys.secret_key,
            "HEADWAY_STATE_DIR": str(self.folder / "state"),
            "HEADWAY_RESUME_DIR": str(self.folder / "resume"),
            "COLUMNS": "120",
            **self.environment,
        }

    async def run(self, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return await asyncio.to_thread(
            subprocess.run,
            [*HEADWAY, *map(str, arguments)],
            cwd=self.folder,
            env=self.variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    async def json(self, *arguments: object, stdin: str = "") -> Any:
        """What a command that must succeed printed."""
        done = await self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def start(self, *arguments: object) -> asyncio.subprocess.Process:
        """A running command, its output to be read line by line; ended by ``close`` at the latest."""
        process = await asyncio.create_subprocess_exec(
            *HEADWAY,
            *map(str, arguments),
            cwd=self.folder,
            env=self.variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._started.append(process)
        return process

    async def close(self) -> None:
        """End what a test that has failed left running."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await self.engine.close()

    async def worker(self, **more: Any) -> tuple[Worker, str]:
        """A worker of a kind of its own; and the kind."""
        kind = f"test.cli_{uuid.uuid4().hex[:10]}"
        stages = [{"name": "read", "label": "Reading"}, {"name": "write", "label": "Writing"}]
        made = await self.engine.worker(
            {"kind": kind, "queue": kind.replace(".", "-"), "stages": stages} | more
        )
        return made, kind

    def sign_up(self) -> dict[str, Any]:
        """A new account: ``email``, ``password``, and the session's ``access_token``."""
        account = {"email": f"cli-{uuid.uuid4().hex}@example.com", "password": "correct horse battery"}
        answer = httpx.post(
            f"{self.stack.url}/auth/v1/signup",
            headers={"apikey": self.stack.keys.publishable_key},
            json=account,
        )
        session = answer.raise_for_status().json()
        return account | {"access_token": session["access_token"], "user_id": session["user"]["id"]}
