"""The directory of the server's Unix socket: short, and closed to other users."""

from __future__ import annotations

import os
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

from headway.local.postgres.accounts import ServerAccount

__all__ = ["make_socket_dir", "socket_dir"]

# sockaddr_un holds 103 bytes on macOS, 107 on Linux; the longest name in the directory is .s.PGSQL.65535.lock
_LONGEST = 103 - len("/.s.PGSQL.65535.lock")


def socket_dir(data_dir: Path) -> Path:
    """Where a server's socket is, unless somebody else has taken the name.

    Args:
        data_dir: The server's data directory; it may be absent.
    """
    return _parent() / f"headway-{sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]}"


def make_socket_dir(data_dir: Path, account: ServerAccount) -> Path:
    """Make the directory, readable by the server's user alone.

    Args:
        data_dir: The server's data directory.
        account: The user that the server runs as, who owns the socket's directory.
    """
    wanted = socket_dir(data_dir)
    try:
        wanted.mkdir(mode=0o700)
    except FileExistsError:
        entry = wanted.lstat()
        private = stat.S_ISDIR(entry.st_mode) and not entry.st_mode & 0o077
        if private and entry.st_uid == account.uid:
            return wanted
        wanted = Path(tempfile.mkdtemp(prefix="headway-", dir=wanted.parent))
    if account.drops:
        os.chown(wanted, account.uid, account.gid)
    return wanted


def _parent() -> Path:
    for name in (os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() else None, tempfile.gettempdir()):
        if name and len(os.fsencode(name)) + len("/headway-0123456789ab") <= _LONGEST and _usable(name):
            return Path(name)
    return Path("/tmp")  # noqa: S108 — what is made in it is private and checked


def _usable(name: str) -> bool:
    # A dropped user has to get in too, so a private TMPDIR of root's will not do.
    directory = Path(name)
    mode = directory.stat().st_mode if directory.is_dir() else 0
    return os.access(name, os.W_OK | os.X_OK) and (os.geteuid() != 0 or bool(mode & stat.S_IXOTH))
