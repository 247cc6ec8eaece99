"""A session's tokens are readable for their owner alone, whoever has prepared the place."""

from __future__ import annotations

import os
from pathlib import Path

from headway.cli.jobs.sessions import Session, SessionStore

SESSION = Session(access_token="access", refresh_token="refresh", user_id="7d0c1f7e")


def test_nobody_else_reads_it_whatever_the_umask(tmp_path: Path) -> None:
    store = SessionStore(tmp_path / "sessions" / "a.json")
    former = os.umask(0)
    try:
        with store.locked():
            store.write(SESSION)
    finally:
        os.umask(former)
    assert store.read() == SESSION
    assert store.path.parent.stat().st_mode & 0o777 == 0o700
    for file in store.path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0
    store.write(SESSION)
    assert {file.name for file in store.path.parent.iterdir()} == {"a.json", "a.lock"}


def test_links_are_replaced_and_never_followed(tmp_path: Path) -> None:
    folder, readable = tmp_path / "sessions", tmp_path / "readable"
    folder.mkdir()
    readable.write_text("public")
    (folder / "a.json").symlink_to(readable)
    (folder / f"a.{os.getpid()}.tmp").symlink_to(readable)
    store = SessionStore(folder / "a.json")
    store.write(SESSION)
    assert readable.read_text() == "public"
    assert not store.path.is_symlink()
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_tokens_are_in_no_traceback() -> None:
    assert 'refresh"' not in repr(SESSION)
    assert "access_token" not in repr(SESSION)
