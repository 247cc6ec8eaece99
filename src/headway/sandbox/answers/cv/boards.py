"""Tells a seat on a board from a job, by its title, in many languages."""

from __future__ import annotations

import re

from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.vocabulary import pattern

__all__ = ["is_board_title"]

_SEAT = pattern("board_titles")
_EXECUTIVE = pattern("executive_titles")
_NON_EXECUTIVE = re.compile(r"\bnon[- ]?exec|\bindependent\b|\bindependiente\b|\bindependant\b")


def is_board_title(title: str | None) -> bool:
    """Whether a title is that of a seat on a board.

    Args:
        title: As written.
    """
    if not title:
        return False
    low = fold(title)
    if not _SEAT.search(low):
        return False
    return not _EXECUTIVE.search(low) or bool(_NON_EXECUTIVE.search(low))
