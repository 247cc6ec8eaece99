"""``headway worker`` as the process that it is: started, killed without warning, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.stack import TestStack

__all__ = ["ROOT", "WorkerProcess", "free_port", "running_worker"]

ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class WorkerProcess:
    """One worker process.

    Args:
        modules: Where its handlers are.
        environment: Beside this process's own.
        port: Of its HTTP port.
        log: Where its output goes.
    """

    def __init__(
        self, modules: tuple[str, ...], environment: Mapping[str, str], port: int, log: Path
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headway.cli", "worker", *modules, "--http-port", str(port)],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Wait until it claims jobs."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the worker is not ready:\n{self.output}")
            time.sleep(0.05)

    def wait_for(self, words: str) -> None:
        """Wait until it has written something."""
        deadline = time.monotonic() + _PATIENCE
        while words not in self.output:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the worker did not write {words!r}:\n{self.output}")
            time.sleep(0.02)

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text("utf-8", errors="replace")

    def kill(self) -> None:
        """End it at once, as a machine that loses its power does."""
        self.process.kill()
        self.process.wait(timeout=30)

    def stop(self) -> None:
        """Ask it to drain, and wait until it has."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            finally:
                self.kill()


@contextmanager
def running_worker(
    stack: TestStack,
    *modules: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    wait: bool = True,
) -> Iterator[WorkerProcess]:
    """A worker that is ready, and gone when the block ends.

    Args:
        stack: The project it serves.
        modules: Such as ``workers.cv``.
        log: A file for its output.
        environment: More variables, such as the sandbox's.
        port: Of its HTTP port, a free one when omitted; callbacks come to it.
        wait: Whether to wait until it is ready.
    """
    port = port or free_port()
    variables = {
        "SUPABASE_URL": stack.url,
        "SUPABASE_SECRET_KEY": stack.keys.secret_key,
        "HEADWAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        **(environment or {}),
    }
    worker = WorkerProcess(modules, variables, port, log)
    try:
        if wait:
            worker.wait_until_ready()
        yield worker
    finally:
        worker.stop()
