"""Interrupts handlers that block the event loop, and gives up on a loop that cannot be interrupted."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from headway.errors import HeadwayError
from headway.worker import execution
from headway.worker.attempt import Attempt
from headway.worker.observations import Observations

__all__ = ["LoopBlocked", "Watchdog"]

_log = logging.getLogger("headway.worker")

_SIGNAL = signal.SIGURG  # ignored by default: one that comes late does nothing
_HANDLER_FILE = execution.__file__
_EXIT_STATUS = 70


class LoopBlocked(HeadwayError):
    """The handler blocked the event loop, so that no other job could go on."""

    default_code = "loop_blocked"


class Watchdog:
    """Looks from a thread whether the loop takes its turns while jobs run.

    A handler that keeps the loop for ``stall_seconds`` is interrupted with ``LoopBlocked``, if the loop runs
    in the main thread: only there can code be interrupted. What cannot be interrupted for four times as long
    ends the process: its jobs are handed back first, so that nobody loses an attempt but the one at fault,
    and whoever supervises the worker starts it anew.

    Args:
        running: What runs now.
        stall_seconds: How long is too long.
        observations: Are told of incidents.
        hand_back: Hands back all jobs but one from outside the loop, called in the watchdog's thread.
    """

    name = "watchdog"

    def __init__(
        self,
        running: Callable[[], list[Attempt]],
        *,
        stall_seconds: float,
        observations: Observations,
        hand_back: Callable[[Attempt | None], None],
    ) -> None:
        self._running = running
        self._stall = stall_seconds
        self._observations = observations
        self._hand_back = hand_back
        self._quit = threading.Event()
        self._thread: threading.Thread | None = None
        self._former: Any = None
        self._interruptible = False
        self._answered = 0.0
        self._asked = 0.0
        self._victim: Attempt | None = None

    async def start(self) -> None:
        """Begin to look."""
        if self._thread is not None:
            return
        loop = asyncio.get_running_loop()
        self._interruptible = threading.current_thread() is threading.main_thread()
        if self._interruptible:
            self._former = signal.signal(_SIGNAL, self._interrupt)
        self._answered = self._asked = time.monotonic()
        self._thread = threading.Thread(
            target=self._watch,
            args=(loop, threading.get_ident()),
            name="headway watchdog",
            daemon=True,
        )
        self._thread.start()

    async def stop(self) -> None:
        """Look no more."""
        self._quit.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, thread.join, 2.0)
        if self._interruptible and self._former is not None:
            signal.signal(_SIGNAL, self._former)
            self._former = None

    # In the watchdog's thread -------------------------------------------------------------------------------

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        interval = min(1.0, self._stall / 4)
        interrupted_at = 0.0
        while not self._quit.wait(interval):
            now = time.monotonic()
            if self._answered >= self._asked:
                # An idle loop is left asleep.
                if self._running():
                    self._asked = now
                    try:
                        loop.call_soon_threadsafe(self._answer)
                    except RuntimeError:
                        return
                continue
            blocked = now - self._asked
            if blocked >= 4 * self._stall:
                self._give_up(loop, thread, blocked)
            elif blocked >= self._stall and now - interrupted_at >= self._stall:
                interrupted_at = now
                self._blocked(loop, thread, blocked)

    def _answer(self) -> None:
        self._answered = time.monotonic()

    def _blocked(self, loop: asyncio.AbstractEventLoop, thread: int, seconds: float) -> None:
        victim = self._culprit(loop)
        stack = _stack_of(thread)
        _log.error(
            "%s has blocked the event loop for %.0f s and is interrupted; run such work in a thread\n%s",
            f"the handler of {victim.job.kind}" if victim is not None else "something",
            seconds,
            stack,
            extra=victim.log_fields() if victim is not None else None,
        )
        self._observations.incident("loop_interrupted", victim.job if victim is not None else None)
        if self._interruptible and victim is not None:
            self._victim = victim
            signal.pthread_kill(thread, _SIGNAL)

    def _give_up(self, loop: asyncio.AbstractEventLoop, thread: int, seconds: float) -> None:
        victim = self._culprit(loop)
        _log.critical(
            "the event loop has been blocked for %.0f s and cannot be interrupted: the worker hands its jobs "
            "back and ends with status %d\n%s",
            seconds,
            _EXIT_STATUS,
            _stack_of(thread),
            extra=victim.log_fields() if victim is not None else None,
        )
        try:
            self._hand_back(victim)
        finally:
            logging.shutdown()
            os._exit(_EXIT_STATUS)

    def _culprit(self, loop: asyncio.AbstractEventLoop) -> Attempt | None:
        try:
            task = asyncio.current_task(loop)
        except RuntimeError:
            return None
        if task is None:
            return None
        from headway.worker.containment import RUNNING_ATTEMPT

        # Python 3.11 does not tell a task's context: its name says which job it is.
        get_context = getattr(task, "get_context", None)
        if get_context is not None and (attempt := get_context().get(RUNNING_ATTEMPT)) is not None:
            return attempt if isinstance(attempt, Attempt) else None
        name = task.get_name()
        return next((a for a in self._running() if name.endswith(str(a.job.id))), None)

    # In the main thread -------------------------------------------------------------------------------------

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Between two instructions of whatever runs; raised inside a handler, never in the loop's code."""
        victim, self._victim = self._victim, None
        if victim is None or not _in_handler(frame):
            return
        raise LoopBlocked(
            f"the handler blocked the event loop for {self._stall:g} s, so that no other job could go on",
            hint="Declare it as an ordinary def, or run the blocking part with ctx.step (in a thread).",
        )


def _in_handler(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _HANDLER_FILE and frame.f_code.co_name == "_run":
            return True
        frame = frame.f_back
    return False


def _stack_of(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)[-12:]).rstrip() if frame is not None else ""
