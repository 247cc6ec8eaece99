"""Which modules a worker is made of, and what finding them does to the process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headway import ConfigError
from headway.cli.worker import gather_workers


def test_gathering_again_finds_the_same_in_the_same_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "gathered_once.py"
    module.write_text(
        "from headway import Worker\n"
        "worker = Worker()\n"
        "@worker.job('test.gathered')\n"
        "async def gathered(ctx, payload: dict) -> None: ...\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    assert "test.gathered" in gather_workers(["gathered_once"]).registry
    places = list(sys.path)
    assert "test.gathered" in gather_workers(["gathered_once"]).registry
    assert sys.path == places
    monkeypatch.delitem(sys.modules, "gathered_once")


def test_a_module_that_declares_nothing_is_named() -> None:
    with pytest.raises(ConfigError) as refused:
        gather_workers(["json"])
    assert (refused.value.code, "json" in refused.value.message) == ("worker_missing", True)
