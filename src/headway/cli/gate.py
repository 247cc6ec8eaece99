"""Run as a script, never imported: waits for leave to become a command.

Run with ``python -I -S gate.py DESCRIPTOR PROGRAM ARGUMENT...``. DESCRIPTOR is the read end of a pipe. One
byte is the leave; its end without one means that whoever would tidy up after the command is gone already.
"""

from __future__ import annotations

import os
import signal
import sys


def main(descriptor: int, command: list[str]) -> None:
    # What Python handles or ignores, the command starts with as usual.
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    if not os.read(descriptor, 1):
        sys.exit(1)
    os.close(descriptor)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        # A folder of PATH that may not be searched says "permission denied" of programs that are nowhere.
        if isinstance(error, FileNotFoundError) or not _is_there(command[0]):
            sys.stderr.write(f"error: {command[0]}: there is no such program\n")
            sys.exit(127)
        sys.stderr.write(f"error: {command[0]}: {error.strerror}\n")
        sys.exit(126)


def _is_there(program: str) -> bool:
    if os.sep in program:
        return True
    # By hand, for every command would wait for what is imported here.
    folders = os.get_exec_path()
    return any(os.path.exists(os.path.join(folder, program)) for folder in folders)  # noqa: PTH110, PTH118


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
