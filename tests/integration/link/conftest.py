"""The stack as a house that is healthy again after each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from support.stack import TestStack

from .harness import House


@pytest.fixture
async def house(stack: TestStack) -> AsyncIterator[House]:
    if not isinstance(stack, TestStack):
        pytest.skip("these tests disturb the embedded stack's Realtime, and --supabase was given")
    database = await asyncpg.connect(**stack.database.connect_kwargs("postgres"))
    house = House(stack, database)
    try:
        yield house
    finally:
        house.healthy()
        await database.close()
