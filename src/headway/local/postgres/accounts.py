"""Which operating-system user Postgres runs as, and what that user can reach."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from headway.errors import ConfigError

__all__ = ["ServerAccount", "server_account"]


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """The user that Postgres runs as.

    Args:
        name: The login name, or the number where the user has no name.
        uid: The user id.
        gid: The primary group id; supplementary groups are given up.
        drops: Whether this process is root and has to become that user first.
    """

    name: str
    uid: int
    gid: int
    drops: bool

    def can_enter(self, directory: Path) -> bool:
        """Whether the user may look into a directory, by the mode bits of it and of every parent.

        Args:
            directory: An existing directory.
        """
        if not self.drops:
            return os.access(directory, os.R_OK | os.X_OK)
        path = directory.resolve()
        return all(self._permits(place.stat(), stat.S_IXOTH) for place in (path, *path.parents))

    def can_use(self, entry: os.stat_result) -> bool:
        """Whether the user may read a file, and execute it where its owner may.

        Args:
            entry: The file's status.
        """
        wanted = stat.S_IROTH | (stat.S_IXOTH if entry.st_mode & stat.S_IXUSR else 0)
        return not self.drops or self._permits(entry, wanted)

    def _permits(self, entry: os.stat_result, wanted: int) -> bool:
        if entry.st_uid == self.uid:
            wanted <<= 6
        elif entry.st_gid == self.gid:
            wanted <<= 3
        return entry.st_mode & wanted == wanted


def server_account(run_as: str | None, *, owning: Path | None = None) -> ServerAccount:
    """The user that Postgres is to run as; Postgres itself refuses to run as root.

    Args:
        run_as: The configured user name; ``None`` means oneself, and for root the owner of ``owning`` or
            ``nobody``.
        owning: The data directory; it may be absent.

    Raises:
        ConfigError: there is no such user, it is root, only root could become it, or the data directory
            belongs to yet another user.
    """
    me = os.geteuid()
    if me != 0:
        try:
            own_name = pwd.getpwuid(me).pw_name
        except KeyError:
            own_name = str(me)
        if run_as not in (None, own_name):
            raise ConfigError(
                f"HEADWAY_LOCAL_RUN_AS is {run_as!r}, but only root can run Postgres as another user",
                hint=f"Unset it; Postgres then runs as {own_name}.",
                code="run_as_impossible",
            )
        return ServerAccount(own_name, me, os.getegid(), drops=False)
    name = run_as or "nobody"
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ConfigError(
            f"There is no user {name!r} for Postgres to run as",
            hint="Set HEADWAY_LOCAL_RUN_AS to an existing user other than root.",
            code="run_as_unknown",
        ) from None
    if entry.pw_uid == 0:
        raise ConfigError(
            "Postgres cannot run as root",
            hint="Set HEADWAY_LOCAL_RUN_AS to an existing user other than root.",
            code="run_as_root",
        )
    account = ServerAccount(name, entry.pw_uid, entry.pw_gid, drops=True)
    owner = _owner(owning)
    if owner is None or owner.st_uid in (0, account.uid):
        return account
    if run_as is None:
        # Somebody's own project, and root came by: their files stay theirs.
        return ServerAccount(str(owner.st_uid), owner.st_uid, owner.st_gid, drops=True)
    raise ConfigError(
        f"{owning} belongs to user id {owner.st_uid}, not to HEADWAY_LOCAL_RUN_AS={run_as}",
        hint=f"Unset HEADWAY_LOCAL_RUN_AS, or give the directory to {run_as} with chown -R.",
        code="run_as_not_owner",
    )


def _owner(directory: Path | None) -> os.stat_result | None:
    try:
        return directory.stat() if directory is not None else None
    except FileNotFoundError:
        return None
