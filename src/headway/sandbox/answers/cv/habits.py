"""Where the entries of a section of jobs begin, and what completes their headers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headway.sandbox.answers.cv.boards import is_board_title
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.headers import parts_of, sorted_parts
from headway.sandbox.answers.cv.vocabulary import phrases
from headway.sandbox.answers.cv.words import company_score, title_score

__all__ = ["completes", "completes_by_habit", "may_begin"]


def may_begin(text: str, *, boards: bool) -> bool:
    """Whether a line without a date can begin an entry.

    Args:
        text: One line.
        boards: Whether it is a section of seats on boards.
    """
    if len(text.split()) > 14:
        return False
    parts = parts_of(text)
    if boards:
        return len(parts) > 1 or is_board_title(text) or company_score(text) > 0
    return len(parts) > 1 and max(title_score(part) for part in parts) >= 0.5


def completes(header: Sequence[str], text: str) -> bool:
    """Whether a line names the employer of a title, or the title at an employer.

    Args:
        header: The lines of the header so far.
        text: The line.
    """
    if is_board_title(text) and any(is_board_title(line) for line in header):
        return False
    named = [part for line in header for part in sorted_parts(line)[0]]
    if len(named) != 1:
        return False
    title = title_score(named[0]) >= 0.5 or is_board_title(named[0])
    adds_title = max((title_score(part) for part in parts_of(text)), default=0) >= 0.5
    if title:
        return company_score(text) > 0 or not adds_title
    return adds_title or company_score(text) > 0 == company_score(named[0])


def completes_by_habit(header: Sequence[str], text: str) -> bool:
    """As ``completes``, in a section where employers stand in lines of their own.

    Args:
        header: The lines of the header so far.
        text: The line.
    """
    if completes(header, text):
        return True
    if len(header) != 1 or company_score(header[0]) or len(text.split()) > 8 or text.endswith("."):
        return False
    if title_score(text) >= 0.5 or is_board_title(text):
        return False
    # Below a title that nobody knows, what looks like a name: "CSIC", "Heijmans, Rosmalen".
    return title_score(header[0]) > 0 or _is_name_like(text)


def _is_name_like(text: str) -> bool:
    words = re.findall(r"[^\W\d_]+", text)
    large = all(word[:1].isupper() or fold(word) in phrases("particles") for word in words)
    return 1 <= len(words) <= 5 and words[0][:1].isupper() and large
