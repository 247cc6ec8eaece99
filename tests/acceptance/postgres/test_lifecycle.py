"""A server starts whole, answers, keeps what it is told, and leaves nothing behind when it stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from pathlib import Path

import asyncpg
import psutil
import pytest

from headway.errors import ConfigError
from headway.local.postgres.accounts import server_account
from headway.local.postgres.binaries import OLDEST_MAJOR, Binaries, _in_place, _machine_directories, _version
from headway.local.postgres.passwords import scram_verifier

from .conftest import MakeServer

_FACTS = (
    "wal_level",
    "timezone",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "listen_addresses",
    "max_wal_size",
    "password_encryption",
)


async def _facts(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
    return {name: await connection.fetchval("select current_setting($1)", name) for name in _FACTS}


async def test_a_new_cluster_is_what_the_stack_needs(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    database = await server.start()
    connection = await database.connect("supabase_admin")
    try:
        assert await connection.fetchval("select rolsuper from pg_roles where rolname = current_user")
        assert await _facts(connection) == {
            "wal_level": "logical",
            "timezone": "UTC",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "on",
            "listen_addresses": "",
            "max_wal_size": "256MB",
            "password_encryption": "scram-sha-256",
        }
        assert await connection.fetchval("select upper('éß') || lower('ÉŁ')") == "Éßéł"
        assert await connection.fetchval(
            "select array_agg(x order by x) from unnest('{b,B,a}'::text[]) x"
        ) == [
            "B",
            "a",
            "b",
        ]
    finally:
        await connection.close()
    account = server_account(None)
    assert server.pid is not None
    assert psutil.Process(server.pid).uids().effective == account.uid != 0
    for place in (tmp_path / "postgres", Path(database.socket_dir)):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert place.stat().st_uid == account.uid
    assert stat.S_IMODE((tmp_path / "postgres.log").stat().st_mode) == 0o600


async def test_what_was_committed_is_there_after_a_restart(
    make_server: MakeServer, cluster_dir: Path
) -> None:
    for durable in (True, False):
        server = make_server(durable=durable)
        database = await server.start()
        connection = await database.connect("supabase_admin")
        if durable:
            await connection.execute("create table kept as select 7 as n")
        assert await connection.fetchval("select n from kept") == 7
        assert (await _facts(connection))["fsync"] == ("on" if durable else "off")
        await connection.close()
        pid = server.pid
        await server.stop()
        assert not server.running
        assert server.pid is None
        assert pid is not None
        assert not psutil.pid_exists(pid)
        assert not Path(database.socket_dir).exists()
        await server.stop()


async def test_stopping_does_not_wait_for_open_transactions(
    make_server: MakeServer, cluster_dir: Path
) -> None:
    server = make_server()
    connection = await (await server.start()).connect("supabase_admin")
    await connection.execute("begin; create table lost (n int)")
    await server.stop()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("select 1")
    connection.terminate()


async def test_a_server_may_be_stopped_from_another_event_loop(
    make_server: MakeServer, cluster_dir: Path
) -> None:
    server = make_server()
    await server.start()
    await asyncio.to_thread(asyncio.run, server.stop())
    assert not server.running


async def test_no_secret_of_ours_reaches_the_server_s_environment(
    make_server: MakeServer, cluster_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hush")
    monkeypatch.setenv("PGDATA", "/elsewhere")
    server = make_server()
    await server.start()
    assert server.pid is not None
    environment = psutil.Process(server.pid).environ()
    assert set(environment) <= {"PATH", "LC_ALL", "TZ", "ICU_DATA", "PG_GRANDPARENT_PID"}


class TestAddresses:
    async def test_tcp_is_loopback_with_the_password_only(
        self, make_server: MakeServer, cluster_dir: Path
    ) -> None:
        server = make_server(tcp_port=0, password="right")
        database = await server.start()
        admin = await database.connect("supabase_admin")
        await admin.execute("create role postgres login; create role passer login")
        await admin.close()
        await server.stop()
        # The password is set at the start that finds the role.
        server = make_server(tcp_port=0, password="right")
        await server.start()
        port = server.tcp_port

        async def connect(**who: str) -> None:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=port, database="postgres", ssl=False, **who
            )
            await connection.close()

        await connect(user="postgres", password="right")
        refusals: list[tuple[dict[str, str], type[Exception]]] = [
            ({"user": "postgres", "password": "wrong"}, asyncpg.InvalidPasswordError),
            ({"user": "passer", "password": ""}, asyncpg.InvalidPasswordError),
            (
                {"user": "supabase_admin", "password": "right"},
                asyncpg.InvalidAuthorizationSpecificationError,
            ),
        ]
        for who, refusal in refusals:
            with pytest.raises(refusal):
                await connect(**who)
        with socket.socket() as other, pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.2", port))

    async def test_a_new_password_takes_effect_at_the_next_start(
        self, make_server: MakeServer, cluster_dir: Path
    ) -> None:
        server = make_server(tcp_port=0, password="first")
        admin = await (await server.start()).connect("supabase_admin")
        await admin.execute(f"create role postgres login password '{scram_verifier('first')}'")
        await admin.close()
        await server.stop()
        server = make_server(tcp_port=0, password="second")
        await server.start()
        address = {"host": "127.0.0.1", "port": server.tcp_port, "user": "postgres", "ssl": False}
        connection = await asyncpg.connect(**address, password="second", database="postgres")
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(**address, password="first", database="postgres")
        assert "second" not in (cluster_dir.parent / "postgres.log").read_text()

    async def test_without_a_port_nothing_listens_on_tcp(
        self, make_server: MakeServer, cluster_dir: Path
    ) -> None:
        server = make_server()
        await server.start()
        assert server.pid is not None
        listening = psutil.Process(server.pid).net_connections("inet")
        assert listening == []

    async def test_a_taken_port_is_named_with_its_settings(
        self, make_server: MakeServer, cluster_dir: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server = make_server(tcp_port=port)
            with pytest.raises(ConfigError, match=str(port)) as raised:
                await server.start()
        assert raised.value.code == "port_in_use"
        assert "db.port" in (raised.value.hint or "")
        assert "HEADWAY_LOCAL_DB_PORT" in (raised.value.hint or "")
        assert not server.running
        await make_server(tcp_port=port).start()


class TestRecovery:
    async def test_a_killed_server_comes_back_with_its_data(
        self, make_server: MakeServer, cluster_dir: Path
    ) -> None:
        server = make_server(durable=True)
        connection = await (await server.start()).connect("supabase_admin")
        await connection.execute("create table kept as select 7 as n")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        connection.terminate()
        await server.stop()
        server = make_server()
        connection = await (await server.start()).connect("supabase_admin")
        assert await connection.fetchval("select n from kept") == 7
        await connection.close()

    async def test_the_number_of_a_dead_server_may_belong_to_another_process(
        self, make_server: MakeServer, cluster_dir: Path
    ) -> None:
        (cluster_dir / "postmaster.pid").write_text(
            f"{os.getppid()}\n{cluster_dir}\n1\n5432\n/tmp\n\n 1 2\nready   \n"
        )
        await make_server().start()

    async def test_a_garbled_pid_file_is_no_obstacle(
        self, make_server: MakeServer, cluster_dir: Path
    ) -> None:
        (cluster_dir / "postmaster.pid").write_text("garbled")
        await make_server().start()

    async def test_a_server_that_cannot_start_says_why_and_is_gone(
        self, make_server: MakeServer, cluster_dir: Path
    ) -> None:
        server = make_server(settings={"shared_buffers": "much"})
        with pytest.raises(ConfigError, match="shared_buffers") as raised:
            await server.start()
        assert raised.value.code == "postgres_not_started"
        assert "postgres.log" in (raised.value.hint or "")
        assert not server.running
        await make_server().start()


def _machine_s_own() -> Binaries | None:
    account = server_account(None)
    for directory in _machine_directories():
        version = _version(directory / "postgres")
        if version and int(version.split(".")[0]) >= OLDEST_MAJOR and account.can_enter(directory):
            return _in_place(directory, version, "path", account)
    return None


async def test_the_machine_s_own_postgres_serves_as_well(make_server: MakeServer) -> None:
    binaries = _machine_s_own()
    if binaries is None:
        pytest.skip(f"this machine has no Postgres {OLDEST_MAJOR} or newer of its own")
    database = await make_server(binaries=binaries).start()
    connection = await database.connect("supabase_admin")
    try:
        number = await connection.fetchval("select current_setting('server_version_num')::int")
        assert number // 10000 == binaries.major
        assert await connection.fetchval("show wal_level") == "logical"
        assert await connection.fetchval("select upper('é')") == "É"
    finally:
        await connection.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its privileges")
async def test_both_reachable_and_unreachable_places_serve_root(
    make_server: MakeServer, tmp_path: Path, open_dir: Path
) -> None:
    tmp_path.chmod(0o700)
    shown = []
    for place in (tmp_path, open_dir):
        database = await make_server(data_dir=place / "postgres").start()
        connection = await database.connect("supabase_admin")
        shown.append(await connection.fetchval("show data_directory"))
        # Each of these reads the directory again, from a process of its own.
        await connection.execute("create database another")
        assert await connection.fetchval("select pg_reload_conf()")
        await connection.execute("checkpoint")
        await connection.close()
    assert shown[0].startswith("/proc/self/fd/")
    assert shown[1] == str(open_dir / "postgres")
