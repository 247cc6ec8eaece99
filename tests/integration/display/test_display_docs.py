"""The examples of docs/display.md, on jobs that are run meanwhile."""

from __future__ import annotations

import asyncio
import textwrap
import uuid
from typing import Any

import httpx
import pytest

from headway import AsyncHeadway, Headway
from headway.display import ProgressDisplay
from support.documents import examples
from support.engine import Engine
from support.stack import TestStack


def example(caller: str) -> str:
    (block,) = [each for each in examples("display.md", "python") if each.caller == caller]
    return block.text


async def token_of(stack: TestStack) -> str:
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{stack.url}/auth/v1/signup", headers={"apikey": stack.keys.publishable_key}, json={"data": {}}
        )
    return str(answer.raise_for_status().json()["access_token"])


async def test_jobs_are_followed(stack: TestStack, capsys: pytest.CaptureFixture[str]) -> None:
    engine = await Engine(stack.database).open()
    kind = f"test.display_{uuid.uuid4().hex[:8]}"
    worker = await engine.worker(
        {"kind": kind, "queue": kind.replace(".", "-"), "stages": [{"name": "read", "label": "Reading"}]}
    )
    namespace: dict[str, Any] = {}
    exec("async def main(job, another):\n" + textwrap.indent(example("async"), "    "), namespace)
    url, key = stack.url, stack.keys.publishable_key
    async with AsyncHeadway(url=url, key=key, access_token=await token_of(stack)) as hw:
        jobs = [await hw.submit(kind) for _ in range(2)]
        showing = asyncio.create_task(namespace["main"](*jobs))
        for lease in await worker.claim(2):
            await worker.beat(lease, stage="read", events=[{"name": "line", "data": "first", "n": 1}])
            await worker.finish(lease)
        await showing
    await engine.close()
    shown = capsys.readouterr().out
    assert shown.count("completed after") == 2
    assert "Quarterly report  100 %  completed after" in shown
    assert shown.count("line: first") <= 2


async def test_every_stage_is_shown_from_the_beginning(stack: TestStack) -> None:
    engine = await Engine(stack.database).open()
    kind = f"test.display_{uuid.uuid4().hex[:8]}"
    stages = [{"name": "read", "label": "Reading"}, {"name": "write", "label": "Writing"}]
    worker = await engine.worker({"kind": kind, "queue": kind.replace(".", "-"), "stages": stages})
    url, key = stack.url, stack.keys.publishable_key
    async with AsyncHeadway(url=url, key=key, access_token=await token_of(stack)) as hw:
        job = await hw.submit(kind)
        display = ProgressDisplay(mode="notebook")
        following = asyncio.create_task(display.follow(job))
        lease = await worker.claim_one()
        await worker.beat(lease, stage="read")
        await worker.finish(lease)
        (last,) = await following
    await engine.close()
    assert last.status == "completed"
    (card,) = display.board.cards
    assert [mark.label for mark in card.stages] == ["Reading", "Writing"]


async def test_updates_are_shown_and_passed_on(stack: TestStack, capsys: pytest.CaptureFixture[str]) -> None:
    engine = await Engine(stack.database).open()
    kind = f"test.display_{uuid.uuid4().hex[:8]}"
    worker = await engine.worker({"kind": kind, "queue": kind.replace(".", "-")})
    with Headway(url=stack.url, key=stack.keys.publishable_key, access_token=await token_of(stack)) as hw:
        job = await asyncio.to_thread(hw.submit, kind)
        showing = asyncio.to_thread(exec, example("blocking"), {"job": job})
        working = asyncio.create_task(showing)
        await worker.finish(await worker.claim_one())
        await working
    await engine.close()
    assert "completed" in capsys.readouterr().out
