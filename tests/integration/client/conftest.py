"""The stack as an app and its worker meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.stack import TestStack

from .harness import Shop, opened_shop


@pytest.fixture
async def shop(stack: TestStack) -> AsyncIterator[Shop]:
    async with opened_shop(stack) as shop:
        yield shop
