"""A command run for somebody else: its signals, its terminal and its exit status are passed on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["exit_status", "run_command"]

_FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)

_SWEEP_S = 2.0
_GATE = Path(__file__).with_name("gate.py")


async def run_command(
    command: Sequence[str], environment: Mapping[str, str], *, started: Callable[[int], None]
) -> int:
    """Run a command in a process group of its own, with the terminal if we have it, and wait for its end.

    Args:
        command: The program, looked up on PATH, and its arguments.
        environment: Its whole environment.
        started: Called with the id of its process group, before the command begins.

    Returns:
        Its exit status; 128+n when signal n ended it; 127 when there is no such program, 126 when it cannot
        be executed (as shells do).
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def forward(number: signal.Signals) -> None:
        try:
            if not ended.done():
                os.killpg(process.pid, number)
        except ProcessLookupError:
            pass  # it has just ended

    # Before the command can do anything, so that whoever has heard of it can signal it through us.
    for number in _FORWARDED:
        loop.add_signal_handler(number, forward, number)
    read_end, leave = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603, ASYNC220
            [sys.executable, "-I", "-S", str(_GATE), str(read_end), *command],
            env=dict(environment),
            pass_fds=[read_end],
            process_group=0,
        )
    finally:
        os.close(read_end)
    started(process.pid)
    terminal = _Terminal(process.pid)
    terminal.lend()

    def wait() -> None:
        while True:
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                break
            # Ctrl-Z: stop with it, as a job of one shell, and go on with it.
            terminal.take_back()
            os.kill(os.getpid(), signal.SIGSTOP)
            terminal.lend()
            os.killpg(process.pid, signal.SIGCONT)
        process.returncode = os.waitstatus_to_exitcode(status)
        loop.call_soon_threadsafe(ended.set_result, process.returncode)

    # A thread, because waiting must also hear of stops, which asyncio's child watchers do not tell.
    threading.Thread(target=wait, name="command", daemon=True).start()
    try:
        os.write(leave, b"\n")
    except BrokenPipeError:
        pass  # a signal was faster
    finally:
        os.close(leave)
    # The handlers stay: whoever cleans up after the command is not to be interrupted by a late Ctrl-C.
    status = exit_status(await ended)
    terminal.take_back()
    await _sweep(process.pid)
    return status


async def _sweep(group: int) -> None:
    """End what the command has left running in its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = asyncio.get_running_loop().time() + _SWEEP_S
        try:
            os.killpg(group, number)
            while asyncio.get_running_loop().time() < deadline:
                os.killpg(group, 0)
                await asyncio.sleep(0.01)
        except (ProcessLookupError, PermissionError):
            return


def exit_status(returncode: int) -> int:
    """A shell's exit status for a return code of ``subprocess``.

    Args:
        returncode: Negative when a signal ended the process.
    """
    return 128 - returncode if returncode < 0 else returncode


class _Terminal:
    """The controlling terminal, if it is ours, and the group that it is lent to."""

    def __init__(self, group: int) -> None:
        self._group = group
        self._descriptor: int | None = None
        try:
            if os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp():
                self._descriptor = 0
        except OSError:
            pass

    def lend(self) -> None:
        self._give(self._group)

    def take_back(self) -> None:
        self._give(os.getpgrp())

    def _give(self, group: int) -> None:
        if self._descriptor is None:
            return
        # Who changes the foreground group from the background is stopped by SIGTTOU unless it is blocked.
        former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            os.tcsetpgrp(self._descriptor, group)
        except OSError:
            pass  # the group or the terminal has gone
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
