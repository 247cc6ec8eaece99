"""Runs an app's own plain functions beside the event loop, where they may take as long as they like."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["Aside", "beside", "run_aside"]

T = TypeVar("T")


class Aside:
    """Runs plain functions, one at a time and in order, on a daemon thread of their own.

    The event loop's executor will not do: a few functions that block take all of its threads, and then no
    token is refreshed and no file is read; and what never returns keeps ``asyncio.run`` from returning. The
    thread begins with the first call, and ends with ``close`` or when nobody has this any more.

    Args:
        what: What the functions are to the app, for errors and the thread's name.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._calls: SimpleQueue[_Call | None] | None = None
        self._pid = os.getpid()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """What a function returns, called in a copy of this context.

        Raises:
            RuntimeError: it raised what would end a loop or an iteration rather than tell of a fault
                (``SystemExit``, ``KeyboardInterrupt``, ``StopIteration``).
            Exception: whatever else it raised.
        """
        loop = asyncio.get_running_loop()
        call = _Call(loop, self._what, function, arguments)
        # A process that was forked has the object, but not the thread.
        if self._calls is None or self._pid != os.getpid():
            self._calls, self._pid = SimpleQueue(), os.getpid()
            name = f"headway {self._what}"
            threading.Thread(target=_work, args=(self._calls,), name=name, daemon=True).start()
        self._calls.put(call)
        answer: T = await call.answer
        return answer

    def close(self) -> None:
        """Let the thread end after the function that it is at; safe to call twice."""
        calls, self._calls = self._calls, None
        if calls is not None:
            calls.put(None)

    def __del__(self) -> None:
        self.close()


async def run_aside(what: str, function: Callable[..., T], *arguments: Any) -> T:
    """As ``Aside.run``, for a function that is called once in a while.

    Raises:
        Exception: as ``Aside.run``.
    """
    aside = Aside(what)
    try:
        return await aside.run(function, *arguments)
    finally:
        aside.close()


@contextmanager
def beside(what: str, function: Callable[[T], Any] | None) -> Iterator[Callable[[T], Any] | None]:
    """A plain function as one that an event loop may await, within the block; others stay as they are.

    Args:
        what: As for ``Aside``.
        function: The app's own; ``None`` for none.
    """
    if function is None or inspect.iscoroutinefunction(function):
        yield function
        return
    aside = Aside(what)

    async def called(argument: T) -> None:
        answer = await aside.run(function, argument)
        if inspect.isawaitable(answer):
            await answer

    try:
        yield called
    finally:
        aside.close()


class _Call:
    """One call, and whom to tell what came of it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        what: str,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> None:
        self.answer: asyncio.Future[Any] = loop.create_future()
        self._loop = loop
        self._what = what
        self._function = function
        self._arguments = arguments
        self._context = contextvars.copy_context()

    def make(self) -> None:
        # Nobody waits any more: a function that hangs has kept it from its turn.
        if self.answer.cancelled():
            return
        try:
            result = self._context.run(self._function, *self._arguments)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            self._settle(self.answer.set_exception, _tellable(error, self._what))
        else:
            self._settle(self.answer.set_result, result)

    def _settle(self, settle: Callable[[Any], None], outcome: Any) -> None:
        def settling() -> None:
            if not self.answer.done():
                settle(outcome)

        # The loop may have ended meanwhile, and with it whoever waited.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(settling)


def _work(calls: SimpleQueue[_Call | None]) -> None:
    while (call := calls.get()) is not None:
        call.make()
        # Else what the app was told would be kept until the next call.
        del call


def _tellable(error: BaseException, what: str) -> Exception:
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    told = RuntimeError(f"{what} raised {type(error).__name__}")
    told.__cause__ = error
    return told
