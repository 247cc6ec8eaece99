"""When a watch looks at when its job will end, and what it makes of what it sees."""

from __future__ import annotations

import asyncio
from typing import Any

from headway.client.estimating import Estimating
from headway.client.policy import ClientPolicy
from headway.core.feed import Feed, Update
from headway.errors import TransportError
from unit.core.documents import JOB, event, message, moment, snapshot


class Server:
    """A connection that answers as it is told, and counts."""

    def __init__(self, *answers: dict[str, Any] | Exception, estimate: float = 0.01) -> None:
        self.policy = ClientPolicy(estimate=estimate)
        self._answers = list(answers)
        self.asked = 0
        self.kept: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()

    async def call(self, function: str, arguments: Any, *, attempts: int) -> dict[str, Any]:
        assert (function, arguments, attempts) == ("snapshot", {"job_id": str(JOB)}, 1)
        self.asked += 1
        self._changed.set()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def keep(self, task: asyncio.Task[None]) -> None:
        self.kept.append(task)

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(60):
            while self.asked < times:
                self._changed.clear()
                await self._changed.wait()


def started() -> Feed:
    feed = Feed(JOB)
    feed.take_snapshot(snapshot(seq=1, revision=1, status="pending", percent=0, attempt=0, stage=None))
    feed.take_message(message(event(2, "started"), seq=2, revision=2))
    return feed


def estimated(seconds: float, **fields: Any) -> dict[str, Any]:
    eta = {"seconds": seconds, "at": moment(seconds), "runs": 3}
    return snapshot(**{"seq": 2, "revision": 2, "eta": eta, **fields})


async def test_an_attempt_that_has_begun_is_looked_at_again_and_again() -> None:
    server, told = Server(TransportError("away"), estimated(40), estimated(100)), []
    estimating = Estimating(server, started(), told.append)  # type: ignore[arg-type]
    estimating.plan()
    estimating.plan()
    await server.until_asked(4)
    estimating.close()
    assert [update.eta.seconds for update in told] == [40, 100]
    assert all(update.event is None for update in told)


async def test_what_waits_or_has_ended_is_not_looked_at() -> None:
    server = Server(estimated(40))
    waiting = Feed(JOB)
    waiting.take_snapshot(snapshot(seq=1, revision=1, status="pending", percent=0, attempt=0, stage=None))
    ended = started()
    ended.take_message(message(event(3, "completed"), seq=3, revision=3, status="completed", percent=100))
    for feed in (waiting, ended):
        estimating = Estimating(server, feed, lambda _: None)  # type: ignore[arg-type]
        estimating.plan()
        assert estimating._timer is None


async def test_an_end_is_left_to_the_watch() -> None:
    ended = snapshot(seq=3, revision=3, status="completed", percent=100)
    server, told, feed = Server(ended), list[Update](), started()
    estimating = Estimating(server, feed, told.append)  # type: ignore[arg-type]
    estimating.plan()
    await server.until_asked(2)
    estimating.close()
    assert told == []
    assert not feed.ended


async def test_nothing_is_left_of_it() -> None:
    server = Server(estimated(40))
    estimating = Estimating(server, started(), lambda _: None)  # type: ignore[arg-type]
    estimating.plan()
    await server.until_asked(1)
    estimating.close()
    estimating.close()
    await asyncio.wait(server.kept)
    asked = server.asked
    # Neither a timer nor a task of it goes on.
    estimating.plan()
    assert estimating._timer is None or estimating._timer.cancelled()
    assert server.asked == asked
