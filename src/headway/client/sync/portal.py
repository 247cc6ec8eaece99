"""An event loop on a thread of its own, for callers that have none or must not block theirs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from headway.client.closed import closed_error
from headway.errors import ConfigError, TransportError

__all__ = ["Portal", "forked_error"]

_log = logging.getLogger("headway.client")

T = TypeVar("T")

_LONGEST_END_S = 2.0


class Portal:
    """Runs coroutines for callers on any thread, until it is stopped.

    anyio's portal would be joined at the interpreter's exit, and hang there when nobody has closed it; this
    one's thread is a daemon.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._executor = ThreadPoolExecutor(thread_name_prefix="headway call")
        self._loop.set_default_executor(self._executor)
        self._thread = threading.Thread(target=self._run, name="headway", daemon=True)
        self._stopped = False
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it still runs, in this process."""
        return not self._stopped and self._pid == os.getpid() and self._thread.is_alive()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for what it returns or raises; an interrupt cancels it.

        Raises:
            TransportError: the portal was stopped, or belongs to the process that this one was forked from.
            ConfigError: the caller is the portal's own thread, and would wait for itself.
        """
        try:
            self._refuse()
            future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except CancelledError:
            if not self._stopped:
                raise
            raise closed_error() from None
        except BaseException:
            future.cancel()
            raise

    def stop(self, last: Coroutine[Any, Any, None] | None = None, timeout: float = 5.0) -> None:
        """Stop the loop and its threads; safe to call twice.

        Args:
            last: What to run before, for ``timeout`` seconds at most.
            timeout: Seconds for that, and again for the thread to end.
        """
        if not self.is_alive or threading.current_thread() is self._thread:
            if last is not None:
                last.close()
            return
        if last is not None:
            self._finally(last, timeout)
        self._stopped = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _finally(self, last: Coroutine[Any, Any, None], timeout: float) -> None:
        future = asyncio.run_coroutine_threadsafe(last, self._loop)
        # A server that does not answer must not keep the program from ending.
        with contextlib.suppress(TimeoutError):
            future.result(timeout)
        future.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._serve()
            self._cancel_all()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    def _serve(self) -> None:
        while True:
            try:
                self._loop.run_forever()
                return
            except (SystemExit, KeyboardInterrupt) as error:
                # Raised by the app's own code in one task: whoever called is told, and all others go on.
                _log.info("a call has raised %s", type(error).__name__)

    def _cancel_all(self) -> None:
        # What is cancelled may begin something on its way out, which ends too.
        deadline = self._loop.time() + _LONGEST_END_S
        while (tasks := asyncio.all_tasks(self._loop)) and self._loop.time() < deadline:
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=_LONGEST_END_S))

    def _refuse(self) -> None:
        if threading.current_thread() is self._thread:
            raise ConfigError(
                "the call would wait for itself: it was made on the client's own thread",
                hint="Pass plain functions (on_update, access_token …): they run on other threads.",
                code="own_thread",
            )
        if self._pid != os.getpid():
            raise forked_error()
        if not self.is_alive:
            raise closed_error()


def forked_error() -> TransportError:
    """What is said of anything that was under way when the process was forked."""
    return TransportError(
        "it was begun before this process was forked, and goes on in the parent",
        hint="Begin it again here: watch(after_seq=...) misses nothing.",
        code="forked",
    )
