"""Every SQL example of docs/operations.md runs, as its operator."""

from __future__ import annotations

from support.documents import examples
from support.people import Project


def test_the_examples_run(own_project: Project) -> None:
    blocks = examples("operations.md", "sql")
    assert {block.caller for block in blocks} == {"editor"}
    for block in blocks:
        text = block.text.rstrip().rstrip(";")
        own_project.owner(text if text.startswith("select") else f"{text} returning 1")
