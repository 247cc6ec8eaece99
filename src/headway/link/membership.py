"""One topic on one connection: joined, and joined again whenever it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from headway.link.channel import Channel
from headway.link.events import Refused
from headway.link.pacing import Backoff, first
from headway.link.reasons import Ended
from headway.link.subscription import Subscription

if TYPE_CHECKING:
    from headway.link.connection import Connection

__all__ = ["Membership"]

_log = logging.getLogger("headway.link")


class Membership:
    """Keeps one subscription joined for as long as its connection lives.

    Args:
        connection: The connection.
        subscription: What is listened to.
    """

    def __init__(self, connection: Connection, subscription: Subscription) -> None:
        self._connection = connection
        self._subscription = subscription
        self._policy = connection.policy
        self._backoff = Backoff(self._policy.rejoin_base, self._policy.rejoin_cap)
        self._told: Ended | None = None
        self.settled = asyncio.Event()
        """Set once the server has said yes or no."""

    async def run(self) -> None:
        """Join until there is nothing more to be had from this connection."""
        await self._connection.former_left(self._subscription.topic)
        while True:
            await self._connection.pacer.turn()
            ended = await self._attempt()
            self.settled.set()
            if self._connection.has_failed or not ended.can_be_retried:
                return
            if ended.needs_fresh_token:
                self._connection.fail(f"{self._subscription.topic}: {ended}")
                return
            if ended.code == "ChannelRateLimitReached":
                self._connection.is_full(self._subscription)
                return
            if self._must_be_private(ended):
                self._subscription.private = True
                continue
            pause = self._backoff.next()
            if ended.is_about_rates:
                pause += self._policy.rate_limited_pause
            await asyncio.sleep(pause)

    async def _attempt(self) -> Ended:
        """Join and stay; why it ended."""
        subscription = self._subscription
        channel = self._connection.make_channel(
            subscription.topic,
            private=subscription.private,
            purpose="broadcasts" if subscription.changes is None else "changes",
        )
        if subscription.changes is not None:
            channel.on_changes(subscription.changes, subscription.deliver_change)
        else:
            channel.on_broadcast(subscription.deliver_broadcast)
        try:
            refused = await channel.join(self._policy.join_timeout)
            if refused is None and subscription.changes is not None:
                refused = await self._confirmation(channel)
            if refused is not None:
                self._tell(refused)
                return refused
            if subscription.changes is None:
                await self._replication(channel)
            subscription.heard(self._connection)
            self.settled.set()
            self._backoff.reset()
            if not channel.confirmed.done():
                await first(channel.confirmed, channel.ended)
                if channel.confirmed.done():
                    subscription.heard_later(self._connection)
            ended = await channel.ended
            failed = self._connection.failed
            subscription.lost(self._connection, failed.result() if failed.done() else str(ended))
            return ended
        finally:
            await self._connection.leave_channel(channel)

    async def _confirmation(self, channel: Channel) -> Ended | None:
        await first(channel.confirmed, channel.ended, timeout=self._policy.changes_timeout)
        if channel.ended.done():
            return channel.ended.result()
        if channel.confirmed.done():
            return None
        limit = self._policy.changes_timeout
        return Ended("NotConfirmed", f"the server did not say within {limit:g} s that it streams changes")

    async def _replication(self, channel: Channel) -> None:
        """Wait for what SQL sends to be delivered, on servers that say so."""
        if self._connection.tells_replication is False:
            return
        await first(channel.confirmed, channel.ended, timeout=self._policy.replication_wait)
        if not channel.ended.done():
            self._connection.tells_replication = channel.confirmed.done()

    def _tell(self, refused: Ended) -> None:
        if refused.code in ("ConnectionLost", "Closed", "NoAnswer") or refused.needs_fresh_token:
            # No answer about the topic: the connection is at fault, or the close was another channel's.
            return
        if self._must_be_private(refused):
            return
        if refused != self._told:
            self._told = refused
            _log.warning("listening to %s was refused: %s", self._subscription.topic, refused)
        self._subscription.refused(Refused(refused.code, refused.reason, refused.can_be_retried))

    def _must_be_private(self, refused: Ended) -> bool:
        """Whether changes, which no policy on topics concerns, have to be asked for on a private channel."""
        subscription = self._subscription
        return refused.code == "PrivateOnly" and subscription.changes is not None and not subscription.private
