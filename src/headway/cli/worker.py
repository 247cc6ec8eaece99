"""``headway worker``: run the jobs that some modules declare."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headway.cli.loop import event_loop
from headway.cli.pipelines import pipelines_dir
from headway.errors import ConfigError, HeadwayError
from headway.settings import WorkerSettings
from headway.worker.logs import configure_logging
from headway.worker.runtime import Mode, name_of, run_worker
from headway.worker.worker import Worker

__all__ = ["gather_workers", "run_modules"]

_log = logging.getLogger("headway.worker")

_PATIENCE = 2.0


def run_modules(modules: Sequence[str], *, mode: Mode, settings: Mapping[str, Any]) -> None:
    """Run everything that some modules declare, as one worker.

    Args:
        modules: Import paths, such as ``workers.cv``; ``module:name`` takes one object of it.
        mode: For how long.
        settings: The command line's settings by field name; ``None`` means not given.

    Raises:
        ConfigError: a module cannot be imported, declares no worker, or a setting is wrong.
        HeadwayError: the engine refused the worker.
    """
    # As process 1 of a container it would otherwise hear no SIGTERM while modules are imported.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    chosen = WorkerSettings.load(**settings)
    configure_logging(chosen, worker=name_of(chosen))
    merged = gather_workers(modules)
    merged.settings = chosen
    status = 1

    def leave() -> None:
        _log.warning("what handlers have left running cannot be ended: the process ends without it")
        logging.shutdown()
        os._exit(status)

    # A loop that is closed waits for its tasks, and a process that ends for its threads: for one that a
    # handler has started, and that never ends, for ever.
    last = threading.Timer(_PATIENCE, leave)
    last.daemon = True
    before = set(threading.enumerate())
    try:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            try:
                runner.run(run_worker(merged, mode=mode))
                status = 0
            finally:
                last.start()
    finally:
        if all(thread.daemon for thread in set(threading.enumerate()) - before):
            last.cancel()


def gather_workers(modules: Sequence[str]) -> Worker:
    """All ``Worker`` objects of some modules as one.

    Args:
        modules: As for ``run_modules``.

    Raises:
        ConfigError: names the module and what is wrong with it.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    # Behind everything else: Headway's own pipelines are there for whoever has no package ``workers``.
    ours = str(pipelines_dir())
    if ours not in sys.path:
        sys.path.append(ours)
    merged = Worker()
    for path in modules:
        for worker in _workers_of(path):
            merged.include(worker)
    return merged


def _workers_of(path: str) -> list[Worker]:
    name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(name)
    except HeadwayError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name != missing and not name.startswith(f"{missing}."):
            raise ConfigError(
                f"module {name} needs {missing}, which is not installed",
                hint=f"Install {missing}.",
                code="module_missing",
            ) from error
        raise ConfigError(
            f"there is no module {name}",
            hint="Give an import path such as workers.cv, and start in the folder that holds it.",
            code="module_missing",
        ) from None
    found = [getattr(module, attribute, None)] if attribute else list(vars(module).values())
    workers = [value for value in found if isinstance(value, Worker)]
    if not workers:
        raise ConfigError(
            f"module {path} holds no Worker",
            hint="Declare one at its top level: worker = Worker().",
            code="worker_missing",
        )
    return list(dict.fromkeys(workers))
