"""The sanitiser's output in a real Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headway.sandbox.answers.handbook import handbook_page
from support.node import Node
from workers.document.sanitise import Sanitiser

pytestmark = [pytest.mark.node, pytest.mark.browser]

SAMPLES: list[str] = json.loads((Path(__file__).parents[2] / "js" / "hostile.json").read_text("utf-8"))


def test_what_is_left_of_attacks_does_nothing_in_a_browser(node: Node, tmp_path: Path) -> None:
    sanitiser = Sanitiser()
    # Alone, and all of them in one page: what one leaves open, another might close.
    attacks = [*(f"<p>x</p>{sample}" for sample in SAMPLES), "<p>x</p>" + "".join(SAMPLES)]
    _, page = handbook_page("Write a handbook. Rules, tools, people.", None)
    documents = tmp_path / "documents.json"
    documents.write_text(json.dumps([sanitiser.clean(html) for html in (*attacks, page)]), "utf-8")
    node.test("documents.test.mjs", {"DOCUMENTS": str(documents)}, tmp_path)
