"""A data directory is made whole or not at all, and one that does not fit is left as it was."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from headway.errors import ConfigError
from headway.local.postgres import install
from headway.local.postgres.accounts import server_account
from headway.local.postgres.binaries import Binaries
from headway.local.postgres.server import PostgresServer
from support.processes import all_gone

from .conftest import MakeServer


def _partial(directory: Path) -> Path | None:
    """Where ``initdb`` is at work, once it has begun to write."""
    return next((place for place in directory.glob(".postgres.initdb-*") if any(place.iterdir())), None)


async def _begun(directory: Path) -> Path:
    while (partial := _partial(directory)) is None:
        await asyncio.sleep(0.002)
    return partial


async def test_a_cancelled_start_leaves_nothing(make_server: MakeServer, tmp_path: Path) -> None:
    starting = asyncio.create_task(make_server(durable=True).start())
    await _begun(tmp_path)
    initdb = [child for child in psutil.Process().children(recursive=True) if child.name() == "initdb"]
    assert initdb
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert all_gone(initdb, timeout=0)
    assert {entry.name for entry in tmp_path.iterdir()} == {"postgres.lock", "postgres.log"}
    await make_server().start()


async def test_a_killed_start_is_begun_anew(make_server: MakeServer, tmp_path: Path) -> None:
    holder = [sys.executable, Path(__file__).with_name("holder.py"), tmp_path / "postgres", "pipe", "durable"]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        partial = await _begun(tmp_path)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    assert not (tmp_path / "postgres").exists()
    database = await make_server().start()
    assert not partial.exists()
    connection = await database.connect("supabase_admin")
    assert await connection.fetchval("select count(*) from pg_database") == 3
    await connection.close()


async def test_a_failing_initdb_is_quoted_and_leaves_nothing(
    make_server: MakeServer, binaries: Binaries, tmp_path: Path, open_dir: Path
) -> None:
    (open_dir / "initdb").write_text("#!/bin/sh\necho 'initdb: error: no space left for this' >&2\nexit 1\n")
    (open_dir / "initdb").chmod(0o755)
    server = make_server(binaries=replace(binaries, bin_dir=open_dir))
    with pytest.raises(ConfigError, match="no space left for this") as raised:
        await server.start()
    assert raised.value.code == "initdb_failed"
    assert {entry.name for entry in tmp_path.iterdir()} == {"postgres.lock", "postgres.log"}


class TestThrowaway:
    """Clusters without durability are copies of one that ``initdb`` has made."""

    @pytest.fixture(autouse=True)
    def cache(self, open_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(install, "_candidates", lambda: iter([open_dir / "cache"]))
        return open_dir / "cache"

    @staticmethod
    async def _identity(server: PostgresServer) -> int:
        connection = await (await server.start()).connect("supabase_admin")
        try:
            identity = await connection.fetchval("select system_identifier from pg_control_system()")
        finally:
            await connection.close()
        await server.stop()
        assert isinstance(identity, int)
        return identity

    async def test_the_second_is_a_copy_and_a_durable_one_is_not(
        self, make_server: MakeServer, tmp_path: Path
    ) -> None:
        first, second, third = [
            await self._identity(make_server(data_dir=tmp_path / name, durable=durable))
            for name, durable in (("a", False), ("b", False), ("c", True))
        ]
        assert first == second != third

    async def test_a_template_of_which_something_is_missing_is_made_anew(
        self, make_server: MakeServer, tmp_path: Path, cache: Path
    ) -> None:
        first = await self._identity(make_server(data_dir=tmp_path / "a"))
        (control,) = cache.glob("clusters/*/data/global/pg_control")
        control.unlink()
        second = await self._identity(make_server(data_dir=tmp_path / "b"))
        third = await self._identity(make_server(data_dir=tmp_path / "c"))
        assert first != second == third

    async def test_the_template_belongs_to_us_and_a_copy_to_the_server_s_user(
        self, make_server: MakeServer, tmp_path: Path, cache: Path
    ) -> None:
        await self._identity(make_server(data_dir=tmp_path / "a"))
        await self._identity(make_server(data_dir=tmp_path / "b"))
        uid = server_account(None).uid
        assert {file.stat().st_uid for file in (tmp_path / "b").rglob("*")} == {uid}
        assert {file.stat().st_uid for file in cache.rglob("*")} == {os.geteuid()}
        (data,) = cache.glob("clusters/*/data")
        assert stat.S_IMODE(data.stat().st_mode) == 0o700

    async def test_a_cancelled_copy_leaves_nothing(self, make_server: MakeServer, tmp_path: Path) -> None:
        await self._identity(make_server(data_dir=tmp_path / "a"))
        starting = asyncio.create_task(make_server().start())
        await _begun(tmp_path)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        left = {entry.name for entry in tmp_path.iterdir() if "postgres" in entry.name}
        assert left == {"postgres.lock", "postgres.log"}


async def test_an_empty_directory_is_used(make_server: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    await make_server().start()


async def test_another_major_version_s_directory_is_refused_untouched(
    make_server: MakeServer, cluster_dir: Path
) -> None:
    (cluster_dir / "PG_VERSION").write_text("16\n")
    before = _contents(cluster_dir)
    with pytest.raises(ConfigError, match="made by Postgres 16") as raised:
        await make_server().start()
    assert raised.value.code == "data_dir_version"
    assert "pg_dumpall" in (raised.value.hint or "")
    assert "HEADWAY_LOCAL_POSTGRES_BIN" in (raised.value.hint or "")
    assert _contents(cluster_dir) == before


async def test_a_directory_with_other_things_in_it_is_refused_untouched(
    make_server: MakeServer, tmp_path: Path
) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "thesis.txt").write_text("all of it")
    with pytest.raises(ConfigError, match="no Postgres data directory") as raised:
        await make_server().start()
    assert raised.value.code == "data_dir_unknown"
    assert (tmp_path / "postgres" / "thesis.txt").read_text() == "all of it"


async def test_a_file_in_its_place_is_named(make_server: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("")
    with pytest.raises(ConfigError, match="postgres cannot be read") as raised:
        await make_server().start()
    assert raised.value.code == "data_dir_unreadable"


async def test_links_that_the_server_s_user_laid_are_not_followed(
    make_server: MakeServer, cluster_dir: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("untouched")
    for name in ("headway.conf", "pg_hba.conf"):
        (cluster_dir / name).unlink()
        (cluster_dir / name).symlink_to(precious)
    await make_server().start()
    assert precious.read_text() == "untouched"
    assert not (cluster_dir / "headway.conf").is_symlink()


async def test_a_large_log_is_rotated_once(make_server: MakeServer, cluster_dir: Path) -> None:
    log = cluster_dir.parent / "postgres.log"
    with log.open("wb") as file:
        os.truncate(file.fileno(), 11 * 1024 * 1024)
    await make_server().start()
    assert log.with_name("postgres.log.1").stat().st_size == 11 * 1024 * 1024
    assert "ready to accept connections" in log.read_text()


def _contents(directory: Path) -> dict[str, tuple[int, int]]:
    return {
        str(file.relative_to(directory)): (file.stat().st_mtime_ns, file.stat().st_size)
        for file in directory.rglob("*")
        if file.is_file()
    }
