"""Tells updates to an ``on_update`` that may be slow, or raise, without harm to anything else."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeAlias, TypeVar

from headway.client.aside import Aside
from headway.client.updates import merged

__all__ = ["OnUpdate", "Teller"]

_log = logging.getLogger("headway.client")

T = TypeVar("T")
OnUpdate: TypeAlias = Callable[[T], Awaitable[None] | None]
"""Called with every update, one at a time and in order. A plain function runs in a thread of its own."""


class Teller(Generic[T]):
    """One callback's queue: progress that it is too slow for is merged, what it raises is logged.

    Args:
        on_update: The callback.
        most: How many updates may wait for it; of more, the oldest are not told, and that is logged.
    """

    def __init__(self, on_update: OnUpdate[T], most: int) -> None:
        self._on_update = on_update
        self._is_async = inspect.iscoroutinefunction(on_update) or inspect.iscoroutinefunction(
            getattr(on_update, "__call__", None)  # noqa: B004 - of an object that is called like a function
        )
        self._aside = Aside("on_update")
        self._most = most
        self._items: deque[T] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._dropped = 0
        self._task = asyncio.create_task(self._run(), name="headway on_update")

    def put(self, item: T) -> None:
        """Tell an update, as soon as those before it were told."""
        if self._items and merged(self._items[-1], item):
            self._items[-1] = item
        else:
            self._items.append(item)
        if len(self._items) > self._most:
            self._items.popleft()
            if not self._dropped:
                _log.error("on_update is so slow that updates are not told to it: %d wait", self._most)
            self._dropped += 1
        self._changed.set()

    async def finish(self, grace: float) -> None:
        """Wait until everything was told, for a while.

        Args:
            grace: Seconds.
        """
        self._closed = True
        self._changed.set()
        _, late = await asyncio.wait({self._task}, timeout=grace)
        if late:
            _log.warning("on_update did not end within %g s of its watch; it is cancelled", grace)
        self.cancel()

    def cancel(self) -> None:
        """Tell nothing more."""
        self._task.cancel()
        self._aside.close()

    async def _run(self) -> None:
        while True:
            while self._items:
                await self._tell(self._items.popleft())
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    async def _tell(self, item: T) -> None:
        try:
            if self._is_async:
                answer = self._on_update(item)
            else:
                answer = await self._aside.run(self._on_update, item)
            if inspect.isawaitable(answer):
                await answer
        except asyncio.CancelledError:
            if self._is_cancelled():
                raise
            _log.exception("on_update raised")
        except (Exception, SystemExit):  # noqa: BLE001 - the app's own faults are its own; the stream goes on
            _log.exception("on_update raised")

    def _is_cancelled(self) -> bool:
        """Whether nothing is to be told any more, rather than that the callback itself was cancelled."""
        return self._task.cancelling() > 0
