"""A real server on a real port, and a worker under the test's control."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from headway import AsyncHeadway
from support.engine import Engine, Worker
from support.stack import TestStack


@dataclass
class Person:
    """Somebody who has signed up."""

    id: str
    token: str
    hw: AsyncHeadway

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Site:
    """The project, its people, and one worker.

    Args:
        stack: The stack.
        engine: Its engine, for the worker.
    """

    def __init__(self, stack: TestStack, engine: Engine) -> None:
        self.stack = stack
        self.engine = engine
        self.hw = AsyncHeadway(url=stack.url, key=stack.keys.publishable_key)
        self._people: list[Person] = []

    async def person(self) -> Person:
        answer = await self.hw.connection.http.post(
            f"{self.stack.url}/auth/v1/signup",
            headers={"apikey": self.stack.keys.publishable_key},
            json={"email": f"web-{uuid.uuid4().hex}@example.com", "password": "correct horse battery"},
        )
        session = answer.raise_for_status().json()
        token = session["access_token"]
        made = Person(session["user"]["id"], token, self.hw.as_user(token))
        self._people.append(made)
        return made

    async def worker(self, kind: str, **more: Any) -> Worker:
        """A worker of one kind in a queue of its own."""
        return await self.engine.worker({"kind": kind, "queue": kind.replace(".", "-")} | more)

    async def close(self) -> None:
        for person in self._people:
            await person.hw.close()
        await self.hw.close()


@pytest.fixture
async def site(stack: TestStack) -> AsyncIterator[Site]:
    engine = await Engine(stack.database).open()
    made = Site(stack, engine)
    try:
        yield made
    finally:
        await made.close()
        await engine.close()


@pytest.fixture
async def ada(site: Site) -> Person:
    return await site.person()


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app that is served on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none"))
    server.install_signal_handlers = lambda: None  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


@dataclass
class Event:
    """A server-sent event as a browser reads it."""

    id: str | None
    name: str
    data: Any


async def events_of(answer: httpx.Response) -> AsyncIterator[Event]:
    """Read a stream as a browser does; comments are left out."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line == "":
            if "data" in fields:
                yield Event(fields.get("id"), fields.get("event", "message"), json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
