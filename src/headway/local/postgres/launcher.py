"""Run as a script, never imported: become another user, tie one's life to the parent's, become a program.

Run with ``python -I -S launcher.py UID GID PARENT GUARD PROGRAM ARGUMENT...``. A separate program rather than
a ``preexec_fn``, because Python code between fork and exec can deadlock a process that has threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    uid, gid, parent = (int(argument) for argument in arguments[:3])
    guard, program = arguments[3], arguments[4:]
    # Everything is imported and loaded by now: another user may not reach the interpreter's files.
    libc = ctypes.CDLL(None)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if guard == "pdeathsig":
        # After the change of user, which clears it (prctl(2)). SIGINT is Postgres's fast shutdown.
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
            sys.exit("prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:
            sys.exit("the parent is gone")
    # Python ignores it, and an ignored signal stays ignored through exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
