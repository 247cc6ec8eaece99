"""The processes that a demo starts, kills and ends: a stack, the sandbox, workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from headway.cli.throwaway import ThrowawayDirectory
from headway.errors import HeadwayError

__all__ = ["Household", "Program"]

_PATIENCE_S = 60.0
_GRACE_S = 15.0
_LOG_SHOWN = 2000


class Program:
    """One ``headway`` command in a process group of its own.

    Args:
        name: What people call it.
        process: Started.
        log: Where its standard error goes.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """The process, which is also the number of its group."""
        return self._process.pid

    def first_document(self, patience_s: float = _PATIENCE_S) -> dict[str, str]:
        """The JSON object of texts that it prints when it is ready; what is null in it is left out.

        Args:
            patience_s: Seconds to wait for it.

        Raises:
            HeadwayError: it ended before, or said nothing in that time.
        """
        found: list[dict[str, str]] = []
        reader = threading.Thread(target=self._read_document, args=(found,), daemon=True)
        reader.start()
        reader.join(patience_s)
        if not found:
            raise self._did_not_start()
        return found[0]

    def require_running(self) -> None:
        """Nothing, as long as it runs.

        Raises:
            HeadwayError: it has ended; says what it said last.
        """
        if self._process.poll() is not None:
            raise self._did_not_start()

    def _read_document(self, found: list[dict[str, str]]) -> None:
        assert self._process.stdout is not None
        text = ""
        for line in self._process.stdout:
            text += line.decode()
            try:
                document = json.loads(text)
            except ValueError:
                continue  # it goes on in the next line
            found.append({name: value for name, value in document.items() if isinstance(value, str)})
            return

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, nothing is said or tidied."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def end(self, grace_s: float = _GRACE_S) -> None:
        """Ask it to end, and make it end when it does not in time; safe to call twice.

        Args:
            grace_s: Seconds to wait for its own end.
        """
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                pass  # it has ended this moment

    def _did_not_start(self) -> HeadwayError:
        said = self.log.read_bytes()[-_LOG_SHOWN:].decode(errors="replace").strip()
        status = self._process.poll()
        how = "is still silent" if status is None else f"ended with status {status}"
        return HeadwayError(
            f"The {self.name} did not start: it {how}. {said}".strip(),
            hint="Run it by hand to see more: headway up, headway sandbox, headway worker workers.cv.",
            code="demo_failed",
        )


class Household:
    """Every process of a demo; all of them end with it, even when it is killed itself.

    Args:
        throwaway: The directory of the demo, which is watched over.
        paths: Where Python finds the pipelines, beside what it knows.
    """

    def __init__(self, throwaway: ThrowawayDirectory, paths: Sequence[Path]) -> None:
        self._throwaway = throwaway
        self._paths = [str(path) for path in paths]
        self._programs: list[Program] = []

    def start(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], *, listening: bool = True
    ) -> Program:
        """Start ``headway ARGUMENTS``.

        Args:
            name: What people call it, and what its log is called.
            arguments: The command line behind ``headway``.
            environment: Beside what it needs to run at all; nothing else of this process's is passed on.
            listening: Whether its standard output is read for its first line.
        """
        log = self.log_of(name)
        with log.open("ab") as errors:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "headway.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if listening else errors,
                stderr=errors,
                start_new_session=True,
                cwd=self._throwaway.path,
                env={**self._basics(), **environment},
            )
        self._throwaway.also_end(process.pid)
        program = Program(name, process, log)
        self._programs.append(program)
        return program

    def end(self, program: Program) -> None:
        """End one program in order.

        Args:
            program: One of this household's.
        """
        program.end()
        self._forget(program)

    def kill(self, program: Program) -> float:
        """Kill one program; the moment, by ``time.perf_counter``.

        Args:
            program: One of this household's.
        """
        program.kill()
        moment = time.perf_counter()
        self._forget(program)
        return moment

    def log_of(self, name: str) -> Path:
        """Where a program's log is, so that people can look around.

        Args:
            name: As given to ``start``.
        """
        return self._throwaway.path / f"{name.replace(' ', '-')}.log"

    def end_all(self) -> None:
        """End what still runs, the youngest first: workers before the stack that they work for."""
        for program in reversed(tuple(self._programs)):
            self.end(program)

    def _forget(self, program: Program) -> None:
        if program in self._programs:
            self._programs.remove(program)
            self._throwaway.has_ended(program.pid)

    def _basics(self) -> dict[str, str]:
        # Neither keys nor settings of any other project: the demo stands on its own.
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
        basics = {name: os.environ[name] for name in kept if name in os.environ}
        given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        return {**basics, "PYTHONPATH": os.pathsep.join([*self._paths, *given]), "PYTHONUNBUFFERED": "1"}
