"""A child process that never outlives this one, whichever way this one ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from headway.local.postgres.accounts import ServerAccount

__all__ = ["DEFAULT_GUARD", "POLL_S", "GuardedProcess", "ParentGuard"]

POLL_S = 0.004

ParentGuard = Literal["pdeathsig", "pipe"]
"""How a child learns of its parent's end: by the kernel's signal, or by the end of a pipe."""

DEFAULT_GUARD: ParentGuard = "pdeathsig" if sys.platform == "linux" else "pipe"

_LAUNCHER = Path(__file__).with_name("launcher.py")

# Standard input is a pipe whose other end only the parent has. Background commands lose their standard input,
# so it is moved to the descriptor $1, of one digit because not every sh reads more. The program gets neither.
_WATCHDOG = """
fd=$1; shift
eval "exec $fd<&0 </dev/null"
eval "\\"\\$@\\" $fd<&- &"
child=$!
trap 'kill -INT $child' TERM INT
trap 'kill -QUIT $child' QUIT
eval "{ read -r _ <&$fd; kill -INT $child; } &"
watch=$!
status=0
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
kill $watch 2>/dev/null; wait $watch 2>/dev/null
exit $status
"""


class GuardedProcess:
    """A running child. Linux ties it to the thread that starts it: start it from a lasting thread.

    Args:
        command: The program's absolute path and its arguments.
        account: The user to run as.
        environment: Its whole environment.
        output: A descriptor for what it prints; the child gets a copy.
        keep: Further descriptors that the child inherits under the same numbers.
        guard: How the child learns of this process's end.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        account: ServerAccount,
        environment: Mapping[str, str],
        output: int,
        keep: Sequence[int] = (),
        guard: ParentGuard = DEFAULT_GUARD,
    ) -> None:
        program = [str(part) for part in command]
        source = subprocess.DEVNULL
        self._pipe: int | None = None
        if guard == "pipe":
            source, self._pipe = os.pipe()
            free = next(digit for digit in range(3, 10) if digit not in keep)
            program = ["/bin/sh", "-c", _WATCHDOG, "headway-watchdog", str(free), *program]
        user = (account.uid, account.gid) if account.drops else (-1, -1)
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, user), str(os.getpid()), guard]
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [*launcher, *program],
                stdin=source,
                stdout=output,
                stderr=output,
                env=dict(environment),
                pass_fds=tuple(keep),
                cwd="/",
                # Ctrl-C in a terminal must reach us alone: services stop before their database does.
                start_new_session=True,
            )
        except BaseException:
            self._close_pipe()
            raise
        finally:
            if guard == "pipe":
                os.close(source)

    @property
    def pid(self) -> int:
        """The child's process id; with the pipe guard, the watchdog's."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status, or ``None`` while it runs."""
        status = self._process.poll()
        if status is not None:
            self._close_pipe()
        return status

    async def wait(self, timeout_s: float) -> int | None:
        """The exit status once it has ended; ``None`` when it still runs after ``timeout_s`` seconds.

        Args:
            timeout_s: How long to wait.
        """
        # Polled, so that the process belongs to no event loop and may be stopped from another one.
        deadline = asyncio.get_running_loop().time() + timeout_s
        while (status := self.poll()) is None:
            if asyncio.get_running_loop().time() >= deadline:
                return None
            await asyncio.sleep(POLL_S)
        return status

    def send(self, number: signal.Signals) -> None:
        """Signal the child; one that has ended is left alone.

        Args:
            number: ``SIGINT`` and ``SIGQUIT`` reach the program; ``SIGKILL`` the watchdog as well.
        """
        if self.poll() is not None:
            return
        if number == signal.SIGKILL:
            os.killpg(self.pid, number)
        else:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End the child at once, with everything in its process group; one that has ended is left alone."""
        self.send(signal.SIGKILL)
        self._process.wait()
        self._close_pipe()

    def _close_pipe(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            os.close(pipe)
