"""Resources that all jobs of a process share: made on first use, closed when the worker stops."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

__all__ = ["Shared"]

_log = logging.getLogger("headway.worker")

T = TypeVar("T")


class Shared:
    """One of each factory.

    A factory that fails is tried again by the next job that asks. Resources are entered and closed in one
    task of their own, because some libraries insist on that, and so that no job's cancellation can reach
    them.
    """

    def __init__(self) -> None:
        self._made: dict[Any, asyncio.Future[Any]] = {}
        self._owner: asyncio.Task[None] | None = None
        self._orders: asyncio.Queue[tuple[Any, asyncio.Future[Any]] | None] = asyncio.Queue()

    def put(self, factory: Any, value: Any) -> None:
        """Say what a factory's resource is, instead of making it: for tests."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_result(value)
        self._made[factory] = future

    async def get(self, factory: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """The resource of a factory; raises what the factory raises."""
        future = self._made.get(factory)
        if future is None or (future.done() and (future.cancelled() or future.exception() is not None)):
            future = self._made[factory] = asyncio.get_running_loop().create_future()
            if self._owner is None:
                # In a context of its own: it outlives the job that happens to ask first.
                self._owner = asyncio.create_task(
                    self._own(), name="headway shared resources", context=contextvars.Context()
                )
            self._orders.put_nowait((factory, future))
        value: T = await asyncio.shield(future)
        return value

    async def close(self) -> None:
        """Close all of them, the youngest first."""
        if self._owner is not None:
            self._orders.put_nowait(None)
            await asyncio.wait({self._owner})
            self._owner = None
        self._made.clear()

    async def _own(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                while (order := await self._orders.get()) is not None:
                    factory, future = order
                    try:
                        value = await stack.enter_async_context(factory())
                    except Exception as error:  # noqa: BLE001 - it is the asking job's
                        future.set_exception(error)
                        future.exception()  # told to whoever waits; nobody may
                    else:
                        future.set_result(value)
        except Exception:  # noqa: BLE001 - the worker stops all the same
            _log.exception("a shared resource could not be closed")
