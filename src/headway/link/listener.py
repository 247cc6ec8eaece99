"""What a consumer holds: an asynchronous iterator over one topic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self

from headway.link.events import Event
from headway.link.mailbox import Mailbox

__all__ = ["Listener"]


class Listener:
    """Yields ``Listening``, ``Message``, ``Gap`` and ``Refused`` until it or its link is closed.

    ::

        async with link.listen("job:…") as listener:
            async for event in listener:
                ...

    The block releases the topic however it is left, cancellation included. One consumer per listener; make
    several listeners for several consumers, the topic is joined once for all of them.

    Args:
        topic: What is listened to, for logs.
        mailbox: Where its entries come from.
        release: Gives the topic back.
    """

    def __init__(self, topic: str, mailbox: Mailbox, release: Callable[[], Awaitable[None]]) -> None:
        self.topic = topic
        self._mailbox = mailbox
        self._release = release
        self._released = False

    @property
    def overflows(self) -> int:
        """How often the consumer was so slow that its queue was emptied into a gap."""
        return self._mailbox.overflows

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await self._mailbox.take()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the topic, unless others listen to it too; safe to call twice."""
        if self._released:
            return
        self._released = True
        self._mailbox.discard()
        await self._release()
