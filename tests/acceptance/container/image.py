"""A worker started from what the image holds, as a container would start it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

USER = 65532


@dataclass
class Container:
    """A running worker, and what it has said.

    Attributes:
        environment: What it was given.
        lines: Its log so far.
        host_pid: Its process, as seen from outside.
    """

    process: subprocess.Popen[str]
    environment: dict[str, str]
    lines: list[dict[str, Any]] = field(default_factory=list)
    said: threading.Condition = field(default_factory=threading.Condition)

    @property
    def host_pid(self) -> int:
        """What is process 1 inside is the child of what made the inside."""
        children = psutil.Process(self.process.pid).children()
        return children[0].pid if children else self.process.pid

    def until(self, words: str, timeout: float = 60) -> dict[str, Any]:
        """The first line of its log with these words."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.lines if words in str(line["message"])), None)

        with self.said:
            assert self.said.wait_for(lambda: found() or self.process.poll() is not None, timeout), self.lines
        line = found()
        assert line is not None, (self.process.returncode, self.lines)
        return line

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """What ``docker stop`` does first."""
        os.kill(self.host_pid, number)

    def ended(self, timeout: float = 60) -> int:
        """Its exit status, once it has ended by itself."""
        return self.process.wait(timeout)


@dataclass(frozen=True)
class Image:
    """An environment that ``docker/install.sh`` has made.

    Attributes:
        target: Where: /opt/headway in the image.
    """

    target: Path

    def environment(self, **more: str) -> dict[str, str]:
        """The image's ENV, and what its user gives."""
        return {
            "PATH": f"{self.target}/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONPATH": str(self.target / "app"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **more,
        }

    def run(
        self, *command: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One command of the image, as the image's user where that is possible."""
        return subprocess.run(
            command, check=False, env=dict(environment or self.environment()), cwd=self.target / "app",
            capture_output=True, text=True, timeout=60, **_as_user(),
        )  # fmt: skip

    @contextmanager
    def container(self, *modules: str, inside: bool, **settings: str) -> Iterator[Container]:
        """A worker as nobody in particular, with a scratch folder and nothing else to write to.

        Args:
            modules: The command's arguments.
            inside: Whether it is process 1 of its own process table, before a file system that is read-only.
            settings: Its environment.
        """
        scratch = Path(tempfile.mkdtemp(prefix="headway-scratch-"))
        environment = self.environment(
            HOME=str(scratch), TMPDIR=str(scratch), HEADWAY_HTTP_PORT=str(_free_port()), **settings
        )
        command = ["headway", "worker", *modules]
        if inside:
            script = (
                'set -e; mount --make-rprivate /; mount -t tmpfs -o mode=1777 tmpfs "$TMPDIR";'
                " mount -o remount,bind,ro /;"
                f" exec setpriv --reuid {USER} --regid {USER} --clear-groups --no-new-privs"
                ' --bounding-set=-all --inh-caps=-all -- "$@"'
            )
            command = [
                "unshare", "--fork", "--kill-child", "--pid", "--mount", "--mount-proc",
                "sh", "-c", script, "sh", *command,
            ]  # fmt: skip
        elif os.geteuid() == 0:
            os.chown(scratch, USER, USER)
        try:
            process = subprocess.Popen(
                command, env=environment, cwd=self.target / "app", stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                **({} if inside else _as_user()),
            )  # fmt: skip
            running = Container(process, environment)
            reader = threading.Thread(target=_read, args=(running,), daemon=True)
            reader.start()
            try:
                yield running
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait(30)
                reader.join(30)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def can_unshare() -> bool:
    """Whether this machine lets us have a process table and a read-only view of the files of our own."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return False
    script = "mount --make-rprivate / && mount -o remount,bind,ro /"
    probe = ["unshare", "--fork", "--pid", "--mount", "--mount-proc", "sh", "-c", script]
    return subprocess.run(probe, check=False, capture_output=True, timeout=30).returncode == 0


def _read(running: Container) -> None:
    assert running.process.stderr is not None
    with running.process.stderr as log:
        for text in log:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"message": text, "level": "?"}
            with running.said:
                running.lines.append(line)
                running.said.notify_all()
    with running.said:
        running.process.wait(30)
        running.said.notify_all()


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": USER, "group": USER, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def soon(condition: Callable[[], bool], timeout: float = 30) -> bool:
    """Whether something that another process does becomes true."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
