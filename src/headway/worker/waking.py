"""Hears that there is something to claim, or that running work is to stop."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, TypeAlias
from uuid import UUID

from headway.link import Gap, Listener, Listening, Message, RealtimeLink, Refused
from headway.worker.claimer import Claimer
from headway.worker.keeper import Keeper
from headway.worker.observations import Observations
from headway.worker.pace import Pace

__all__ = ["Waking"]

_log = logging.getLogger("headway.worker")

_PAUSE = 5.0

_Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Waking:
    """Listens to a worker's queues, and knows whether it hears them.

    What a message says is never believed: it is a reason to ask the engine, nothing more.

    Args:
        link: The worker's Realtime link.
        queues: To which queues it listens.
        wake: ``broadcast`` listens to ``queue:<name>``; ``changes`` to inserted rows of ``headway.jobs``.
        claimer: Is woken.
        keeper: Asks about jobs that may have to stop.
        pace: Is told whether requests to cancel are heard.
        observations: Are told how the link is.
    """

    name = "waking"

    def __init__(
        self,
        link: RealtimeLink,
        queues: Sequence[str],
        wake: Literal["broadcast", "changes"],
        *,
        claimer: Claimer,
        keeper: Keeper,
        pace: Pace,
        observations: Observations,
    ) -> None:
        self._link = link
        self._wake: Literal["broadcast", "changes"] = wake
        self._topics = tuple(queues) if wake == "broadcast" else ("headway.jobs",)
        self._claimer = claimer
        self._keeper = keeper
        self._pace = pace
        self._observations = observations
        self._deaf: set[str] = set(self._topics)
        self._proven = False
        self._tasks: list[asyncio.Task[None]] = []
        self.heard = asyncio.Event()
        """Set while every topic is heard on a proven link."""

    async def start(self) -> None:
        """Begin to listen, without waiting for a connection."""
        if self._tasks:
            return
        await self._link.start()
        work: list[_Work] = [self._watch_link]
        work += [functools.partial(self._listen, topic) for topic in self._topics]
        self._tasks = [asyncio.create_task(self._keep(each), name="headway waking") for each in work]

    async def stop(self) -> None:
        """Listen no more."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _keep(self, work: _Work) -> None:
        """Begin again after whatever unexpected: a worker that listens no more would be slow for ever."""
        while True:
            try:
                await work()
                return
            except Exception:  # noqa: BLE001
                _log.exception("listening failed")
                await asyncio.sleep(_PAUSE)

    async def _watch_link(self) -> None:
        status = ""
        async for state in self._link.states():
            if state.status != status:
                status = state.status
                self._observations.link_changed(status)
                if status == "deaf":
                    _log.warning("Realtime is not heard: polling every second until it is")
            self._proven = state.status == "proven"
            self._judge()

    async def _listen(self, topic: str) -> None:
        async with self._listener(topic) as listener:
            async for event in listener:
                match event:
                    case Listening():
                        self._deaf.discard(topic)
                        self._judge()
                        # Whatever was told before was told to nobody.
                        self._claimer.wake("start")
                    case Gap(reason=reason):
                        self._deaf.add(topic)
                        _log.info("%s is not heard: %s", topic, reason)
                        self._judge()
                    case Refused(code=code, reason=reason):
                        self._deaf.add(topic)
                        _log.error("Realtime refuses %s: %s (%s)", topic, reason, code)
                        self._judge()
                    case Message():
                        self._take(event)

    def _listener(self, topic: str) -> Listener:
        if self._wake == "changes":
            return self._link.listen_changes(schema="headway", table="jobs", event="INSERT")
        return self._link.listen(f"queue:{topic}")

    def _take(self, message: Message) -> None:
        if self._wake == "changes":
            self._claimer.wake("changes")
        elif message.event == "wake":
            self._claimer.wake("broadcast")
        elif message.event == "cancel":
            self._keeper.ask_about(_ids(message.payload.get("jobs")))

    def _judge(self) -> None:
        hears = self._proven and not self._deaf
        if hears == self._claimer.hears:
            return
        self._claimer.hears = hears
        self._pace.hears_cancels = hears and self._wake == "broadcast"
        if hears:
            self.heard.set()
        else:
            self.heard.clear()
            self._keeper.hurry()
            self._claimer.wake("poll")


def _ids(value: Any) -> list[UUID]:
    ids = []
    for each in value if isinstance(value, list) else ():
        try:
            ids.append(UUID(str(each)))
        except ValueError:
            continue
    return ids
