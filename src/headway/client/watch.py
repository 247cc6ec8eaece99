"""What an app iterates over: the updates of one job, of many, or of a batch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, Self, TypeVar

from headway.client.connection import Connection
from headway.client.telling import OnUpdate, Teller
from headway.client.updates import Updates

__all__ = ["Pump", "Watch"]

T = TypeVar("T")
Pump = Callable[[Connection, Updates[T]], Awaitable[None]]
"""Fills a queue until there is nothing more to tell."""


class Watch(AsyncIterator[T], Generic[T]):
    """Yields updates in order until the end, across reconnects, refreshed tokens, sleep and restarts.

    ::

        async for update in job.watch():
            print(update.percent, update.stage)

    Nothing happens before the first update is asked for. Whichever way the iteration ends, everything it
    held is released: at the end, by ``break``, by an exception, by the cancellation of the task, or by
    ``aclose``. Waiting for one update may be cancelled (``asyncio.wait_for``) and taken up again.

    Args:
        connection: The client's way to the project.
        pump: What fills the queue.
        on_update: Called with every update beside the iteration; it may be slow or raise.
    """

    def __init__(self, connection: Connection, pump: Pump[T], on_update: OnUpdate[T] | None = None) -> None:
        self._connection = connection
        self._pump = pump
        self._on_update = on_update
        self._updates: Updates[T] | None = None
        self._teller: Teller[T] | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """The next update.

        Raises:
            StopAsyncIteration: the end was told.
            HeadwayError: the watch cannot go on, however often it is tried.
        """
        if self._ended:
            raise StopAsyncIteration
        updates = self._updates or self._start()
        try:
            update = await updates.take()
        except (Exception, SystemExit):
            # Not when the waiting was cancelled: it may be taken up again.
            await self._finish()
            raise
        if self._teller is not None:
            self._teller.put(update)
        return update

    @property
    def connection(self) -> Connection:
        """The client's way to the project; for Headway's own parts."""
        return self._connection

    def release(self) -> None:
        """Let go of everything, without waiting until it has gone; safe to call twice."""
        self._ended = True
        _cancel(self._task, self._teller)
        if self._updates is not None:
            self._updates.close()

    async def aclose(self) -> None:
        """Release everything, and wait until it has gone; safe to call twice."""
        self.release()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        loop = getattr(self, "_loop", None)
        if self._ended or loop is None or loop.is_closed():
            return
        # Collected on whichever thread: the loop lets go on its own.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_cancel, self._task, self._teller)

    def _start(self) -> Updates[T]:
        self._connection.refuse_if_closed()
        self._loop = asyncio.get_running_loop()
        updates = self._updates = Updates(self._connection.policy.waiting)
        if self._on_update is not None:
            self._teller = Teller(self._on_update, self._connection.policy.callbacks)
        # The task must not know of this object, or nobody would notice that the app has dropped it.
        self._task = asyncio.create_task(_run(self._pump, self._connection, updates), name="headway watch")
        self._connection.keep(self._task)
        return updates

    async def _finish(self) -> None:
        self._ended = True
        if self._teller is not None:
            await self._teller.finish(self._connection.policy.callback_grace)
        self.release()


def _cancel(task: asyncio.Task[None] | None, teller: Teller[T] | None) -> None:
    if task is not None:
        task.cancel()
    if teller is not None:
        teller.cancel()


async def _run(pump: Pump[T], connection: Connection, updates: Updates[T]) -> None:
    try:
        await pump(connection, updates)
    except asyncio.CancelledError:
        updates.close(None if not connection.closed else connection.closed_error())
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it belongs to whoever iterates
        updates.close(error)
    else:
        updates.close()
