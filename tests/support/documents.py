"""The examples of a page, so that tests can run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOCS", "Example", "examples"]

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Example:
    """One fenced block: its language, who runs it, its text, and the line it begins at."""

    language: str
    caller: str
    text: str
    line: int


def examples(page: str, language: str) -> list[Example]:
    """The fenced blocks of a language in a page of ``docs/`` that name a caller, in order.

    Args:
        page: A file name such as ``sql.md``.
        language: What follows the fence; after it stands the caller: ``sql person``.
    """
    text = (DOCS / page).read_text()
    return [
        Example(match[1], match[2], match[3], text[: match.start()].count("\n") + 2)
        for match in re.finditer(r"^```(\w+) (\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        if match[1] == language
    ]
