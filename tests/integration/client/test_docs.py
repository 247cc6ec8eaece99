"""The examples of docs/client.md do what they say."""

from __future__ import annotations

import asyncio
import textwrap
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from supabase import create_client
from supabase.lib.client_options import SyncClientOptions

import headway
from support.documents import examples

from .harness import Queue, Shop
from .shift import Shift

PAYLOAD = {"type": "object", "required": ["language"]}


class Profile(BaseModel):
    name: str


@dataclass
class Options:
    language: str


def blocks_of(caller: str) -> list[Any]:
    """The page's blocks that run in one way."""
    return [block for block in examples("client.md", "python") if block.caller == caller]


def program(blocks: list[Any], names: tuple[str, ...], *, asynchronous: bool) -> Any:
    """Blocks as one function of some names; what they have assigned is returned."""
    text = f"{'async ' if asynchronous else ''}def main({', '.join(names)}):\n"
    text += "\n".join(textwrap.indent(block.text, "    ") for block in blocks) + "\n    return locals()\n"
    namespace: dict[str, Any] = {name: getattr(headway, name) for name in headway.__all__}
    exec(compile(text, "docs/client.md", "exec"), namespace)
    return namespace["main"]


async def work(queue: Queue) -> None:
    """Do every job of a queue as a parser of CVs would."""
    while True:
        for lease in await queue.worker.claim(10):
            beat = {key: lease[key] for key in ("job_id", "attempt", "lease_token")}
            await queue.worker.heartbeat(beat | {"percent": 40, "stage": "read"})
            await queue.worker.finish(lease, result={"name": "Ada"})
        await asyncio.sleep(0.02)


@asynccontextmanager
async def at_work(shop: Shop) -> AsyncIterator[None]:
    declared = {"kind": "cv.parse", "queue": "cv", "payload_schema": PAYLOAD}
    queue = Queue("cv.parse", await shop.engine.worker(declared))
    working = asyncio.create_task(work(queue))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait({working})


async def end_when(event: asyncio.Event, queue: Queue) -> None:
    await event.wait()
    hand = await queue.take()
    await hand.worker.finish(hand.lease)


@contextmanager
def shift_at_work(shift: Shift) -> Iterator[None]:
    manager = at_work(shift.shop)
    shift.run(manager.__aenter__())
    try:
        yield
    finally:
        shift.run(manager.__aexit__(None, None, None))


async def test_the_examples_for_asyncio_run(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cv.pdf").write_bytes(b"%PDF-1.4 cv")
    supabase = await shop.person()
    first, servers, submitting, watching, results, asking = blocks_of("app")
    shown: list[Any] = []
    saved: dict[Any, int] = {}
    told: list[tuple[Any, ...]] = []
    listed = asyncio.Event()

    def tell(*words: Any) -> None:
        told.append(words)
        if words[0] in ("new", "changed"):
            listed.set()

    given: dict[str, Any] = {
        "supabase": supabase,
        "Path": Path,
        "Profile": Profile,
        "Options": Options,
        "timedelta": timedelta,
        "URL": shop.stack.url,
        "KEY": shop.stack.keys.publishable_key,
        "token_of_the_request": await shop.token(supabase),
        "show": shown.append,
        "save": lambda job_id, seq: saved.update({job_id: seq}),
    }
    async with at_work(shop), asyncio.timeout(60):
        made = await program([first, servers], tuple(given), asynchronous=True)(**given)
        assert made["profile"] == Profile(name="Ada")
        hw = await shop.headway(supabase)
        made = await program([submitting], (*given, "hw"), asynchronous=True)(**given, hw=hw)
        job = made["job"]
        assert made["counts"].completed == 100
        assert [file.name for file in await job.files()] == ["cv", "note"]
        watched = given | {"hw": hw, "job": job, "job_id": job.id, "saved_seq": 1, "print": tell}
        another = await shop.kind()
        await hw.submit(another.kind)
        # It ends when the list has shown it, so that a watch of what is active has something to see.
        ending = asyncio.create_task(end_when(listed, another))
        made = await program([watching, results], tuple(watched), asynchronous=True)(**watched)
        await ending
        assert saved[job.id] == made["update"].seq
        assert shown[-1].ended
        assert told[-1] == ("changed", another.kind, 100)
        made = await program([asking], tuple(watched), asynchronous=True)(**watched)
        assert made["snapshot"].result == {"name": "Ada"}
        assert len(made["page"]) > 0


def test_the_examples_without_a_loop_run(
    shift: Shift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cv.pdf").write_bytes(b"%PDF-1.4 cv")
    with httpx.Client() as session, shift_at_work(shift):
        options = SyncClientOptions(httpx_client=session, auto_refresh_token=False)
        supabase = create_client(shift.stack.url, shift.stack.keys.publishable_key, options)
        supabase.auth.sign_in_anonymously()
        given = {"supabase": supabase, "Path": Path, "Profile": Profile}
        made = program(blocks_of("sync"), tuple(given), asynchronous=False)(**given)
    assert made["profile"] == Profile(name="Ada")
    assert made["update"].ended


def test_the_flask_app_runs(shift: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", shift.stack.url)
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", shift.stack.keys.publishable_key)
    (block,) = blocks_of("flask")
    namespace: dict[str, Any] = {"__name__": "docs_client_flask"}
    exec(compile(block.text, "docs/client.md", "exec"), namespace)
    with namespace["headway"], namespace["app"].test_client() as http, shift_at_work(shift):
        headers = {"Authorization": f"Bearer {shift.token()}"}
        answer = http.post("/parse", json={"language": "en"}, headers=headers)
        job_id = uuid.UUID(answer.get_json()["id"])
        assert http.get(f"/jobs/{job_id}", headers=headers).text.split()[-1] == "100.0"
