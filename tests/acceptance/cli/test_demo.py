"""``headway demo`` tells the whole story anywhere, keeps to the truth, and leaves nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from .conftest import Shop

COSTS = Path(__file__).parents[3] / "docs" / "pipelines" / "costs.md"


def descendants() -> set[int]:
    """Processes below this one, whatever has become of their parents meanwhile."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_a_cv_becomes_a_profile_although_its_worker_is_killed(shop: Shop) -> None:
    outside = Shop(shop.root / "supabase" / "migrations", shop.temporary)
    before, processes = sorted(shop.root.rglob("*")), descendants()
    done = outside.run("demo", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["steps_not_repeated"] == ["extract", "parse"]
    assert figures["model_calls"] == 2
    assert figures["events"] > 10
    assert figures["profile"]["current_role"]["company"] == "Nordvind Energi A/S"
    told = " ".join(done.stderr.split())
    for shown in (
        "Postgres, REST, Auth, Storage, Realtime",
        "killed with SIGKILL",
        "lease has run out",
        "stage biography",
        "Helena Sørensen-Okafor",
        "Nordvind Energi",
        "Copenhagen Business School",
        "University of Lagos",
        "Everything is gone again",
    ):
        assert shown in told, done.stderr
    assert sorted(shop.root.rglob("*")) == before
    assert descendants() <= processes


def test_all_five_pipelines_complete_at_once(shop: Shop) -> None:
    done = shop.run("demo", "--all", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    told = " ".join(done.stderr.split())
    assert "All five have completed" in told
    for title in ("CV to profile", "Talk track", "Handbook document", "Video to docs", "Business discovery"):
        assert f"{title} 100 % completed" in told
    figures = json.loads(done.stdout)
    # The document that says what the samples cost tells the truth, to the fourth digit.
    costs = {title: Decimal(cost).quantize(Decimal("0.0001")) for title, cost in figures["costs"].items()}
    stated = re.findall(r"^\|[^|]+\|[^|]+\| \$([0-9.]+)", COSTS.read_text("utf-8"), re.MULTILINE)
    assert [Decimal(amount) for amount in stated] == [*costs.values()]


def test_a_file_that_is_no_cv_ends_the_demo_with_what_is_wrong(shop: Shop) -> None:
    (shop.root / "cv.pdf").write_bytes(b"MZ" + bytes(2000))
    done = shop.run("demo", "cv.pdf")
    assert done.returncode != 0
    assert "error:" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Everything is gone again" in done.stdout
    missing = shop.run("demo", "nowhere.pdf")
    assert missing.returncode == 1
    assert "nowhere.pdf" in missing.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_ended_leaves_no_process(shop: Shop, number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "out"
    with log.open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, "-u", "-m", "headway.cli", "demo", "--keep"],
            stdout=subprocess.PIPE,
            stderr=out,
            cwd=shop.root,
            env={**os.environ, "TMPDIR": str(shop.temporary), "PYTHONUNBUFFERED": "1"},
        )
        assert demo.stdout is not None
        for line in demo.stdout:
            if b"A worker takes jobs" in line:
                break
        children = psutil.Process(demo.pid).children(recursive=True)
        assert len(children) >= 4  # stack, its Postgres, sandbox, worker, and who watches over them
        demo.send_signal(number)
        demo.stdout.read()
        demo.wait(60)
        demo.stdout.close()
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    assert len(gone) == len(children)
