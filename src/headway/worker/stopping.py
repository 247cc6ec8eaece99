"""Signals: the first drains, the second hands back at once, the third ends the process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable

from headway.worker.observations import Observations

__all__ = ["Stopping"]

_log = logging.getLogger("headway.worker")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopping:
    """Knows whether the worker was told to stop, and how urgently.

    Signals are taken over only in the main thread: whoever runs a worker elsewhere keeps their own.

    Args:
        observations: Are told of the second signal.
    """

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self.asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._installed: list[signal.Signals] = []

    def install(self) -> None:
        """Take signals from now on."""
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._signalled, number)
            self._installed.append(number)

    def remove(self) -> None:
        """Take signals no more."""
        for number in self._installed:
            if self._loop is not None:
                self._loop.remove_signal_handler(number)
        self._installed.clear()

    def ask(self) -> None:
        """Stop, as the first signal does; callable from any thread."""
        if self._loop is None:
            self.asked.set()
            return
        self._loop.call_soon_threadsafe(self.asked.set)

    async def unless_asked(self, work: Awaitable[object]) -> None:
        """Wait for something, but no longer than until told to stop: it is cancelled then."""
        task = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.asked.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        for each in (task, asked):
            each.cancel()
        await asyncio.wait({task, asked})

    async def hurried(self, work: Awaitable[object], seconds: float) -> None:
        """Wait for something, but no longer than some seconds or until a second signal."""
        task = asyncio.ensure_future(work)
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait({task, hurry}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            hurry.cancel()

    def _signalled(self, number: signal.Signals) -> None:
        if not self.asked.is_set():
            _log.info("%s: finishing what runs; once more hands it back at once", number.name)
            self.asked.set()
        elif not self._hurry.is_set():
            _log.warning("%s again: handing back what runs", number.name)
            self._observations.incident("second_signal", None)
            self._hurry.set()
        else:
            os._exit(128 + number)
