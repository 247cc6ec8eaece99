"""A project whose kinds and queues are each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from support.stack import TestStack

from .harness import Office


@pytest.fixture
async def office(stack: TestStack) -> AsyncIterator[Office]:
    if not isinstance(stack, TestStack):
        pytest.skip("these tests look behind the scenes by SQL, and --supabase was given")
    admin = await asyncpg.connect(**stack.database.connect_kwargs("postgres"))
    try:
        async with httpx.AsyncClient(timeout=30) as http:
            yield Office(stack, admin, http)
    finally:
        await admin.close()
