"""Keeps what handlers do to their process from harming other jobs: tasks left running, exits, forks."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import os
import sys
import types
import weakref
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from types import FrameType
from typing import Any, TypeVar

from headway.errors import HeadwayError
from headway.worker.attempt import Attempt
from headway.worker.observations import Observations

__all__ = ["RUNNING_ATTEMPT", "Containment", "stay_in_process"]

_log = logging.getLogger("headway.worker")

RUNNING_ATTEMPT: ContextVar[Attempt | None] = ContextVar("headway_attempt", default=None)
"""The execution that this task or thread works for."""

_FORKED_STATUS = 70
_LAUNCHERS = ("asyncio/subprocess.py", "/subprocess.py", "multiprocessing/popen_fork.py")

T = TypeVar("T")


@types.coroutine
def stay_in_process(coro: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await something that may fork: the copy of the process ends as soon as it comes back or waits.

    It shares every socket with its original, event loop included, and must not take another turn of it.

    Args:
        coro: A handler, or a task of one.
    """
    pid = os.getpid()
    value, error = None, None
    while True:
        try:
            waits_for = coro.send(value) if error is None else coro.throw(error)
        except StopIteration as end:
            if os.getpid() != pid:
                os._exit(_FORKED_STATUS)
            result: T = end.value
            return result
        except BaseException:
            if os.getpid() != pid:
                os._exit(_FORKED_STATUS)
            raise
        if os.getpid() != pid:
            os._exit(_FORKED_STATUS)
        value, error = None, None
        try:
            value = yield waits_for
        except BaseException as thrown:  # noqa: BLE001 - a cancellation is the coroutine's to see
            error = thrown


class Containment:
    """What surrounds handlers on the worker's loop.

    Args:
        observations: Are told of incidents.
    """

    name = "containment"

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._tasks: dict[Attempt, set[asyncio.Task[Any]]] = {}
        self._held: set[asyncio.Task[Any]] = set()
        self._abandoned: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def abandoned_tasks(self) -> int:
        """How many handlers go on although their jobs have ended without them."""
        return len(self._abandoned)

    async def start(self) -> None:
        """Surround what runs on this loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_task_factory(self._make_task)
        _GUARDED.add(self)
        _install_fork_hooks()

    async def stop(self) -> None:
        """Leave the loop as it was."""
        _GUARDED.discard(self)
        if self._loop is not None:
            self._loop.set_task_factory(None)
            self._loop = None

    def leave(self, attempt: Attempt) -> None:
        """An execution has ended: what it left running is stopped."""
        left = [task for task in self._tasks.pop(attempt, ()) if not task.done()]
        if not left:
            return
        names = ", ".join(sorted({_name_of(task) for task in left}))[:300]
        _log.warning(
            "the handler of %s left %d tasks running, which are cancelled: %s",
            attempt.job.kind,
            len(left),
            names,
            extra=attempt.log_fields(),
        )
        self._observations.incident("handler_leaked", attempt.job)
        for task in left:
            task.cancel()
            self.hold(task)

    def abandoned(self, task: asyncio.Task[Any]) -> None:
        """A handler's task goes on without its job."""
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)

    def hold(self, task: asyncio.Task[Any]) -> None:
        """Keep a task until it is done, and look at what it died of."""
        self._held.add(task)
        task.add_done_callback(self._release)

    def _release(self, task: asyncio.Task[Any]) -> None:
        self._held.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("a task left by a handler has failed: %s", type(error).__name__)

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        **kwargs: Any,
    ) -> asyncio.Task[Any]:
        context: contextvars.Context | None = kwargs.get("context")
        attempt = RUNNING_ATTEMPT.get() if context is None else context.get(RUNNING_ATTEMPT)
        if attempt is None or not inspect.iscoroutine(coro):
            return asyncio.Task(coro, loop=loop, **kwargs)
        task: asyncio.Task[Any] = asyncio.Task(_contained(coro), loop=loop, **kwargs)
        mine = self._tasks.setdefault(attempt, set())
        mine.add(task)
        task.add_done_callback(mine.discard)
        return task

    # Forks --------------------------------------------------------------------------------------------------

    def forked_here(self) -> None:
        """In the parent: somebody has forked this process."""
        attempt = RUNNING_ATTEMPT.get()
        if attempt is None or _starts_a_program(sys._getframe()):
            return
        _log.error(
            "the handler of %s forks this process: the copy is ended as soon as it comes back",
            attempt.job.kind,
            extra=attempt.log_fields(),
        )
        self._observations.incident("handler_forked", attempt.job)


async def _contained(coro: Coroutine[Any, Any, Any]) -> Any:
    """An exit out of a task would end the loop, and every job with it."""
    try:
        return await stay_in_process(coro)
    except (SystemExit, KeyboardInterrupt) as error:
        raise HeadwayError(
            f"a task of the handler raised {type(error).__name__}, which would end the whole worker",
            hint="Return, or raise an error, instead of calling sys.exit().",
            code="handler_exit",
        ) from error


def _starts_a_program(frame: FrameType | None) -> bool:
    """Whether a fork is a library's, whose child runs something else or ends by itself.

    Under uvloop asyncio's subprocesses fork with hooks; so do those of ``subprocess`` with a ``preexec_fn``,
    and ``multiprocessing`` by its method "fork".
    """
    while frame is not None:
        if frame.f_code.co_filename.endswith(_LAUNCHERS):
            return True
        frame = frame.f_back
    return False


def _name_of(task: asyncio.Task[Any]) -> str:
    coro = task.get_coro()
    frame = getattr(coro, "cr_frame", None)
    inner = frame.f_locals.get("coro") if frame is not None else None
    return str(getattr(inner, "__qualname__", None) or task.get_name())


_GUARDED: weakref.WeakSet[Containment] = weakref.WeakSet()
_hooked = False


def _install_fork_hooks() -> None:
    """Once per process, for hooks cannot be taken out again."""
    global _hooked  # noqa: PLW0603
    if _hooked:
        return
    _hooked = True
    os.register_at_fork(after_in_parent=_in_parent)


def _in_parent() -> None:
    for guard in list(_GUARDED):
        guard.forked_here()
