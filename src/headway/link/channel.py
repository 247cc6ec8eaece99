"""One attempt to join one topic on one connection, over the official package's channel.

Known faults of the package that are dealt with here (reference: realtime 2.34, ``_async/channel.py``): an
exception in a callback kills the reader; its own rejoin uses what the channel was made with and collides with
the server's late ``phx_close``; ``TIMED_OUT`` may come after a good join; timers outlive their channel.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

from realtime import AsyncRealtimeClient, RealtimeSubscribeStates
from realtime.types import RealtimeChannelOptions, RealtimePostgresChangesListenEvent

from headway.link.pacing import first
from headway.link.reasons import Ended, connection_error, read_reason
from headway.link.subscription import ChangesFilter

__all__ = ["Channel", "Purpose"]

T = TypeVar("T")
# By how much the close may come after the answer, beside the time that the answer took.
_CLOSE_GRACE_S = 0.05
Purpose: TypeAlias = Literal["broadcasts", "changes", "canary"]


class Channel:
    """A channel from its join to its end; made anew for every attempt.

    Args:
        client: The package's client, connected.
        topic: The topic, without ``realtime:``.
        private: Whether policies decide.
        purpose: What it is for; one's own broadcasts come back, acknowledged, to a ``canary`` alone.
        socket_lost: Called with a reason when the package notices that the socket is gone.
    """

    def __init__(
        self,
        client: AsyncRealtimeClient,
        topic: str,
        *,
        private: bool,
        purpose: Purpose,
        socket_lost: Callable[[str], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._client = client
        self._socket_lost = socket_lost
        self._joining: asyncio.Future[Ended | None] = loop.create_future()
        self._leave_answered: asyncio.Future[None] | None = None
        self._left: asyncio.Future[None] = loop.create_future()
        self.confirmed: asyncio.Future[None] = loop.create_future()
        """Done when the server has said that it streams changes, or delivers what SQL sends."""
        self.ended: asyncio.Future[Ended] = loop.create_future()
        """Done when the channel is of no use any more."""
        self._full_topic = f"realtime:{topic}"
        # Which extension's ``system`` message confirms.
        self._confirming = "postgres_changes" if purpose == "changes" else "system"
        # An earlier channel of this topic would be returned instead of a new one.
        client.channels.pop(self._full_topic, None)
        options: RealtimeChannelOptions = {
            "config": {
                "broadcast": {
                    "ack": purpose == "canary",
                    "self": purpose == "canary",
                    "replication_ready": purpose == "broadcasts",
                },
                "presence": {"key": "", "enabled": False},
                "private": private,
            }
        }
        self._channel = client.channel(topic, options)
        self._channel.on_system(self._on_system)

    def on_broadcast(self, callback: Callable[[Any], None]) -> None:
        """Call back with each broadcast's frame. The callback must not raise."""
        self._channel.on_broadcast("*", callback)

    def on_changes(self, wanted: ChangesFilter, callback: Callable[[Any], None]) -> None:
        """Call back with each change's frame. The callback must not raise."""
        self._channel.on_postgres_changes(
            RealtimePostgresChangesListenEvent(wanted.event),
            callback,
            table=wanted.table,
            schema=wanted.schema,
            filter=wanted.filter,
        )

    async def join(self, timeout: float) -> Ended | None:
        """Ask to join; ``None`` when it is granted, else why not.

        Args:
            timeout: The longest that the answer may take.
        """
        if not self._client.is_connected:
            # The package would connect anew, beside the link and without its supervision.
            return Ended("ConnectionLost", "the socket is gone")
        try:
            async with asyncio.timeout(timeout):
                await self._channel.subscribe(self._on_state)
                return await self._joining
        except TimeoutError:
            return Ended("NoAnswer", f"the server did not answer the join within {timeout:g} s")

    async def send(self, event: str, payload: dict[str, Any]) -> None:
        """Broadcast something; whether it arrives is not known, and nothing is sent when it cannot."""
        # The package would put it into a buffer of its own, with a timer that outlives the channel.
        if self._client.is_connected and not self.ended.done():
            await self._channel.send_broadcast(event, payload)

    async def leave(self, timeout: float) -> None:
        """Leave the topic, waiting for the server to agree, and let go of everything.

        Even a channel that has been closed is left: the close may have been meant for an earlier one of the
        topic, and joining twice makes the server close the second one.

        The server answers, and then closes. The package compares no refs: were the topic joined again before
        the close has come, the new channel would take it for its own.

        Args:
            timeout: The longest that the server may take.
        """
        try:
            if self._client.is_connected:
                self._channel.rejoin_timer.reset()
                # Replies find their channel by the topic.
                self._client.channels[self._full_topic] = self._channel
                self._leave_answered = asyncio.get_running_loop().create_future()
                began = time.monotonic()
                async with asyncio.timeout(timeout):
                    await self._channel.unsubscribe()
                    await self._leave_answered
                    # No close follows when the server had no such channel any more.
                    await first(self._left, timeout=_CLOSE_GRACE_S + 2 * (time.monotonic() - began))
        except TimeoutError:
            pass  # It is the server's to clean up; a new join of the topic closes the old one.
        finally:
            self.release()

    def release(self) -> list[asyncio.Task[Any]]:
        """Let go of every timer; the cancelled tasks."""
        channel = self._channel
        if self._client.channels.get(self._full_topic) is channel:
            del self._client.channels[self._full_topic]
        pushes = (channel.join_push, *channel.messages_waiting_for_ack.values())
        tasks = [channel.rejoin_timer.timer, *(push.timeout_task for push in pushes)]
        tasks += getattr(channel, "_background_tasks", ())
        channel.rejoin_timer.reset()
        for push in pushes:
            push.destroy()
        pending = [task for task in tasks if task is not None and not task.done()]
        for task in pending:
            task.cancel()
        for future in (self._joining, self._left, self.confirmed, self.ended):
            future.cancel()
        return pending

    # Called by the package, in its reader: must not raise and must not wait --------------------------------

    def _on_state(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if state is RealtimeSubscribeStates.SUBSCRIBED:
            _resolve(self._joining, None)
        elif state is RealtimeSubscribeStates.CHANNEL_ERROR:
            # When to join again is ours to decide, with a channel of its own.
            self._channel.rejoin_timer.reset()
            if not self._client.is_connected:
                reason = connection_error(error) if error else "the socket is gone"
                self._end(Ended("ConnectionLost", reason))
                self._socket_lost(reason)
            else:
                self._end(read_reason(str(error)))
        elif state is RealtimeSubscribeStates.CLOSED:
            self._closed()
        else:
            # TIMED_OUT: our own time limits decide, for this one also comes after good joins.
            self._channel.rejoin_timer.reset()

    def _on_system(self, payload: Any) -> None:
        if payload.extension == self._confirming:
            _resolve(self.confirmed, None)

    def _closed(self) -> None:
        if self._leave_answered is None:
            self._end(Ended("Closed", "the server closed the channel"))
        elif not self._leave_answered.done():
            # The package calls the answer to a leave a close already. The real one must find its channel.
            self._leave_answered.set_result(None)
            self._client.channels[self._full_topic] = self._channel
        else:
            _resolve(self._left, None)

    def _end(self, ended: Ended) -> None:
        _resolve(self._joining, ended)
        _resolve(self.ended, ended)


def _resolve(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)
