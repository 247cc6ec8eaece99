"""A job or a seat, as a CV tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from headway.sandbox.answers.cv.lines import Line

__all__ = ["Role", "told_in"]


@dataclass(frozen=True, slots=True)
class Role:
    """A job or a seat, as it is told."""

    title: str | None
    company: str | None
    location: str | None
    start: str | None
    end: str | None
    current: bool
    description: str | None
    achievements: tuple[str, ...] = field(default=())
    size: str | None = None
    board: bool = False


def told_in(body: Sequence[Line]) -> tuple[list[str], list[str]]:
    """The bullets and the prose of an entry.

    Args:
        body: Its lines below the header.
    """
    bullets: list[str] = []
    prose: list[str] = []
    for line in body:
        if line.bullet:
            bullets.append(line.text)
        elif not re.fullmatch(
            r"(?i)(?:key )?(?:achievements|responsibilities|highlights|duties|aufgaben|erfolge)\s*:?",
            line.text,
        ):
            prose.append(line.text)
    return bullets, prose
