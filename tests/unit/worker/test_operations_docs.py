"""docs/operations.md names the figures and settings that there are, and all of the figures."""

from __future__ import annotations

import re
from pathlib import Path

from headway.link import RealtimeLink
from headway.settings import WorkerSettings
from headway.worker.metrics import Metrics
from headway.worker.service import Condition

TEXT = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")
OF_PROCESSES = "process_"


def offered() -> set[str]:
    """The names that a scrape has, as queries write them."""
    metrics = Metrics(
        lambda: Condition(live=True, ready=True),
        link=RealtimeLink("http://127.0.0.1:1", "key"),
        version="1",
        worker="w",
        kinds=["a.b"],
    )
    suffixes = {"counter": "_total", "info": "_info"}
    found = {family.name + suffixes.get(family.type, "") for family in metrics.registry.collect()}
    # Only there once a connection has proven itself.
    return {name for name in found if not name.startswith(OF_PROCESSES)} | {"headway_link_proof_age_seconds"}


def test_every_figure_is_in_the_table_and_none_that_is_not() -> None:
    named = set(re.findall(r"\bheadway_[a-z_]+", TEXT)) - {"headway_private"}
    assert named == offered()


def test_every_setting_that_is_named_is_one() -> None:
    known = {f"HEADWAY_{name.upper()}" for name in WorkerSettings.model_fields}
    assert set(re.findall(r"\bHEADWAY_[A-Z_]+", TEXT)) <= known


def test_the_receiver_in_the_text_is_python() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    compile(example, "docs/operations.md", "exec")
    assert "verify_webhook(await request.body(), request.headers, SECRET)" in example
