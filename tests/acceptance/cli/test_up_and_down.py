"""Stacks come up, go down, come back, and do not get into each other's way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from headway.local.postgres.accounts import server_account
from support.processes import all_gone, family

from .conftest import FREE_PORTS, Shop, new_shop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(shop: Shop, number: signal.Signals) -> None:
    with shop.up() as (process, _):
        processes = family(process.pid)
        assert len(processes) > 3
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
        assert all_gone(processes, timeout=1)
    assert not (shop.data_dir / "postgres" / "postmaster.pid").exists()
    assert shop.run("status").returncode == 3


def test_data_and_keys_outlive_it_even_when_it_is_killed(shop: Shop) -> None:
    first = shop.json("up", "--detach", "--json", *FREE_PORTS)
    status = shop.json("status", "-o", "json")
    processes = family(status.pop("stack")["pid"])
    assert status == first
    assert shop.run("sql", "-c", "insert into things values (7, 'kept')").returncode == 0
    processes[0].kill()
    # At once, while the killed one's Postgres may still be going down.
    second = shop.json("up", "--detach", "--json", *FREE_PORTS)
    assert all_gone(processes)
    same = {name for name in first if name.endswith(("KEY", "SECRET"))}
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    rows = shop.json("sql", "--json", "-c", "select id from things order by id")
    assert [row["id"] for row in rows] == [1, 2, 7], (
        "migrations or seed were applied twice, or data were lost"
    )
    assert shop.json("down", "--json")["stopped"] is True
    assert shop.json("down", "--json")["stopped"] is False


def test_a_stack_that_is_still_starting_can_be_stopped(shop: Shop) -> None:
    with shop.start("up", *FREE_PORTS) as process:
        while not (shop.data_dir / "postgres.lock").exists():
            assert process.poll() is None
        assert shop.json("down", "--json")["stopped"] is True
        assert process.wait(timeout=30) == 0
    # Whatever it was interrupted in, the next one completes it.
    with shop.up():
        assert len(shop.json("sql", "--json", "-c", "select * from things")) == 2


def test_a_stopped_stack_can_be_reset(shop: Shop) -> None:
    with shop.up():
        shop.run("sql", "-c", "drop table things; create table other (n int)")
    done = shop.run("reset")
    assert done.returncode == 0, done.stderr
    assert shop.run("status").returncode == 3
    with shop.up():
        assert len(shop.json("sql", "--json", "-c", "select * from things")) == 2
        assert shop.run("sql", "-c", "select * from other").returncode == 1


def test_two_stacks_run_side_by_side(shop: Shop) -> None:
    with new_shop() as neighbour, shop.up() as (_, ours), neighbour.up() as (_, theirs):
        assert not set(ours.values()) & set(theirs.values())
        shop.run("sql", "-c", "insert into things values (5, 'ours')")
        counts = [len(each.json("sql", "--json", "-c", "select * from things")) for each in (shop, neighbour)]
        assert counts == [3, 2]


def test_a_taken_port_is_named_with_its_key_and_nothing_is_left(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (shop.root / "supabase" / "config.toml").write_text(f"[api]\nport = {port}\n[db]\nport = {port}\n")
        for options, key in (
            (["--db-port", "0", "--inbox-port", "0"], "api.port"),
            (["--port", "0", "--inbox-port", "0"], "db.port"),
        ):
            refused = shop.run("up", *options)
            assert refused.returncode == 1
            assert str(port) in refused.stderr
            assert key in refused.stderr
            assert "Traceback" not in refused.stderr
            assert shop.run("status").returncode == 3


@pytest.mark.parametrize("how", [["up"], ["up", "--detach"], ["reset"]], ids=" ".join)
def test_a_failing_migration_is_named_and_stops_the_start(shop: Shop, how: list[str]) -> None:
    file = shop.root / "supabase" / "migrations" / "20260102000000_broken.sql"
    file.write_text("create table fine (n int);\n\ncreate table broken (n nosuchtype);\n")
    failed = shop.run(*how, *(FREE_PORTS if "up" in how else []))
    assert failed.returncode == 1
    assert "20260102000000_broken.sql" in failed.stderr
    assert "nosuchtype" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert shop.run("status").returncode == 3
    if how == ["up"]:
        # Nothing of the failed file has stayed, so that it can be applied once it is right.
        file.write_text("create table fine (n int);\n")
        with shop.up():
            assert shop.json("sql", "--json", "-c", "select * from fine") == []


def test_a_failing_reset_of_a_running_stack_is_told_too(shop: Shop) -> None:
    with shop.up():
        file = shop.root / "supabase" / "migrations" / "20260102000000_broken.sql"
        file.write_text("create table broken (n nosuchtype);\n")
        failed = shop.run("reset")
        assert failed.returncode == 1
        assert "20260102000000_broken.sql" in failed.stderr
        file.unlink()
        assert shop.run("reset").returncode == 0
        assert len(shop.json("sql", "--json", "-c", "select * from things")) == 2


def test_a_stack_whose_postgres_dies_says_so_and_ends(shop: Shop) -> None:
    with shop.up() as (process, _):
        postmaster = int((shop.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        psutil.Process(postmaster).kill()
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "error: Postgres ended unexpectedly" in stderr


def test_commands_without_a_stack_say_so(shop: Shop) -> None:
    for command in (["status"], ["sql", "-c", "select 1"], ["psql"]):
        answer = shop.run(*command)
        assert answer.returncode == 3
        assert answer.stderr.startswith("error: No stack is running")
        assert "headway up" in answer.stderr
    assert not shop.data_dir.exists()


def _python_for_everybody() -> str | None:
    """An interpreter of this version that any user may run, with the packages of this environment."""
    account = server_account("nobody")
    packages = Path(psutil.__file__).parents[1]
    if not (account.can_enter(packages) and account.can_enter(Path(__file__).parents[3] / "src")):
        return None
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for candidate in (Path(sys.executable), Path("/usr/bin", version), Path("/usr/local/bin", version)):
        if candidate.exists() and account.can_enter(candidate.resolve().parent):
            return str(candidate)
    return None


def test_a_normal_user_needs_no_privileges(shop: Shop, tmp_path: Path) -> None:
    """As root: the same as another user; as anybody else: as oneself, which every other test does."""
    if os.geteuid() != 0:
        pytest.skip("every other test runs as a normal user already")
    python = _python_for_everybody()
    if python is None:
        pytest.skip("no interpreter and packages that another user could read")
    account = server_account("nobody")
    for place in (shop.root, *shop.root.rglob("*"), shop.temporary):
        os.chown(place, account.uid, account.gid)
    source = Path(__file__).parents[3] / "src"
    packages = Path(psutil.__file__).parents[1]
    done = subprocess.run(
        [python, "-m", "headway.cli", "up", "--ephemeral", "--", "sh", "-c", "id -u; echo $SUPABASE_URL"],
        cwd=shop.root,
        env={
            "PATH": os.defpath,
            "PYTHONPATH": f"{source}{os.pathsep}{packages}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(shop.temporary),
            "XDG_CACHE_HOME": str(shop.root / "cache"),
            "HOME": "/nonexistent",
        },
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    uid, url = done.stdout.split()
    assert int(uid) == account.uid
    assert url.startswith("http://127.0.0.1:")
