"""Without an environment the commands find the stack that runs in the folder; in a terminal they draw."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import HEADWAY, Shop, new_shop

MIGRATIONS = Path(__file__).parents[3] / "supabase"
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

KIND = "test.local"
_CLAIM = f"""
select headway.register_worker('{"0" * 8}-0000-4000-8000-000000000001', 'typed', '[{{"kind": "{KIND}",
  "stages": [{{"name": "read", "label": "Reading"}}, {{"name": "write", "label": "Writing"}}]}}]');
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with new_shop() as made:
        shutil.rmtree(made.root / "supabase")
        shutil.copytree(MIGRATIONS, made.root / "supabase", ignore=shutil.ignore_patterns("seed.sql"))
        made.environment |= {"HEADWAY_STATE_DIR": str(made.root / "state"), "COLUMNS": "100"}
        with made.up():
            done = made.run("sql", "-c", _CLAIM)
            assert done.returncode == 0, done.stderr
            yield made


def test_the_stack_of_the_folder_is_used(shop: Shop) -> None:
    nobody = shop.run("list")
    assert (nobody.returncode, "nobody is signed in" in nobody.stderr) == (5, True)
    assert shop.json("login", "--anonymous", "--json")["user_id"]
    job = shop.json("submit", KIND, "--json")["id"]
    assert [each["id"] for each in shop.json("list", "--json")["jobs"]] == [job]
    assert shop.json("show", job, "--service", "--json")["id"] == job
    report = shop.json("doctor", "--json")
    assert {each["check"] for each in report["findings"] if each["verdict"] != "ok"} == set()


def test_the_folder_can_be_named_from_elsewhere(shop: Shop, tmp_path: Path) -> None:
    environment = shop._environment() | {"SUPABASE_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [*HEADWAY, "whoami", "--service", "--json", "--project", str(shop.root)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["service"] is True
    bare = subprocess.run(
        [*HEADWAY, "list", "--project", str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert bare.returncode in (1, 3)
    assert "hint: " in bare.stderr


def test_in_a_terminal_the_bars_are_drawn_in_place(shop: Shop) -> None:
    shop.json("login", "--anonymous", "--json")
    job = shop.json("submit", KIND, "--json")["id"]
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*HEADWAY, "watch", job],
        cwd=shop.root,
        env=shop._environment() | {"TERM": "xterm-256color"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    try:
        _read_until(leader, "○ Reading")
        assert shop.run("cancel", job).returncode == 0
        screen = _read_until(leader, "cancelled")
        assert process.wait(timeout=30) == 11
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    assert "\x1b[" in screen
    assert "○ Writing" in _ESCAPE.sub("", screen)


def _read_until(terminal: int, text: str) -> str:
    read = ""
    deadline = time.monotonic() + 60
    while text not in _ESCAPE.sub("", read):
        assert select.select([terminal], [], [], max(deadline - time.monotonic(), 0))[0], read
        read += os.read(terminal, 65536).decode("utf-8", "replace")
    return read
