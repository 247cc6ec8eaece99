"""Blocking work that nobody has to wait for: a thread that a worker may leave behind when it stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["detached"]

T = TypeVar("T")


def detached(work: Callable[[], T], *, name: str) -> asyncio.Future[T]:
    """What some blocking work comes to; it ends with the process, however long it would have taken.

    The event loop's own threads are waited for when a process ends, and a connection that hangs may keep one
    of them for minutes.

    Args:
        work: Runs in a thread of its own.
        name: The thread's.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
            tell(future.set_exception, error)
        else:
            tell(future.set_result, result)

    def tell(settle: Callable[..., None], outcome: object) -> None:
        try:
            loop.call_soon_threadsafe(lambda: None if future.done() else settle(outcome))
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    # Whoever has gone away is not to be reminded that there was an error.
    future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    threading.Thread(target=run, name=name, daemon=True).start()
    return future
