"""The one Realtime link of a client: open while somebody listens, and a little longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from headway.client.closed import closed_error
from headway.client.identity import Identity
from headway.link import LinkPolicy, Listener, RealtimeLink

__all__ = ["Hearing"]


class Hearing:
    """Lends a link to whoever listens, and closes it when nobody has for a while: open sockets are billed.

    Args:
        url: The project's URL.
        identity: Whom it hears for.
        policy: The link's limits.
        idle: Seconds after which a link that nobody uses is closed.
    """

    def __init__(self, url: str, identity: Identity, policy: LinkPolicy, idle: float) -> None:
        self._url = url
        self._identity = identity
        self._policy = policy
        self._idle = idle
        self._link: RealtimeLink | None = None
        self._turn = asyncio.Lock()
        self._users = 0
        self._timer: asyncio.TimerHandle | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def link(self) -> RealtimeLink | None:
        """The link, if there is one now."""
        return self._link

    @asynccontextmanager
    async def listening(self, topic: str) -> AsyncIterator[Listener]:
        """A listener on a topic, which is left with the block.

        Raises:
            HeadwayError: there is no token to connect with, or the client was closed.
        """
        listener, leave = await self.listen(topic)
        try:
            yield listener
        finally:
            try:
                await listener.close()
            finally:
                leave()

    async def listen(self, topic: str) -> tuple[Listener, Callable[[], None]]:
        """A listener on a topic, and what to call when it was closed."""
        self._users += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            link = await self._open()
            return link.listen(topic), self._left
        except BaseException:
            self._left()
            raise

    async def close(self) -> None:
        """Close the link for good; safe to call twice."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self._stop()
        if self._retiring:
            await asyncio.wait(self._retiring)

    async def _open(self) -> RealtimeLink:
        async with self._turn:
            if self._closed:
                raise closed_error()
            if self._link is None:
                has_token = await self._identity.token() is not None
                self._link = RealtimeLink(
                    self._url,
                    self._identity.key,
                    token=self._identity.durable_token if has_token else None,
                    policy=self._policy,
                )
                await self._link.start()
            return self._link

    def _left(self) -> None:
        self._users -= 1
        if self._users == 0 and self._link is not None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._idle, self._retire)

    def _retire(self) -> None:
        task = asyncio.create_task(self._stop(), name="headway link idle")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _stop(self) -> None:
        async with self._turn:
            if self._users and not self._closed:
                return
            link, self._link = self._link, None
            if link is not None:
                await link.stop()
