"""One data directory has one server, a server has one owner, and neither survives the other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from headway.errors import ConfigError
from headway.local.postgres import hold
from headway.local.postgres.accounts import server_account
from headway.local.postgres.binaries import Binaries
from headway.local.postgres.process import ParentGuard
from support.processes import all_gone

from .conftest import MakeServer

GUARDS = [
    pytest.param("pdeathsig", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only")),
    "pipe",
]


def _start(data_dir: Path, guard: str = "pipe") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name("holder.py"), data_dir, guard],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def _holder(data_dir: Path, guard: str = "pipe") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process with a server on ``data_dir``, and the server's process id."""
    with _start(data_dir, guard) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            word, pid = process.stdout.readline().split()
            assert word == "ready"
            yield process, int(pid)
        finally:
            if process.poll() is None:
                process.stdin.write("stop\n")


def _family(pid: int) -> list[psutil.Process]:
    """A server, its children, and the watchdog above it."""
    server = psutil.Process(pid)
    parent = server.parent()
    watchdog = [parent] if parent is not None and parent.name() in ("sh", "dash", "bash") else []
    return [server, *server.children(recursive=True), *watchdog]


@pytest.mark.parametrize("guard", GUARDS)
async def test_a_server_ends_with_its_killed_owner(
    guard: str, cluster_dir: Path, make_server: MakeServer
) -> None:
    with _holder(cluster_dir, guard) as (owner, pid):
        family = _family(pid)
        assert len(family) > 3
        assert owner.stdin is not None
        owner.stdin.write("die\n")
        owner.stdin.flush()
        assert owner.wait(timeout=10) == -signal.SIGKILL
        assert all_gone(family)
    # It went down in order, so there is nothing to recover from.
    assert not (cluster_dir / "postmaster.pid").exists()
    await make_server().start()


@pytest.mark.parametrize("guard", GUARDS)
def test_a_server_ends_with_its_owner_s_own_stop(guard: str, cluster_dir: Path) -> None:
    with _holder(cluster_dir, guard) as (owner, pid):
        family = _family(pid)
        assert owner.stdin is not None
        owner.stdin.write("stop\n")
        owner.stdin.flush()
        assert owner.wait(timeout=20) == 0
        assert all_gone(family, timeout=0)


@pytest.mark.parametrize("guard", GUARDS)
async def test_a_process_with_many_open_files_can_start_a_server(
    guard: ParentGuard, cluster_dir: Path, make_server: MakeServer
) -> None:
    # Some shells know descriptors of one digit only.
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(cluster_dir.parent.joinpath("postgres.log").open("a"))
        server = make_server(guard=guard)
        database = await server.start()
    connection = await database.connect("supabase_admin")
    await connection.close()
    assert server.pid is not None
    family = _family(server.pid)
    await server.stop()
    assert all_gone(family, timeout=0)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_the_server_has_no_process_between_it_and_its_owner(cluster_dir: Path) -> None:
    with _holder(cluster_dir, "pdeathsig") as (owner, pid):
        assert psutil.Process(pid).ppid() == owner.pid


async def test_a_second_server_is_refused_and_told_by_whom(
    cluster_dir: Path, make_server: MakeServer
) -> None:
    with _holder(cluster_dir) as (owner, pid):
        with pytest.raises(ConfigError, match=rf"in use by process {owner.pid} ") as raised:
            await make_server().start()
        assert raised.value.code == "data_dir_in_use"
        assert psutil.pid_exists(pid), "the refused one has harmed the first"


async def test_a_second_server_of_the_same_process_is_refused(
    cluster_dir: Path, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "_ORPHAN_GRACE_S", 0.05)
    first = make_server()
    database = await first.start()
    with pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"):
        await make_server().start()
    connection = await database.connect("supabase_admin")
    await connection.close()


async def test_a_server_that_somebody_started_by_hand_is_respected(
    cluster_dir: Path, make_server: MakeServer, binaries: Binaries
) -> None:
    # Its path must be one that the server's user can reach.
    account = server_account(None)
    descriptor = os.open(cluster_dir, os.O_RDONLY)
    place = f"/proc/self/fd/{descriptor}" if account.drops else str(cluster_dir)
    (cluster_dir / "headway.conf").write_text("listen_addresses = ''\nunix_socket_directories = ''\n")
    os.chown(cluster_dir / "headway.conf", account.uid, account.gid)
    who = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.drops else {}
    by_hand = subprocess.Popen(
        [binaries.tool("postgres"), "-D", place],
        pass_fds=[descriptor],
        stderr=subprocess.DEVNULL,
        **who,
    )
    os.close(descriptor)
    try:
        while not (cluster_dir / "postmaster.pid").exists():
            assert by_hand.poll() is None
            await asyncio.sleep(0.01)
        with pytest.raises(ConfigError, match=rf"in use by process {by_hand.pid} "):
            await make_server().start()
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait(timeout=20)
    await make_server().start()


async def test_an_owner_killed_a_moment_ago_is_waited_for(cluster_dir: Path, make_server: MakeServer) -> None:
    with _holder(cluster_dir, "pipe") as (owner, _):
        owner.kill()
        owner.wait()
    # The server may still be shutting down; the next start must not fail for that.
    await make_server().start()
