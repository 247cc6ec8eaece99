"""A Postgres data directory: made whole or not at all, and configured anew at every start."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from headway.errors import ConfigError
from headway.local.postgres.accounts import ServerAccount
from headway.local.postgres.binaries import Binaries
from headway.local.postgres.process import GuardedProcess, ParentGuard
from headway.local.postgres.server_log import ServerLog
from headway.local.postgres.templates import ClusterTemplate

__all__ = ["SUPERUSER", "Cluster"]

SUPERUSER = "supabase_admin"
T = TypeVar("T")
_SETTINGS_FILE = "headway.conf"
_INITDB_TIMEOUT_S = 120

# Over TCP only with a password, and never as the superuser, whom a hosted project does not give away either.
_HBA = f"""\
# Written by Headway at each start. The socket's directory admits only the user that runs the stack.
local  all          all                        trust
local  replication  all                        trust
host   all          {SUPERUSER}  all           reject
host   replication  {SUPERUSER}  all           reject
host   all          all          127.0.0.1/32  scram-sha-256
host   replication  all          127.0.0.1/32  scram-sha-256
"""


class Cluster:
    """A data directory; hold it (``ClusterHold``) before using anything here.

    Args:
        data_dir: The directory, absolute; it may be absent or empty.
        binaries: The installation that is to run on it.
        account: The user that the server runs as, who owns the directory.
    """

    def __init__(self, data_dir: Path, binaries: Binaries, account: ServerAccount) -> None:
        self._data_dir = data_dir
        self._binaries = binaries
        self._account = account

    def exists(self) -> bool:
        """Whether the directory holds a cluster that these binaries can run.

        Raises:
            ConfigError: it holds a cluster of another major version, or something else.
        """
        try:
            found = (self._data_dir / "PG_VERSION").read_text("utf-8").strip()[:10]
        except FileNotFoundError:
            if self._data_dir.is_dir() and any(self._data_dir.iterdir()):
                raise ConfigError(
                    f"{self._data_dir} is no Postgres data directory, and it is not empty",
                    hint="Choose another data directory, or move its files away.",
                    code="data_dir_unknown",
                ) from None
            return False
        except OSError as error:
            raise ConfigError(
                f"{self._data_dir} cannot be read: {error.strerror}",
                hint="Choose another data directory, or correct its owner and permissions.",
                code="data_dir_unreadable",
            ) from error
        if found != str(self._binaries.major):
            raise ConfigError(
                f"{self._data_dir} was made by Postgres {found}, which {self._binaries.version} cannot open",
                hint=f"Run the stack with Postgres {found} (HEADWAY_LOCAL_POSTGRES_BIN) and dump it with "
                "pg_dumpall, then move the directory away, start a new one, and restore the dump with psql.",
                code="data_dir_version",
            )
        return True

    async def initialise(self, log: ServerLog, hold: int, *, durable: bool, guard: ParentGuard) -> None:
        """Run ``initdb``: afterwards there is a whole cluster, or nothing.

        Args:
            log: Where ``initdb`` prints.
            hold: The descriptor of the directory's lock.
            durable: Whether to wait until the files are on the disk.
            guard: How ``initdb`` learns of this process's end.

        Raises:
            ConfigError: ``initdb`` failed; the message holds what it said.
        """
        for abandoned in self._data_dir.parent.glob(f".{self._data_dir.name}.initdb-*"):
            shutil.rmtree(abandoned)
        partial = self._data_dir.with_name(f".{self._data_dir.name}.initdb-{secrets.token_hex(6)}")
        partial.mkdir(mode=0o700)
        try:
            self._give(partial)
            await self._fill(partial, log, hold, durable=durable, guard=guard)
            with (partial / "postgresql.conf").open("a", encoding="utf-8") as file:
                file.write(
                    f"\n# Headway writes this file at each start.\ninclude_if_exists '{_SETTINGS_FILE}'\n"
                )
            partial.replace(self._data_dir)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    async def _fill(
        self, directory: Path, log: ServerLog, hold: int, *, durable: bool, guard: ParentGuard
    ) -> None:
        options = ["-U", SUPERUSER, "-A", "trust", "--encoding=UTF8", *_locale(self._binaries.major)]
        if durable:
            await self._run_initdb(directory, options, log, hold, guard)
            return
        template = ClusterTemplate(self._binaries, options, self._account)
        if not await _uninterrupted(template.copy, directory):
            for half in directory.iterdir():
                shutil.rmtree(half) if half.is_dir() and not half.is_symlink() else half.unlink()
            await self._run_initdb(directory, [*options, "--no-sync"], log, hold, guard)
            await _uninterrupted(template.keep, directory)

    async def _run_initdb(
        self, directory: Path, options: Sequence[str], log: ServerLog, hold: int, guard: ParentGuard
    ) -> None:
        with self.reachable(directory) as (path, keep):
            process = GuardedProcess(
                [self._binaries.tool("initdb"), "-D", path, *options],
                account=self._account,
                environment=self.environment(),
                output=log.descriptor,
                keep=[*keep, hold],
                guard=guard,
            )
            try:
                status = await process.wait(_INITDB_TIMEOUT_S)
            finally:
                process.kill()
        if status != 0:
            raise ConfigError(
                f"initdb failed: {log.fault() or 'no answer' if status is not None else 'it took too long'}",
                hint=self._initdb_hint(log.printed()),
                code="initdb_failed",
            )

    def _initdb_hint(self, printed: str) -> str:
        if "could not look up effective user ID" in printed:
            return f"Give the user id {self._account.uid} an entry in /etc/passwd, or run as another user."
        return f"{self._binaries.tool('initdb')} printed its reasons into the stack's postgres.log."

    def configure(self, settings: Mapping[str, str]) -> None:
        """Make the cluster ready for a server: its settings, its access rules, no trace of a dead one.

        Args:
            settings: Values by the name of the setting.
        """
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
        # The directory is held and nobody runs on it, so a pid file is a killed server's.
        (self._data_dir / "postmaster.pid").unlink(missing_ok=True)
        self._write(_SETTINGS_FILE, "# Written by Headway at each start.\n" + "".join(lines))
        self._write("pg_hba.conf", _HBA)

    def _write(self, name: str, content: str) -> None:
        # Exclusively made and then renamed: the directory belongs to a user who may be less trusted than we.
        fresh = self._data_dir / f"{name}.{secrets.token_hex(6)}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            if self._account.drops:
                os.fchown(file.fileno(), self._account.uid, self._account.gid)
        fresh.replace(self._data_dir / name)

    def environment(self) -> dict[str, str]:
        """The server's whole environment: nothing of ours leaks into it, secrets least of all."""
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **self._binaries.environment}

    @contextmanager
    def reachable(self, directory: Path) -> Iterator[tuple[str, list[int]]]:
        """A path by which the server's user gets into a directory, and descriptors it must inherit for it.

        A directory below root's 0700 home is out of a dropped user's reach by its name; an inherited
        descriptor of it is not.

        Args:
            directory: A directory that the server's user owns.

        Raises:
            ConfigError: the system offers no such way.
        """
        if not self._account.drops or self._account.can_enter(directory):
            yield str(directory), []
        elif sys.platform == "linux":
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                yield f"/proc/self/fd/{descriptor}", [descriptor]
            finally:
                os.close(descriptor)
        else:
            raise ConfigError(
                f"The user {self._account.name} that Postgres runs as cannot get into {directory.parent}",
                hint="Set HEADWAY_LOCAL_DATA_DIR to a directory that it can reach.",
                code="data_dir_unreachable",
            )

    def _give(self, directory: Path) -> None:
        if not self._account.drops:
            return
        try:
            os.chown(directory, self._account.uid, self._account.gid)
        except OSError as error:
            raise ConfigError(
                f"{directory.parent} cannot hold files of the user {self._account.name}: {error.strerror}",
                hint="Set HEADWAY_LOCAL_DATA_DIR to a directory on a local disk.",
                code="data_dir_unowned",
            ) from error


async def _uninterrupted(function: Callable[[Path], T], directory: Path) -> T:
    """Run a function on a thread; whoever cancels us may tidy up only when it has come to its end."""
    running = asyncio.ensure_future(asyncio.to_thread(function, directory))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


def _locale(major: int) -> list[str]:
    # The builtin provider (17 and later) sorts and folds alike on every system; before, the system's own.
    if major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]
