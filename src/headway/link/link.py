"""The link: what workers and watchers are given to listen with."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Self
from urllib.parse import urlsplit

from headway.errors import ConfigError, InvalidRequest, TransportError
from headway.link.events import LinkState, LinkStatus
from headway.link.lane import Lane, LaneOptions
from headway.link.listener import Listener
from headway.link.mailbox import Mailbox
from headway.link.pacing import Pacer
from headway.link.policy import LinkPolicy
from headway.link.redaction import install_redaction
from headway.link.resume import ResumeWatch
from headway.link.subscription import ChangesFilter, Subscription

__all__ = ["RealtimeLink"]

_EVENTS = ("INSERT", "UPDATE", "DELETE", "*")
_STATES_KEPT = 256


class RealtimeLink:
    """A Realtime connection that supervises itself: it proves that it hears, or is replaced.

    ::

        link = RealtimeLink("https://….supabase.co", key)
        await link.start()
        async with link.listen("queue:default") as listener:
            async for event in listener:
                ...

    Args:
        url: The project's URL.
        api_key: Any of its keys, new or legacy.
        token: Makes a fresh user token, called for every connection; the key's own role speaks when omitted.
        policy: Intervals and limits.

    Raises:
        ConfigError: the URL or the key cannot be right.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        token: Callable[[], Awaitable[str]] | None = None,
        policy: LinkPolicy = LinkPolicy(),  # noqa: B008 - frozen
    ) -> None:
        if not api_key:
            raise ConfigError("the API key is empty", hint="Pass the project's key.", code="key_missing")
        self._policy = policy
        pacer = Pacer(policy.joins_per_second, policy.join_burst)
        self._options = LaneOptions(_realtime_url(url), api_key, token, policy, pacer)
        self._lanes: list[Lane] = []
        self._topics: dict[tuple[str, bool], Subscription] = {}
        self._where: dict[Subscription, Lane] = {}
        self._mailboxes: set[Mailbox] = set()
        self._changes = 0
        self._state = LinkState("connecting", time.monotonic())
        self._watchers: list[_StateQueue] = []
        self._resume: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._started = False

    # Life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect, without waiting for it; calling it again changes nothing.

        Raises:
            TransportError: the link was stopped; make another.
        """
        self._refuse_if_stopped()
        if self._started:
            return
        self._started = True
        install_redaction()
        if not self._lanes:
            self._lanes.append(Lane(self._options, self))
        for lane in self._lanes:
            lane.start()
        watch = ResumeWatch(self._policy.resume_check, self._policy.resume_threshold)
        self._resume = asyncio.create_task(watch.run(self._resumed), name="headway link resume")

    async def stop(self) -> None:
        """End every listener and let go of every socket and task; safe to call twice."""
        if self._state.status == "stopped":
            return
        self._publish(replace(self._state, status="stopped", since=time.monotonic(), connections=0))
        for mailbox in tuple(self._mailboxes):
            mailbox.close()
        self._mailboxes.clear()
        if self._resume is not None:
            self._resume.cancel()
            await asyncio.wait({self._resume})
        await asyncio.gather(*(lane.stop() for lane in self._lanes))
        if self._leaving:
            await asyncio.wait(self._leaving)
        self._lanes.clear()
        self._where.clear()
        self._topics.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def refresh_token(self) -> None:
        """The token changed: use the new one from now on.

        Every connection is replaced, without a hole when the token speaks for the same person. For another
        person the old connections are closed first, so that nobody hears what was meant for the former one.
        """
        for lane in self._lanes:
            lane.renew()

    # Listening ----------------------------------------------------------------------------------------------

    def listen(self, topic: str, *, private: bool = True, queue_size: int = 256) -> Listener:
        """Listen to all broadcasts of a topic.

        Args:
            topic: Its name, without ``realtime:``.
            private: Whether policies decide who may listen; must be as the sender says.
            queue_size: Entries that may wait for the consumer before they give way to a gap.

        Raises:
            InvalidRequest: the topic is empty, or the size is below 4.
            TransportError: the link was stopped.
        """
        if not topic or topic.startswith("realtime:"):
            raise InvalidRequest(
                "topic is empty or begins with 'realtime:'", hint="Pass the bare name.", code="topic_invalid"
            )
        mailbox = self._mailbox(queue_size)
        subscription = self._topics.get((topic, private))
        if subscription is None:
            subscription = self._topics[topic, private] = Subscription(topic, private=private)
            self._place(subscription)
        return self._listener(topic, subscription, mailbox)

    def listen_changes(
        self,
        *,
        schema: str,
        table: str,
        event: str = "*",
        filter: str | None = None,  # noqa: A002 - Realtime's word
        queue_size: int = 256,
    ) -> Listener:
        """Listen to changes of a table's rows (``postgres_changes``).

        Args:
            schema: The table's schema.
            table: Its name.
            event: ``INSERT``, ``UPDATE``, ``DELETE`` or ``*``.
            filter: Such as ``id=eq.1``.
            queue_size: As in ``listen``.

        Raises:
            InvalidRequest: a name is empty, the event unknown, or the size below 4.
            TransportError: the link was stopped.
        """
        if not schema or not table:
            raise InvalidRequest("schema or table is empty", code="table_invalid")
        if event not in _EVENTS:
            raise InvalidRequest(
                "event is unknown", hint=f"Choose one of {', '.join(_EVENTS)}.", code="event_invalid"
            )
        mailbox = self._mailbox(queue_size)
        self._changes += 1
        wanted = ChangesFilter(schema, table, event, filter)
        subscription = Subscription(f"headway-changes:{self._changes}", private=False, changes=wanted)
        self._place(subscription)
        return self._listener(f"{schema}.{table}", subscription, mailbox)

    def _mailbox(self, size: int) -> Mailbox:
        self._refuse_if_stopped()
        if size < 4:
            raise InvalidRequest("queue_size is below 4", code="queue_size_invalid")
        return Mailbox(size)

    def _listener(self, topic: str, subscription: Subscription, mailbox: Mailbox) -> Listener:
        self._mailboxes.add(mailbox)
        subscription.add(mailbox)

        async def release() -> None:
            self._mailboxes.discard(mailbox)
            if not subscription.remove(mailbox):
                return
            self._topics.pop((subscription.topic, subscription.private), None)
            lane = self._where.pop(subscription, None)
            if lane is None:
                return
            # Whoever closes a listener may be cancelled; leaving goes on all the same.
            await asyncio.shield(self._background(self._leave(lane, subscription)))

        return Listener(topic, mailbox, release)

    def _place(self, subscription: Subscription, avoid: Lane | None = None) -> None:
        for lane in self._lanes:
            if lane is not avoid and lane.has_room_for(subscription):
                break
        else:
            lane = Lane(self._options, self)
            self._lanes.append(lane)
            if self._started:
                lane.start()
        self._where[subscription] = lane
        lane.add(subscription)

    def _background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="headway link leaving")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    async def _leave(self, lane: Lane, subscription: Subscription) -> None:
        await lane.remove(subscription)
        if not lane.subscriptions and len(self._lanes) > 1 and lane in self._lanes:
            self._lanes.remove(lane)
            await lane.stop()
            self.lane_changed()

    # States -------------------------------------------------------------------------------------------------

    @property
    def state(self) -> LinkState:
        """How the link is now."""
        return self._state

    async def states(self) -> AsyncIterator[LinkState]:
        """The state now and at every change; ends when the link stops."""
        queue = _StateQueue(self._state)
        self._watchers.append(queue)
        try:
            while True:
                state = await queue.take()
                yield state
                if state.status == "stopped":
                    return
        finally:
            self._watchers.remove(queue)

    def lane_changed(self, *, lost: bool = False, replaced: bool = False, error: str | None = None) -> None:
        """A lane's status, connections or proofs changed."""
        old = self._state
        if old.status == "stopped":
            return
        status = self._status()
        proofs = [c for lane in self._lanes for c in lane.connections if c.last_proof is not None]
        newest = max(proofs, key=lambda c: c.last_proof or 0, default=None)
        self._publish(
            LinkState(
                status=status,
                since=old.since if status == old.status else time.monotonic(),
                connections=sum(len(lane.connections) for lane in self._lanes),
                reconnects=old.reconnects + lost,
                replacements=old.replacements + replaced,
                last_proof=old.last_proof if newest is None else newest.last_proof,
                proof=old.proof if newest is None else newest.proof,
                last_error=error or old.last_error,
            )
        )

    def lane_is_full(self, lane: Lane, subscription: Subscription) -> None:
        """The server has no room for a topic on a lane's socket: it goes to another."""
        if self._where.get(subscription) is not lane:
            return
        self._place(subscription, avoid=lane)
        self._background(lane.remove(subscription))

    def _status(self) -> LinkStatus:
        statuses = {lane.status for lane in self._lanes}
        if "deaf" in statuses:
            return "deaf"
        return "connecting" if "connecting" in statuses or not statuses else "proven"

    def _publish(self, state: LinkState) -> None:
        if state == self._state:
            return
        self._state = state
        for watcher in self._watchers:
            watcher.put(state)

    def _resumed(self, slept: float) -> None:
        for lane in self._lanes:
            lane.suspect(f"the machine slept for {slept:.0f} s")

    def _refuse_if_stopped(self) -> None:
        if self._state.status == "stopped":
            raise TransportError("the link is stopped", hint="Make another one.", code="link_stopped")


class _StateQueue:
    """The states that one watcher has not taken; the oldest give way when it is very slow."""

    def __init__(self, first: LinkState) -> None:
        self._states: deque[LinkState] = deque([first], maxlen=_STATES_KEPT)
        self._waiter: asyncio.Future[None] | None = None

    def put(self, state: LinkState) -> None:
        self._states.append(state)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> LinkState:
        while not self._states:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._states.popleft()


def _realtime_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname or port == 0:
        raise ConfigError(
            "the project's URL is not an http(s) URL",
            hint="Pass what the dashboard shows, such as https://abc.supabase.co.",
            code="url_invalid",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/realtime/v1"
