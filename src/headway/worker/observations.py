"""What a worker tells of itself: the seam that metrics and traces plug into."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, Literal, TypeAlias

from headway.worker.job import JobInfo

__all__ = ["Learnt", "Observations", "Observer", "Outcome", "step_span"]

_log = logging.getLogger("headway.worker")

Learnt: TypeAlias = Literal["broadcast", "changes", "sweep", "poll", "slot", "start"]
"""How it was learnt that there is something to claim: a wake by broadcast or by a change of the table, the
slow sweep, the fast poll while nothing is heard, a slot that became free while more waited, or the start."""

Outcome: TypeAlias = Literal[
    "completed", "failed", "retried", "snoozed", "waiting", "released", "cancelled", "lost"
]
"""How an execution ended, as the engine's ``attempts`` call it."""


_STEP_SPANS: ContextVar[Callable[[str], AbstractContextManager[Any]] | None] = ContextVar(
    "headway_step_spans", default=None
)


def step_span(step: str) -> AbstractContextManager[Any]:
    """What is entered around a step that is run, wherever the handler's context goes: tasks and threads.

    Args:
        step: Its name.
    """
    spans = _STEP_SPANS.get()
    return nullcontext() if spans is None else spans(step)


class Observer:
    """Is told what happens; every method does nothing here. They must be quick, on whatever thread."""

    def claimed(self, kind: str, queue: str, learnt: Learnt, count: int) -> None:
        """Jobs were claimed.

        Args:
            kind: Of these jobs.
            queue: Of these jobs.
            learnt: How the worker came to know of them.
            count: How many.
        """

    def started(self, job: JobInfo) -> None:
        """A handler begins."""

    def around(self, job: JobInfo) -> AbstractContextManager[Any]:
        """Entered around the handler in its own task or thread: the place for a span."""
        return nullcontext()

    def ended(self, job: JobInfo, outcome: Outcome, seconds: float, code: str | None) -> None:
        """An execution ended, and the engine knows.

        Args:
            job: The job.
            outcome: How.
            seconds: From its start until the engine knew.
            code: The machine-readable code of its failure, if it failed.
        """

    def requested(self, function: str, seconds: float, failure: str | None) -> None:
        """A request to the engine was answered, or given up.

        Args:
            function: The engine's function, or ``table`` for reads.
            seconds: How long it took.
            failure: The error's code; ``None`` when it went well.
        """

    def repeated(self, function: str) -> None:
        """A request is sent again."""

    def incident(self, name: str, job: JobInfo | None) -> None:
        """Something that somebody should know of.

        Args:
            name: ``lease_lost``, ``thread_abandoned`` (and ``thread_ended``, should it end after all),
                ``task_abandoned``, ``process_killed``, ``process_died``, ``loop_blocked``,
                ``loop_interrupted``, ``handler_forked``, ``handler_exit``, ``handler_leaked``,
                ``output_cut``, ``progress_refused``, ``memory_limit``, ``second_signal``.
            job: The job concerned, if one is.
        """

    def link_changed(self, status: str) -> None:
        """The Realtime link is ``connecting``, ``proven``, ``deaf`` or ``stopped``."""

    def around_step(self, job: JobInfo, step: str) -> AbstractContextManager[Any]:
        """Entered around a step that is run, within ``around``: the place for a span below the handler's."""
        return nullcontext()

    def scheduled(self, submitted: int, skipped: int, failed: int) -> None:
        """Schedules have fired."""

    def delivered(self, channel: str, outcome: str, seconds: float) -> None:
        """A notification was sent, or not.

        Args:
            channel: ``webhook`` or ``email``.
            outcome: ``delivered``, ``retry`` or ``dead``.
            seconds: How long the receiver took.
        """

    def removed(self, what: str, count: int) -> None:
        """Something past its retention was removed: ``jobs``, ``files``, ``messages``, ``orphans``."""

    def service_failed(self, service: str, code: str) -> None:
        """A turn of a service failed; it goes on."""

    def lagged(self, seconds: float) -> None:
        """The event loop was so late for a timer; told a few times a second."""


class Observations(Observer):
    """Passes everything on to several observers; one that fails harms neither the others nor the worker."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = list(observers)
        # By method, those who do something with it: some are told of every job, thousands of times a second.
        self._told: dict[str, list[Observer]] = {}

    def add(self, observer: Observer) -> None:
        """Tell one more, from now on."""
        self._observers.append(observer)
        self._told.clear()

    def _who(self, method: str) -> list[Observer]:
        told = self._told.get(method)
        if told is None:
            plain = getattr(Observer, method)
            told = [observer for observer in self._observers if getattr(type(observer), method) is not plain]
            self._told[method] = told
        return told

    def claimed(self, kind: str, queue: str, learnt: Learnt, count: int) -> None:
        self._tell("claimed", kind, queue, learnt, count)

    def started(self, job: JobInfo) -> None:
        self._tell("started", job)

    def around(self, job: JobInfo) -> AbstractContextManager[Any]:
        seen = self._who("around") or self._who("around_step")
        return self._around("around", job) if seen else nullcontext()

    @contextmanager
    def _around(self, method: str, *arguments: Any) -> Iterator[None]:
        with ExitStack() as stack:
            if method == "around" and self._who("around_step"):
                token = _STEP_SPANS.set(partial(self.around_step, *arguments))
                stack.callback(_STEP_SPANS.reset, token)
            for observer in self._who(method):
                try:
                    stack.enter_context(getattr(observer, method)(*arguments))
                except Exception:  # noqa: BLE001
                    _log.exception("an observer failed")
            yield

    def ended(self, job: JobInfo, outcome: Outcome, seconds: float, code: str | None) -> None:
        self._tell("ended", job, outcome, seconds, code)

    def requested(self, function: str, seconds: float, failure: str | None) -> None:
        self._tell("requested", function, seconds, failure)

    def repeated(self, function: str) -> None:
        self._tell("repeated", function)

    def incident(self, name: str, job: JobInfo | None) -> None:
        self._tell("incident", name, job)

    def link_changed(self, status: str) -> None:
        self._tell("link_changed", status)

    def around_step(self, job: JobInfo, step: str) -> AbstractContextManager[Any]:
        return self._around("around_step", job, step) if self._who("around_step") else nullcontext()

    def scheduled(self, submitted: int, skipped: int, failed: int) -> None:
        self._tell("scheduled", submitted, skipped, failed)

    def delivered(self, channel: str, outcome: str, seconds: float) -> None:
        self._tell("delivered", channel, outcome, seconds)

    def removed(self, what: str, count: int) -> None:
        self._tell("removed", what, count)

    def service_failed(self, service: str, code: str) -> None:
        self._tell("service_failed", service, code)

    def lagged(self, seconds: float) -> None:
        self._tell("lagged", seconds)

    def _tell(self, method: str, *arguments: Any) -> None:
        for observer in self._who(method):
            try:
                getattr(observer, method)(*arguments)
            except Exception:  # noqa: BLE001
                _log.exception("an observer failed")
