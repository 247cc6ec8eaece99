"""A socket's directory is short, its owner's alone, and never one that somebody else has prepared."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from headway.local.postgres import sockets
from headway.local.postgres.accounts import ServerAccount
from headway.local.postgres.sockets import make_socket_dir, socket_dir

ME = ServerAccount("me", os.geteuid(), os.getegid(), drops=False)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sockets, "_parent", lambda: tmp_path)
    return tmp_path


def test_one_data_directory_has_one_socket_directory(runtime: Path, tmp_path: Path) -> None:
    made = make_socket_dir(tmp_path / "a", ME)
    assert made == socket_dir(tmp_path / "a") == make_socket_dir(tmp_path / "a", ME)
    assert made != make_socket_dir(tmp_path / "b", ME)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_directory_that_is_open_to_others_is_not_used(runtime: Path, tmp_path: Path, mode: int) -> None:
    prepared = socket_dir(tmp_path / "a")
    prepared.mkdir()
    prepared.chmod(mode)
    made = make_socket_dir(tmp_path / "a", ME)
    assert made != prepared
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_a_link_is_not_followed(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "trap").mkdir(mode=0o700)
    socket_dir(tmp_path / "a").symlink_to(tmp_path / "trap")
    assert not make_socket_dir(tmp_path / "a", ME).samefile(tmp_path / "trap")


def test_a_directory_of_another_user_is_not_used(runtime: Path, tmp_path: Path) -> None:
    socket_dir(tmp_path / "a").mkdir(mode=0o700)
    other = ServerAccount("other", ME.uid + 1, ME.gid, drops=False)
    assert make_socket_dir(tmp_path / "a", other) != socket_dir(tmp_path / "a")


def test_the_longest_socket_fits_every_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    deep.chmod(0o777)
    monkeypatch.setattr(sockets.tempfile, "gettempdir", lambda: str(deep))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    longest = socket_dir(deep / "a") / ".s.PGSQL.65535.lock"
    assert len(os.fsencode(longest)) <= 103
