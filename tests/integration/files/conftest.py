"""People with an account who move files."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from headway.client.files import Files, ResumeStore
from support.stack import TestStack
from support.wire import Wire, wire_to


@dataclass
class Party:
    """One caller of one project.

    Args:
        url: The project, or a wire to it.
        key: The project's key.
        http: What sends.
        user_id: Of the person.
        token: The person's access token.
    """

    url: str
    key: str
    http: httpx.AsyncClient
    user_id: str | None = None
    token: str | None = None

    async def headers(self) -> dict[str, str]:
        return {"apikey": self.key, "Authorization": f"Bearer {self.token or self.key}"}

    async def owner(self) -> str | None:
        return self.user_id

    def through(self, wire: Wire) -> Party:
        """The same person over a wire."""
        return Party(wire.url, self.key, self.http, self.user_id, self.token)


class House:
    """The stack, and how people come into it."""

    def __init__(self, stack: TestStack, memory: Path) -> None:
        self.stack = stack
        self.memory = ResumeStore(memory)
        self._exit = AsyncExitStack()

    async def person(self) -> Party:
        """Somebody new who has signed up."""
        http = await self._exit.enter_async_context(httpx.AsyncClient())
        answer = await http.post(
            f"{self.stack.url}/auth/v1/signup",
            headers={"apikey": self.stack.keys.publishable_key},
            json={"email": f"files-{uuid.uuid4().hex}@example.com", "password": "correct horse battery"},
        )
        session = answer.raise_for_status().json()
        return Party(
            self.stack.url,
            self.stack.keys.publishable_key,
            http,
            session["user"]["id"],
            session["access_token"],
        )

    async def service(self) -> Party:
        """A holder of the secret key."""
        http = await self._exit.enter_async_context(httpx.AsyncClient())
        return Party(self.stack.url, self.stack.keys.secret_key, http)

    def files(self, party: Party) -> Files:
        """What a party moves files by."""
        return Files(party, resume_store=self.memory)

    async def close(self) -> None:
        await self._exit.aclose()


@pytest.fixture
async def house(stack: TestStack, tmp_path: Path) -> AsyncIterator[House]:
    made = House(stack, tmp_path / "resume")
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def ada(house: House) -> Party:
    return await house.person()


@pytest.fixture
async def grace(house: House) -> Party:
    return await house.person()


@pytest.fixture
def wire(stack: TestStack) -> Iterator[Wire]:
    with wire_to(stack.url) as made:
        yield made
