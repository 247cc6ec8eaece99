"""A watch for code without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar

from headway.client.headway import AsyncHeadway
from headway.client.sync.portal import Portal
from headway.client.sync.runner import Runner
from headway.client.watch import Watch

__all__ = ["SyncWatch"]

T = TypeVar("T")


class SyncWatch(Iterator[T], Generic[T]):
    """Yields updates in order, each as soon as it comes, until the end.

    ::

        for update in job.watch():
            print(update.percent, update.stage)

    As the asynchronous watch in everything: it goes on across lost connections, and however the iteration
    ends, what it held is released. It belongs to the process that began it.

    Args:
        runner: What runs the asynchronous watch.
        begin: Makes it.
    """

    def __init__(self, runner: Runner, begin: Callable[[AsyncHeadway], Watch[T]]) -> None:
        self._runner = runner
        self._begin = begin
        self._portal: Portal | None = None
        self._watch: Watch[T] | None = None
        self._ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        """The next update.

        Raises:
            StopIteration: the end was told.
            HeadwayError: the watch cannot go on.
        """
        if self._ended:
            raise StopIteration
        if self._portal is None:
            self._portal = self._runner.portal()
        found = self._portal.call(self._next())
        if not found:
            self._ended = True
            raise StopIteration
        return found[0]

    def close(self) -> None:
        """Release everything; safe to call twice."""
        self._ended = True
        watch, portal = self._watch, self._portal
        if watch is not None and portal is not None and portal.is_alive:
            portal.call(watch.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def _next(self) -> tuple[T, ...]:
        """The next update, or nothing after the last: a StopIteration cannot leave a coroutine."""
        if self._watch is None:
            self._watch = self._begin(self._runner.headway)
        try:
            return (await anext(self._watch),)
        except StopAsyncIteration:
            return ()
