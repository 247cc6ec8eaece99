"""Which titles are seats on a board, so that none is lost among the jobs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from workers.cv.months import plain

__all__ = ["board_seat"]

_TITLES = (Path(__file__).parent / "board_titles.txt").read_text(encoding="utf-8").splitlines()
_SEATS = re.compile("|".join(line for line in _TITLES if line and not line.startswith("#")))
# Executives who sit on a board by their office, staff who work for one, and boards that are none.
_EXECUTIVE = re.compile(
    r"\b(?:ceo|cfo|coo|cto|cio|cmo|cpo)\b|\bchief \w+ officer\b|\bmanaging director\b|\bexecutive chair"
    r"|\bfounder\b|\bvorstand|\bgeschaftsfuhr|\bconsejer[oa] delegad|\bamministrat\w+ delegat"
    r"|\bpresident directeur general\b|\bpdg\b|\bcz[lł]onek zarzadu"
)
_NON_EXECUTIVE = re.compile(r"non[- ]?exec")
_NO_SEAT = re.compile(
    r"\b(?:assistant|secretary|secretariat|support|liaison|reporting|clerk|counsel|analyst|manager|admin\w*)\b"
    r".*\b(?:board|trustee|committee|aufsichtsrat|verwaltungsrat)"
    r"|\bboard (?:secretary|operator|game|design|level|support)|\b(?:executive|management|circuit|job) "
    r"board\b"
    r"|\bchair(?: of|,)? (?:the )?(?:department|professor|faculty)|\bbankruptcy trustee"
)


def board_seat(title: str | None, organization: str | None) -> Literal["no", "yes", "both"]:
    """Whether a role is a seat on a board, a job, or a job that comes with a seat.

    Args:
        title: The role's title, in any language.
        organization: Whose it is; boards are sometimes named there ("Advisory Board, Acme").
    """
    words = plain(title or "")
    found = _SEATS.search(words)
    if found is None:
        named = plain(organization or "")
        in_name = re.search(r"\b(?:advisory|supervisory) board\b|\baufsichtsrat\b|\bbeirat\b", named)
        plain_member = re.fullmatch(r"(?:member|chair\w*|mitglied|vorsitz\w*|membre)?", words.strip())
        return "yes" if in_name and plain_member else "no"
    if _NO_SEAT.search(words):
        return "no"
    if _EXECUTIVE.search(_NON_EXECUTIVE.sub("", words)):
        # "CEO and Member of the Board" says both; "Executive Chairman" is the job alone.
        joined = re.search(r"\b(?:and|und|et|y|e|og|och|en)\b|[&,/;|+]", words)
        return "both" if joined else "no"
    return "yes"
