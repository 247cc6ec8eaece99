"""What a running job has said and the engine does not know yet: coalesced, but never out of order."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Frame", "Reports"]

_MOST_EVENTS = 40
_MOST_FRAMES = 64


@dataclass(slots=True)
class Frame:
    """What one heartbeat can say of a job: at most one new stage, then progress, then events.

    Attributes:
        urgent: Whether it is to be sent at once.
        waiters: Told when it is stored, or why it was not.
    """

    stage: str | None = None
    percent: float | None = None
    message: str | None = None
    metrics: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    urgent: bool = False
    waiters: list[Future[None]] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """As ``heartbeat`` takes it."""
        said = {
            "percent": self.percent,
            "stage": self.stage,
            "message": self.message,
            "metrics": self.metrics,
            "events": self.events or None,
        }
        return {name: value for name, value in said.items() if value is not None}


class Reports:
    """The frames of one execution that are not stored yet, in order; safe to use from any thread.

    A frame is taken, sent, and only forgotten when it was stored; until then the next one waits. What is said
    meanwhile is merged into the last frame that was not taken, unless that would change the order: a stage
    after events, or a stage after another stage, begins a new frame.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: deque[Frame] = deque()
        self._taken = False
        self._numbered = 0
        self._closed: BaseException | None = None

    @property
    def urgent(self) -> bool:
        """Whether something is to be sent at once."""
        with self._lock:
            frames = self._frames
            return bool(frames) and (len(frames) > 1 or frames[0].urgent)

    @property
    def pending(self) -> bool:
        """Whether anything is to be sent."""
        return bool(self._frames)

    @property
    def must_settle(self) -> bool:
        """Whether something that must not be lost at the end is not stored yet: stages and events."""
        with self._lock:
            return any(frame.urgent or frame.events or frame.stage for frame in self._frames)

    @property
    def taken(self) -> bool:
        """Whether a frame is on its way."""
        return self._taken

    def stage(self, name: str, percent: float, message: str | None) -> None:
        """A stage begins."""
        with self._lock:
            frame = self._last()
            crowded = len(self._frames) >= _MOST_FRAMES
            if (frame.stage is not None or frame.events) and not crowded:
                frame = self._fresh()
            frame.stage, frame.percent, frame.urgent = name, percent, True
            if message is not None:
                frame.message = message

    def progress(self, percent: float, message: str | None) -> None:
        """The percent has risen, or there is another message."""
        with self._lock:
            frame = self._last()
            frame.percent = percent
            if message is not None:
                frame.message = message

    def metrics(self, figures: dict[str, Any]) -> None:
        """The metrics are these now."""
        with self._lock:
            self._last().metrics = figures

    def event(self, name: str, data: Any, *, urgent: bool, wait: bool) -> Future[None] | None:
        """Something was emitted.

        Args:
            name: The event's.
            data: Plain JSON.
            urgent: Whether it is to be sent at once.
            wait: Whether the answer is a future that tells when it is stored.
        """
        with self._lock:
            if self._closed is not None:
                return _failed(self._closed) if wait else None
            frame = self._last()
            if len(frame.events) >= _MOST_EVENTS:
                frame = self._fresh()
            self._numbered += 1
            frame.events.append({"name": name, "data": data, "n": self._numbered})
            frame.urgent = frame.urgent or urgent
            if not wait:
                return None
            waiter: Future[None] = Future()
            frame.waiters.append(waiter)
            return waiter

    def settled(self, *, urgent_only: bool) -> Future[None] | None:
        """A future that tells when all that was said so far is stored; ``None`` when it is already.

        Args:
            urgent_only: Whether mere progress may stay behind.
        """
        with self._lock:
            frames = self._frames
            if not frames or (
                urgent_only and not self._taken and not any(f.urgent or f.events for f in frames)
            ):
                return None
            if self._closed is not None:
                return _failed(self._closed)
            waiter: Future[None] = Future()
            frames[-1].waiters.append(waiter)
            frames[-1].urgent = True
            return waiter

    def take(self) -> Frame | None:
        """The first frame, to be sent; ``stored`` or ``put_back`` must follow."""
        with self._lock:
            if self._taken or not self._frames:
                return None
            self._taken = True
            return self._frames[0]

    def put_back(self) -> None:
        """The taken frame could not be sent: it stays the first."""
        with self._lock:
            self._taken = False

    def stored(self, refusal: Exception | None = None) -> None:
        """The taken frame was stored, or refused for good."""
        with self._lock:
            if not self._taken:
                return
            self._taken = False
            frame = self._frames.popleft()
        _answer(frame, refusal)

    def close(self, reason: BaseException) -> Frame | None:
        """Nothing more can be stored; what is left is given back, and whoever waits for it is told why."""
        with self._lock:
            self._closed = reason
            frames, self._taken = list(self._frames), False
            self._frames.clear()
        for frame in frames:
            _answer(frame, reason)
        return frames[-1] if frames else None

    def _last(self) -> Frame:
        """The frame that may still change."""
        frames = self._frames
        if self._closed is not None:
            return Frame()
        if not frames or (self._taken and len(frames) == 1):
            return self._fresh()
        return frames[-1]

    def _fresh(self) -> Frame:
        frame = Frame()
        self._frames.append(frame)
        return frame


def _answer(frame: Frame, failure: BaseException | None) -> None:
    for waiter in frame.waiters:
        if waiter.done() or not waiter.set_running_or_notify_cancel():
            continue
        if failure is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(failure)


def _failed(reason: BaseException) -> Future[None]:
    future: Future[None] = Future()
    future.set_exception(reason)
    return future
