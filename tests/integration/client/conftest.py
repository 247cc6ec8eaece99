"""The stack as an app and its worker meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from support.stack import TestStack

from .harness import Shop, opened_shop
from .shift import Shift, opened_shift


@pytest.fixture
async def shop(stack: TestStack) -> AsyncIterator[Shop]:
    async with opened_shop(stack) as shop:
        yield shop


@pytest.fixture
def shift(stack: TestStack) -> Iterator[Shift]:
    with opened_shift(stack) as shift:
        yield shift
