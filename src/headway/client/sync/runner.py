"""Which loop and which asynchronous client do the work in this process, made when first needed."""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from headway.client.closed import closed_error
from headway.client.headway import AsyncHeadway
from headway.client.sync.portal import Portal

__all__ = ["HasRunner", "Runner"]

T = TypeVar("T")

_runners: weakref.WeakSet[Runner] = weakref.WeakSet()
# What a forked process has of its parent's loops. Its sockets and selectors are shared with the parent, which
# would suffer if anything here were closed, or collected.
_left_behind: list[Any] = []


class Runner:
    """Runs an asynchronous client's methods on a portal.

    A process that is forked begins anew: its first call makes a thread, connections and a Realtime link of
    its own. Any number of threads may call.

    Args:
        headway: The asynchronous client.
        owner: Runs the portal that this one uses too; one of its own when omitted.
    """

    def __init__(self, headway: AsyncHeadway, owner: Runner | None = None) -> None:
        self.headway = headway
        self._owner = owner
        self._portal: Portal | None = None
        self._lock = threading.Lock()
        self._closed = False
        _runners.add(self)

    def run(self, work: Callable[[AsyncHeadway], Awaitable[T]]) -> T:
        """What some work with the asynchronous client returns or raises.

        Raises:
            TransportError: the client was closed.
        """
        headway = self.headway

        async def running() -> T:
            return await work(headway)

        return self.portal().call(running())

    def portal(self) -> Portal:
        """The portal of this process.

        Raises:
            TransportError: the client was closed.
        """
        if self._closed:
            raise closed_error()
        if self._owner is not None:
            return self._owner.portal()
        with self._lock:
            if self._portal is None or not self._portal.is_alive:
                self._portal = Portal()
                # Also at the interpreter's exit, when nobody has closed it.
                weakref.finalize(self, _stop, self._portal, self.headway)
            return self._portal

    def close(self) -> None:
        """Let go of every socket, task and thread; safe to call twice."""
        if self._closed:
            return
        if self._owner is not None:
            lent = self._owner._lent_portal()
            if lent is not None and lent.is_alive:
                lent.call(self.headway.close())
            self._closed = True
            return
        self._closed = True
        with self._lock:
            portal, self._portal = self._portal, None
        if portal is not None:
            _stop(portal, self.headway)

    def _lent_portal(self) -> Portal | None:
        """The portal of this process, if there is one yet; its owner's, when it uses that."""
        return self._portal if self._owner is None else self._owner._lent_portal()

    def begin_anew(self) -> None:
        """This process was forked just now: what belongs to the parent is left alone."""
        _left_behind.append((self._portal, self.headway.leave_behind()))
        self._portal = None
        # It may have been locked by a thread that does not exist here.
        self._lock = threading.Lock()


class HasRunner(ABC):
    """Whatever has a runner."""

    @property
    @abstractmethod
    def runner(self) -> Runner:
        """What runs the asynchronous client; for Headway's own parts."""


def _stop(portal: Portal, headway: AsyncHeadway) -> None:
    if portal.is_alive:
        portal.stop(headway.close(), headway.close_timeout)


def _after_fork() -> None:
    for runner in tuple(_runners):
        runner.begin_anew()


os.register_at_fork(after_in_child=_after_fork)
