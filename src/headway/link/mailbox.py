"""One listener's queue: bounded, and honest about what it had to drop."""

from __future__ import annotations

import asyncio
from collections import deque

from headway.link.events import Event, Gap, Listening, Message, Refused

__all__ = ["Mailbox"]


class Mailbox:
    """Holds what a consumer has not taken yet; putting never waits and never fails.

    The consumer sees at most one ``Gap`` before the next ``Listening``. When more than ``size`` entries wait,
    all of them give way to ``Gap`` and ``Listening``: whoever catches up on ``Listening`` reads what was
    dropped.

    Args:
        size: The most entries that may wait.
    """

    __slots__ = (
        "_closed",
        "_hearing",
        "_items",
        "_size",
        "_told_gap",
        "_told_listening",
        "_waiter",
        "overflows",
    )

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        # What the last entry put says, and what the last entry taken said.
        self._hearing = False
        self._told_listening = False
        self._told_gap = False
        self.overflows = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    def message(self, message: Message) -> None:
        """Put a message; one too many becomes a gap."""
        if self._closed:
            return
        if len(self._items) < self._size:
            self._put(message)
        elif self._hearing:
            self.overflows += 1
            self._collapse(Gap("the consumer is slow: its queue overflowed"))
        # Otherwise the gap has been told, and the next Listening makes good for this message too.

    def listening(self) -> None:
        """Put that the server listens."""
        if self._closed:
            return
        self._hearing = True
        if self._items and isinstance(self._items[-1], Listening):
            return
        self._put_control(Listening())

    def gap(self, reason: str) -> None:
        """Put that messages may be lost, unless that is known already."""
        if self._closed or not self._hearing:
            return
        self._hearing = False
        self._put_control(Gap(reason))

    def refused(self, refused: Refused) -> None:
        """Put a refusal; it replaces one that has not been read."""
        if self._closed:
            return
        if self._items and isinstance(self._items[-1], Refused):
            self._items[-1] = refused
        else:
            self._put_control(refused)

    def close(self) -> None:
        """Nothing more will come; what waits can still be taken."""
        self._closed = True
        self._wake()

    def discard(self) -> None:
        """As ``close``, and forget what waits."""
        self._items.clear()
        self.close()

    async def take(self) -> Event:
        """The next entry, waiting for one.

        Raises:
            StopAsyncIteration: the mailbox is closed and empty.
            RuntimeError: somebody else is waiting already.
        """
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            if self._waiter is not None:
                raise RuntimeError("a listener has one consumer: two are waiting for the same one")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        item = self._items.popleft()
        if isinstance(item, Listening):
            self._told_listening, self._told_gap = True, False
        elif isinstance(item, Gap):
            self._told_gap = True
        return item

    def _put(self, item: Event) -> None:
        self._items.append(item)
        self._wake()

    def _put_control(self, item: Event) -> None:
        if len(self._items) < self._size:
            self._put(item)
        else:
            self._collapse(
                item if isinstance(item, Gap) else Gap("the consumer is slow: its queue overflowed")
            )
            if isinstance(item, Refused):
                self._put(item)

    def _collapse(self, gap: Gap) -> None:
        self._items.clear()
        if self._told_listening and not self._told_gap:
            self._items.append(gap)
        if self._hearing:
            self._items.append(Listening())
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
