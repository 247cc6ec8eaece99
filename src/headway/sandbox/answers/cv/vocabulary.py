"""The words that the rules know, in text files; ``#`` begins a comment.

Phrases are divided by commas, and by ``[group]`` where there are several kinds. Patterns are regular
expressions, one a line, for text that was folded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from headway.sandbox.answers.cv.folding import fold

__all__ = ["groups", "pattern", "phrases"]


@cache
def phrases(name: str) -> frozenset[str]:
    """All phrases of a file, folded.

    Args:
        name: Of the file, without ``.txt``.
    """
    return frozenset(phrase for found in groups(name).values() for phrase in found)


@cache
def groups(name: str) -> Mapping[str, frozenset[str]]:
    """The phrases of a file, folded, by the ``[group]`` that they stand under; ``""`` without one.

    Args:
        name: Of the file, without ``.txt``.
    """
    found: dict[str, set[str]] = {}
    group = ""
    for content in _lines(name):
        if content.startswith("[") and content.endswith("]"):
            group = content[1:-1]
            continue
        found.setdefault(group, set()).update(fold(each) for each in content.split(",") if each.strip())
    return MappingProxyType({key: frozenset(each) for key, each in found.items() if each})


@cache
def pattern(name: str) -> re.Pattern[str]:
    """Any of a file's patterns.

    Args:
        name: Of the file, without ``.txt``.
    """
    return re.compile("|".join(line for line in _lines(name) if line))


def _lines(name: str) -> list[str]:
    text = files("headway.sandbox.answers.cv").joinpath("vocabulary", f"{name}.txt").read_text("utf-8")
    return [line.partition("#")[0].strip() for line in text.splitlines()]
