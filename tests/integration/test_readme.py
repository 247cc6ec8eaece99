"""The worker and the app of the front page do what it says, as it stands there."""

from __future__ import annotations

import contextlib
import io
import re
import textwrap
import uuid
from pathlib import Path
from typing import Any

import httpx
from supabase import AsyncClientOptions, acreate_client

from support.stack import TestStack
from support.workers import ROOT, running_worker

WORKER, APP = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


def lines(text: str) -> int:
    """How many lines say something."""
    return len([line for line in text.splitlines() if line.strip()])


def test_they_are_as_short_as_promised() -> None:
    assert (lines(WORKER), lines(APP)) == (12, 6)


async def test_the_app_sees_the_worker_at_work(stack: TestStack, tmp_path: Path) -> None:
    module = f"readme_{uuid.uuid4().hex}"
    (tmp_path / f"{module}.py").write_text(WORKER)
    environment = {"PYTHONPATH": str(tmp_path)}
    said, scope = io.StringIO(), dict[str, Any]()
    exec(f"async def app(supabase):\n{textwrap.indent(APP, '    ')}", scope)
    async with httpx.AsyncClient() as session:
        client = await acreate_client(
            stack.url, stack.keys.publishable_key, AsyncClientOptions(httpx_client=session)
        )
        await client.auth.sign_in_anonymously()
        try:
            with (
                running_worker(stack, module, log=tmp_path / "log", environment=environment),
                contextlib.redirect_stdout(said),
            ):
                await scope["app"](client)
        finally:
            await client.auth.sign_out()
            await client.realtime.close()
    told = said.getvalue()
    assert "completed 100.0 draft" in told
    assert "{'characters': 5200}" in told
