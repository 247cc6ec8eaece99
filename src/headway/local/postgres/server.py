"""The stack's Postgres: started, watched over and stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from headway.errors import ConfigError
from headway.local.database import Database
from headway.local.postgres.accounts import server_account
from headway.local.postgres.binaries import Binaries
from headway.local.postgres.cluster import SUPERUSER, Cluster
from headway.local.postgres.hold import ClusterHold
from headway.local.postgres.passwords import matches, scram_verifier
from headway.local.postgres.process import DEFAULT_GUARD, POLL_S, GuardedProcess, ParentGuard
from headway.local.postgres.server_log import ServerLog
from headway.local.postgres.sockets import make_socket_dir

__all__ = ["PostgresServer"]

_log = logging.getLogger("headway.postgres")

_START_TIMEOUT_S = 60
_FAST_STOP_S = 10
_IMMEDIATE_STOP_S = 5
_SOCKET_ONLY_PORT = 5432

_SETTINGS: Mapping[str, str] = {
    # In the file and not on the command line: with a replication slot the server must never start without.
    "wal_level": "logical",
    "max_wal_size": "256MB",
    "max_connections": "100",
    "max_replication_slots": "32",
    "max_wal_senders": "32",
    # A slot that somebody forgot must not fill a laptop's disk.
    "max_slot_wal_keep_size": "1GB",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "cluster_name": "headway",
}
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
# Commits stay synchronous: the WAL sender ships flushed WAL only, and realtime would wait for the WAL writer.
_VOLATILE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}


class PostgresServer:
    """A Postgres that lives no longer than this process; start it from a thread that lasts as long.

    Its superuser is ``supabase_admin``. It belongs to no event loop: it may be started in one and stopped in
    another.

    Args:
        binaries: The installation to run.
        data_dir: The data directory, made when absent; one server at a time.
        tcp_port: The port on 127.0.0.1, 0 for a free one; ``None`` for the Unix socket alone.
        password: What the role ``postgres``, once it exists, has to give over TCP.
        durable: Whether commits reach the disk; ``False`` only for data that may be lost.
        run_as: The user to become when started by root; ``None`` means ``nobody``.
        log_path: Where the server's output goes; ``<data_dir>.log`` when omitted.
        settings: Further server settings, which win over the stack's.
        guard: How the server learns of this process's end.
    """

    def __init__(
        self,
        binaries: Binaries,
        *,
        data_dir: Path,
        tcp_port: int | None = None,
        password: str | None = None,
        durable: bool = True,
        run_as: str | None = None,
        log_path: Path | None = None,
        settings: Mapping[str, str] | None = None,
        guard: ParentGuard = DEFAULT_GUARD,
    ) -> None:
        self._binaries = binaries
        self._data_dir = data_dir.absolute()
        self._tcp_port = tcp_port
        self._password = password
        self._durable = durable
        self._log_path = log_path or self._data_dir.with_name(f"{self._data_dir.name}.log")
        self._settings = dict(settings or {})
        self._guard: ParentGuard = guard
        self._account = server_account(run_as, owning=self._data_dir)
        self._hold = ClusterHold(self._data_dir)
        self._cluster = Cluster(self._data_dir, binaries, self._account)
        self._process: GuardedProcess | None = None
        self._socket_dir: Path | None = None

    @property
    def binaries(self) -> Binaries:
        """The installation that it runs."""
        return self._binaries

    @property
    def tcp_port(self) -> int | None:
        """The port on 127.0.0.1, once started; ``None`` without one."""
        return self._tcp_port

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        try:
            return int((self._data_dir / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> Database:
        """Bring the server up, with a new cluster when there is none; returns when it has answered a query.

        Returns:
            How to reach it.

        Raises:
            ConfigError: the directory or the port is in use, the directory belongs to another version, or
                Postgres does not start; nothing runs then.
        """
        if self._process is not None:
            raise RuntimeError("the server is already started")
        await self._hold.acquire()
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> Database:
        log = ServerLog(self._log_path)
        try:
            if not self._cluster.exists():
                await self._cluster.initialise(
                    log, self._hold.descriptor, durable=self._durable, guard=self._guard
                )
            self._choose_port()
            self._socket_dir = make_socket_dir(self._data_dir, self._account)
            database = Database(str(self._socket_dir), self._tcp_port or _SOCKET_ONLY_PORT)
            self._cluster.configure(self._all_settings(database))
            self._process = self._launch(log)
            await self._ready(log)
        finally:
            log.close()
        await self._greet(database)
        return database

    def _choose_port(self) -> None:
        if self._tcp_port is None:
            return
        with socket.socket() as probe:
            # As Postgres does: the closed connections of a former server do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._tcp_port))
            except OSError as error:
                raise self._port_refused(error.strerror or "it cannot be bound") from error
            self._tcp_port = int(probe.getsockname()[1])

    def _port_refused(self, reason: str) -> ConfigError:
        return ConfigError(
            f"Postgres cannot listen on port {self._tcp_port}: {reason}",
            hint="Choose another db.port in supabase/config.toml or HEADWAY_LOCAL_DB_PORT (0 for a free "
            "one), or stop what uses it.",
            code="port_in_use",
        )

    def _all_settings(self, database: Database) -> dict[str, str]:
        settings = {
            **_SETTINGS,
            **(_DURABLE if self._durable else _VOLATILE),
            **self._binaries.options,
            "port": str(database.port),
            "listen_addresses": "127.0.0.1" if self._tcp_port is not None else "",
            "unix_socket_directories": database.socket_dir,
        }
        if self._binaries.has_library("pg_stat_statements"):
            settings["shared_preload_libraries"] = "pg_stat_statements"
        return {**settings, **self._settings}

    def _launch(self, log: ServerLog) -> GuardedProcess:
        with self._cluster.reachable(self._data_dir) as (path, keep):
            return GuardedProcess(
                [self._binaries.tool("postgres"), "-D", path],
                account=self._account,
                environment=self._cluster.environment(),
                output=log.descriptor,
                keep=[*keep, self._hold.descriptor],
                guard=self._guard,
            )

    async def _ready(self, log: ServerLog) -> None:
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + _START_TIMEOUT_S
        while not self._says_ready():
            status = self._process.poll()
            if status is not None:
                raise self._not_started(log)
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigError(
                    f"Postgres did not become ready within {_START_TIMEOUT_S} s",
                    hint=f"Its log is {log.path}.",
                    code="postgres_not_ready",
                )
            await asyncio.sleep(POLL_S)

    def _says_ready(self) -> bool:
        # The eighth line of the pid file is the postmaster's status, which pg_ctl -w waits for too.
        try:
            lines = (self._data_dir / "postmaster.pid").read_text("utf-8").splitlines()
        except (OSError, ValueError):
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _not_started(self, log: ServerLog) -> ConfigError:
        if "Address already in use" in log.printed():
            return self._port_refused("Address already in use")
        return ConfigError(
            f"Postgres did not start: {log.fault() or 'it said nothing'}",
            hint=f"Its log is {log.path}.",
            code="postgres_not_started",
        )

    async def _greet(self, database: Database) -> None:
        connection = await database.connect(SUPERUSER)
        try:
            await connection.execute("SELECT 1")
            if self._tcp_port is not None and self._password is not None:
                await self._set_password(connection, self._password)
        finally:
            await connection.close()

    @staticmethod
    async def _set_password(connection: asyncpg.Connection[asyncpg.Record], password: str) -> None:
        role = await connection.fetchrow("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
        if role is not None and not matches(role["rolpassword"], password):
            # A verifier has no quotes; the password itself never appears in a statement or a log.
            await connection.execute(f"ALTER ROLE postgres PASSWORD '{scram_verifier(password)}'")

    async def stop(self) -> None:
        """Shut the server down fast, then harder if it does not go; safe to call twice.

        Open transactions are rolled back. What was committed is on the disk, unless ``durable`` was false.
        """
        process, self._process = self._process, None
        try:
            if process is not None:
                await _stop(process)
        finally:
            socket_dir, self._socket_dir = self._socket_dir, None
            if socket_dir is not None:
                for leftover in socket_dir.glob(".s.PGSQL.*"):
                    leftover.unlink(missing_ok=True)
                socket_dir.rmdir()
            self._hold.release()


async def _stop(process: GuardedProcess) -> None:
    try:
        process.send(signal.SIGINT)
        if await process.wait(_FAST_STOP_S) is not None:
            return
        _log.warning("Postgres did not stop within %s s; stopping it without a checkpoint", _FAST_STOP_S)
        process.send(signal.SIGQUIT)
        if await process.wait(_IMMEDIATE_STOP_S) is None:
            _log.warning("Postgres did not stop; killing it")
    finally:
        process.kill()
