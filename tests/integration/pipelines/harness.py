"""People with projects, a sandbox, and workers that are real processes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import asyncpg
import httpx
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from headway.client import AsyncHeadway
from headway.sandbox.server import SandboxServer
from support.stack import TestStack

__all__ = ["PATIENCE_S", "Office", "Somebody", "opened_office", "settled", "until"]

T = TypeVar("T")

PATIENCE_S = 60


@dataclass(frozen=True)
class Somebody:
    """A person who has signed in.

    Attributes:
        client: The official client.
        hw: Ours, with the same session.
        id: Their user id.
    """

    client: AsyncClient
    hw: AsyncHeadway
    id: str

    async def project(self, organization: str | None = None) -> str:
        """A project of one's own, or of an organisation that one may write to."""
        owner = {"organization_id": organization} if organization else {"user_id": self.id}
        made: Any = (await self.client.table("projects").insert({"name": "p", **owner}).execute()).data
        return str(made[0]["id"])

    async def rows(self, relation: str, **where: str) -> list[dict[str, Any]]:
        """What this person sees of a table or view."""
        asking = self.client.table(relation).select("*")
        for column, value in where.items():
            asking = asking.eq(column, value)
        seen: Any = (await asking.execute()).data
        return list(seen)


class Office:
    """Everything around one test.

    Args:
        stack: The project.
        admin: Its database as ``postgres``: to arrange, and to look behind the scenes.
        sandbox: What stands in for paid APIs.
    """

    def __init__(
        self, stack: TestStack, admin: asyncpg.Connection[asyncpg.Record], sandbox: SandboxServer
    ) -> None:
        self.stack = stack
        self.admin = admin
        self.sandbox = sandbox
        self._opened = AsyncExitStack()

    async def close(self) -> None:
        """Close everything."""
        await self._opened.aclose()

    async def somebody(self, *, anonymous: bool = False) -> Somebody:
        """Somebody new, signed up with an address, or in an anonymous session."""
        session = await self._opened.enter_async_context(httpx.AsyncClient(timeout=30))
        options = AsyncClientOptions(httpx_client=session, auto_refresh_token=False)
        client = await acreate_client(self.stack.url, self.stack.keys.publishable_key, options)
        self._opened.push_async_callback(client.realtime.close)
        if anonymous:
            answer = await client.auth.sign_in_anonymously()
        else:
            email = f"{uuid.uuid4().hex[:12]}@example.com"
            answer = await client.auth.sign_up({"email": email, "password": "correct horse battery"})
        assert answer.user is not None
        assert answer.session is not None
        hw = await self._opened.enter_async_context(AsyncHeadway(client))
        return Somebody(client, hw, str(answer.user.id))

    async def organization(self, owner: Somebody, **members: Somebody) -> str:
        """An organisation with its owner and members by role."""
        made: Any = (await owner.client.table("organizations").insert({"name": "Acme"}).execute()).data
        identity = str(made[0]["id"])
        for role, member in members.items():
            row = {"organization_id": identity, "user_id": member.id, "role": role}
            await owner.client.table("organization_members").insert(row).execute()
        return identity

    async def usage(self, job_id: object, state: str = "recorded") -> Decimal:
        """What a job's calls have cost by the ledger."""
        cost = await self.admin.fetchval(
            "select coalesce(sum(cost), 0) from headway.usage where job_id = $1 and state = $2",
            uuid.UUID(str(job_id)),
            state,
        )
        return Decimal(cost)

    async def take_back(self, job_id: object) -> None:
        """Let the lease of a dead worker run out, and its job be due: hours of waiting in no time."""
        hours_ago = "now() - interval '2 hours'"
        job = uuid.UUID(str(job_id))
        await self.admin.execute(f"update headway.leases set expires_at = {hours_ago} where job_id = $1", job)
        await self.admin.execute("select headway.sweep()")
        await self.admin.execute(f"update headway.jobs set run_at = {hours_ago} where id = $1", job)
        await self.admin.execute("select headway.sweep()")


@asynccontextmanager
async def opened_office(stack: TestStack, sandbox: SandboxServer) -> AsyncIterator[Office]:
    """An office for one test."""
    admin = await stack.database.connect("postgres")
    office = Office(stack, admin, sandbox)
    try:
        yield office
    finally:
        await office.close()
        await admin.close(timeout=5)


async def settled(read: Callable[[], Awaitable[T]], satisfied: Callable[[T], object]) -> T:
    """What there is to read once it is as it must become.

    Postgres hands a commit to Realtime an instant before other connections see it: a row that is written with
    a job's end may be read as it was, by whoever is told of the end.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not satisfied(found := await read()):
            await asyncio.sleep(0.01)
        return found


async def until(satisfied: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait until something outside has come about."""
    async with asyncio.timeout(seconds):
        while not satisfied():
            await asyncio.sleep(0.01)
