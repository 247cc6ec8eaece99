"""What the sandbox makes of a transcript: its own words, whether something is said or only shown."""

from __future__ import annotations

import pytest

from headway.sandbox.answers.registry import reply
from workers.video.chapters import ChapterArticle


@pytest.mark.parametrize(
    ("line", "heading", "text"),
    [
        ("[0] Press Save. (shown: A red button.)", "Press Save", "Press Save. (shown: A red button.)"),
        ("[0]  (shown: A red button.)", "A red button", "A red button."),
        ("[0] Press Save.", "Press Save", "Press Save."),
    ],
)
def test_an_article_is_headed_by_what_is_said_or_else_shown(line: str, heading: str, text: str) -> None:
    asked = f"Chapter: Saving\n<document>\n{line}\n</document>"
    answer = reply(asked, ChapterArticle.model_json_schema())
    assert answer["title"] == "Saving"
    assert answer["markdown"].startswith(f"## {heading}\n\n{text}\n\n*")
