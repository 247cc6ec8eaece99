"""Threads for work that blocks: as many as it takes, reused, and never in the way of the process's end."""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Threads"]

T = TypeVar("T")

_IDLE_S = 30.0
_FORKED_STATUS = 70


class Threads:
    """Runs functions in daemon threads.

    Unlike an executor's, these don't hold up the process when a function never returns, and there is no bound
    that functions which never return could use up.

    Args:
        name: Of the threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[tuple[Callable[[], None]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._started = 0

    async def run(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """What a function returns or raises; it goes on in its thread when the caller is cancelled."""
        return await asyncio.shield(self.submit(fn, *args, **kwargs))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> asyncio.Future[T]:
        """Start a function in a thread, with the caller's context variables."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()
        pid = os.getpid()

        def settle(value: Any, failure: BaseException | None) -> None:
            if future.done():
                return
            if failure is None:
                future.set_result(value)
                return
            future.set_exception(failure)
            future.exception()  # the caller may have gone

        def work() -> None:
            value, failure = None, None
            try:
                value = context.run(fn, *args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                failure = _as_error(error)
            if os.getpid() != pid:
                os._exit(_FORKED_STATUS)  # the function has forked: this is the copy
            try:
                loop.call_soon_threadsafe(settle, value, failure)
            except RuntimeError:
                pass  # the loop is closed: nobody waits any more

        with self._lock:
            spare = self._idle > 0
            if spare:
                self._idle -= 1
            else:
                self._started += 1
        self._work.put((work,))
        if not spare:
            threading.Thread(target=self._serve, name=f"{self._name} {self._started}", daemon=True).start()
        return future

    def _serve(self) -> None:
        while True:
            try:
                order = self._work.get(timeout=_IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._idle == 0:
                        continue  # somebody counts on this thread already
                    self._idle -= 1
                return
            if order is None:
                return
            order[0]()
            del order
            with self._lock:
                self._idle += 1


def _as_error(error: BaseException) -> BaseException:
    """Futures refuse ``StopIteration``; an exit of the interpreter is not the caller's to propagate."""
    if isinstance(error, StopIteration):
        failure = RuntimeError("the function raised StopIteration")
        failure.__cause__ = error
        return failure
    return error
