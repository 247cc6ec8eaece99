"""How a worker makes itself known to the engine."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import random
import socket
import sys
from importlib.metadata import version as version_of
from uuid import UUID

from headway.errors import ConfigError, TransportError
from headway.settings import WorkerSettings
from headway.worker.registry import Registry
from headway.worker.stopping import Stopping
from headway.worker.store import Store

__all__ = ["Registration", "chosen_kinds", "name_of"]

_log = logging.getLogger("headway.worker")


class Registration:
    """Says who this worker is and what it runs, at its start and whenever the engine has forgotten it.

    Args:
        settings: The worker's.
        worker_id: New at every start.
        registry: What was declared.
        kinds: Which of it this worker runs.
    """

    def __init__(
        self, settings: WorkerSettings, worker_id: UUID, registry: Registry, kinds: tuple[str, ...]
    ) -> None:
        self._settings = settings
        self._worker_id = worker_id
        self._registry = registry
        self._kinds = kinds
        self.done = False
        """Whether the engine has heard of this worker."""

    async def register(self, store: Store) -> None:
        """Register now.

        Args:
            store: In whatever thread it was made.

        Raises:
            HeadwayError: the engine refuses, or could not be asked.
        """
        registered = await store.register(
            self._worker_id,
            name_of(self._settings),
            [self._registry.get(kind).registration() for kind in self._kinds],
            version=self._settings.version or version_of("headway"),
            slots=self._settings.concurrency,
            info={
                "headway": version_of("headway"),
                "python": platform.python_version(),
                "platform": sys.platform,
                "pid": os.getpid(),
                "host": socket.gethostname(),
            },
        )
        self.done = True
        _log.debug("registered with %s", registered.kinds)

    async def insist(self, store: Store, stopping: Stopping) -> bool:
        """Register, however long the engine takes to answer; false when told to stop meanwhile."""
        failures = 0
        while not stopping.asked.is_set():
            try:
                # A request is repeated for a while before it fails: too long for who wants to stop.
                registering = asyncio.ensure_future(self.register(store))
                await stopping.unless_asked(registering)
                if registering.cancelled():
                    return False
                registering.result()
            except TransportError as error:
                failures += 1
                if failures in (1, 5, 50):
                    _log.warning("the engine cannot be asked yet: %s", error)
                pause = min(5.0, 0.2 * 2**failures) * random.uniform(0.5, 1)  # noqa: S311
                try:
                    await asyncio.wait_for(stopping.asked.wait(), pause)
                except TimeoutError:
                    continue
            else:
                return True
        return False


def name_of(settings: WorkerSettings) -> str:
    """What a worker is called: in the engine, in its log, in its figures."""
    return settings.worker_name or f"{socket.gethostname()}:{os.getpid()}"


def chosen_kinds(registry: Registry, settings: WorkerSettings) -> tuple[str, ...]:
    """Which kinds a worker runs.

    Raises:
        ConfigError: nothing is declared, or the settings name what is not.
    """
    declared = [spec.kind for spec in registry]
    if not declared:
        raise ConfigError(
            "this worker declares no job",
            hint='Declare one with @worker.job("my.kind").',
            code="nothing_declared",
        )
    for kind in settings.kinds:
        registry.get(kind)
    return settings.kinds or tuple(declared)
