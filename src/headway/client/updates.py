"""What a watch has heard and its consumer has not yet taken."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from headway.core.feed import Update

__all__ = ["Updates", "merged"]

T = TypeVar("T")


def merged(earlier: object, later: object) -> bool:
    """Whether the later of two updates makes the earlier worthless: nothing but progress is in both."""
    return (
        isinstance(earlier, Update)
        and isinstance(later, Update)
        and earlier.event is None
        and later.event is None
        and earlier.snapshot is None
        and not earlier.ended
    )


class Updates(Generic[T]):
    """A queue in which progress gives way to later progress, and which ends with an error or without.

    Args:
        size: How many may wait before ``room`` waits.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._error: BaseException | None = None
        self._closed = False
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()

    def put(self, item: T) -> None:
        """Add an update; of two that tell progress alone, the later is enough."""
        if self._items and merged(self._items[-1], item):
            self._items[-1] = item
        else:
            self._items.append(item)
        self._changed.set()

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more will come; what waits can still be taken, then the error is raised."""
        if not self._closed:
            self._closed, self._error = True, error
        self._changed.set()
        self._taken.set()

    async def room(self) -> None:
        """Wait until fewer than ``size`` wait."""
        while len(self._items) >= self._size and not self._closed:
            self._taken.clear()
            await self._taken.wait()

    async def take(self) -> T:
        """The next update, waiting for one.

        Raises:
            StopAsyncIteration: there will be none.
            BaseException: what ended the queue.
        """
        while not self._items:
            if self._closed:
                if self._error is not None:
                    # Once: a traceback that is raised again and again grows with each time.
                    error, self._error = self._error, None
                    raise error
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        item = self._items.popleft()
        self._taken.set()
        return item
