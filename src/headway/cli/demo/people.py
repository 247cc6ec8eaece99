"""The person of a demo: signs up, and does everything with her own token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headway.client.headway import AsyncHeadway

if TYPE_CHECKING:
    from supabase import AsyncClient

__all__ = ["Person", "signed_up"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has signed in.

    Attributes:
        client: The official client, with her session.
        hw: Headway's, over the same session.
        id: Her user id.
    """

    client: AsyncClient
    hw: AsyncHeadway
    id: str

    async def rows(self, relation: str, **where: str) -> list[dict[str, Any]]:
        """What she sees of a table, under row level security.

        Args:
            relation: A table or view of schema public.
            where: Columns and the values that they must have.
        """
        question = self.client.table(relation).select("*")
        for column, value in where.items():
            question = question.eq(column, value)
        found: Any = (await question.execute()).data
        return list(found)

    async def insert(self, relation: str, row: dict[str, Any]) -> dict[str, Any]:
        """Store a row as herself; the row as it stands.

        Args:
            relation: A table of schema public.
            row: Its columns.
        """
        stored: Any = (await self.client.table(relation).insert(row).execute()).data
        made: dict[str, Any] = stored[0]
        return made


@asynccontextmanager
async def signed_up(url: str, key: str, *, email: str, password: str) -> AsyncIterator[Person]:
    """A new user of a project.

    Args:
        url: The project.
        key: Its publishable key.
        email: Her address.
        password: What she signs in with.
    """
    import httpx
    from supabase import AsyncClientOptions, acreate_client

    async with httpx.AsyncClient(timeout=30) as session:
        client = await acreate_client(url, key, AsyncClientOptions(httpx_client=session))
        try:
            answer = await client.auth.sign_up({"email": email, "password": password})
            assert answer.user is not None, "a sign-up without an error has a user"
            async with AsyncHeadway(client) as hw:
                yield Person(client, hw, str(answer.user.id))
        finally:
            await client.auth.sign_out()
            await client.realtime.close()
