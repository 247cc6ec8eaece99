"""Takes the header of an entry apart: which part is the title, the organisation, the place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headway.sandbox.answers.cv.boards import is_board_title
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.vocabulary import phrases
from headway.sandbox.answers.cv.words import company_score, is_place, title_score

__all__ = ["SIZE", "parts_of", "sorted_parts", "title_and_company", "title_weight"]

_AT = re.compile(r"\s+(?:at|@|bei|chez|presso|bij|hos|ved|w firmie|في|ב-)\s+(?=[^\W\d_])")
# "Worked as an engineer in Acme": the title, and where.
_WORKED = re.compile(
    r"^(?:(?:currently|presently)\s+)?(?:working|worked|served|serving)\s+(?:as|like)\s+(?:an?\s+|the\s+)?"
    r"(?:([^|,]{3,60}?)\s+(?:in|with|for)\s+(?=[A-Z]))?",
    re.IGNORECASE,
)
_STRONG = re.compile(r"\s*(?:\||·|•|¦|\s[–—−]\s|\s-\s|\s{2,}|;)\s*")
_COMMA = re.compile(r"\s*[,،、]\s+(?![^()]*\))")
SIZE = re.compile(
    r"(?:(?:ca\.?|about|approx\.?|over|around|~|>)\s*)?\d[\d.,’' ]*\+?(?:\s*[-–]\s*\d[\d.,]*)?\s*"
    r"(?:employees|staff|people worldwide|mitarbeiter(?:n|innen|:innen)?|beschäftigte|employés|"
    r"collaborateurs|salariés|empleados|trabajadores|dipendenti|addetti|funcionários|colaboradores|medewerkers|"
    r"werknemers|anställda|ansatte|pracowników)\b",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\s*\([^()]{0,200}\)")
_LEGAL = re.compile(
    r"(?:inc|ltd|llc|llp|plc|corp|co|lp|limited|gmbh|ag|s\.?a|s\.?l|s\.?p\.?a|b\.?v|n\.?v|pty)\.?(?: ltd)?"
)
_TOWN = re.compile(r"[A-ZÀ-ÝŁŚŻŹĆ][^\W\d_]+(?:[ -][A-ZÀ-Ý][^\W\d_]+){0,2}")


def parts_of(header: str) -> list[str]:
    """The parts of a header line, as its commas, dashes and gaps divide it.

    Args:
        header: One line.
    """
    header = _AT.sub(" | ", _WORKED.sub(_in_a_firm, header))
    strong = [part.strip(" ,") for part in _STRONG.split(header) if part.strip(" ,()")]
    parts: list[str] = []
    for part in strong:
        pieces = [part] if is_place(part) else [each.strip() for each in _COMMA.split(part) if each.strip()]
        parts += _rejoined(pieces)
    # "Acme (Leeds, UK)" and "CFO (interim)": the brackets are of the part, unless they hold a place.
    split: list[str] = []
    for part in parts:
        bracket = re.fullmatch(r"(.+?)\s*\(([^()]+)\)", part)
        if bracket and (is_place(bracket[2]) or company_score(bracket[2]) > company_score(bracket[1])):
            split += [bracket[1], bracket[2]]
        else:
            split.append(part)
    return [_without_stop(part) for part in split if re.search(r"[^\W_]", part)]


def _in_a_firm(found: re.Match[str]) -> str:
    return f"{found[1]} | " if found[1] else ""


def sorted_parts(line: str) -> tuple[list[str], list[str]]:
    """The parts of a header line that name a title or an organisation, and those that name a place.

    Args:
        line: Of a header.
    """
    # "(insurance, 6,200 employees)" tells of an organisation, and is none of its name.
    line = _BRACKETS.sub(lambda found: "" if SIZE.search(found[0]) else found[0], line)
    parts = parts_of(SIZE.sub("", line))
    named = [part for part in parts if not is_place(part)]
    places = [part for part in parts if is_place(part)]
    # "Donau Dynamics GmbH, Ulm": a town that nobody has to know.
    if not places and len(named) > 1 and company_score(named[-2]) and _is_town(named[-1]):
        places.append(named.pop())
    return named, places


def title_and_company(lines: Sequence[Sequence[str]], first: str) -> tuple[str | None, str | None]:
    """The title and the organisation of a header.

    Args:
        lines: The named parts of each of its lines.
        first: Which of the two stands first in this section where the words do not tell: ``title`` or
            ``company``.
    """
    if not lines:
        return None, None
    if len(lines) == 1:
        parts = list(lines[0])
        if len(parts) == 1:
            only = parts[0]
            return (None, only) if company_score(only) and title_score(only) < 0.5 else (only, None)
        return _among(parts, first)
    above, below = list(lines[0]), [part for line in lines[1:] for part in line]
    if (len(above) > 1 and len(below) > 1) or (len(above) > 1 and _settled(above)):
        return _among(above, first)
    scores = max(map(title_weight, above)), max(map(title_weight, below))
    title_above = scores[0] > scores[1] if abs(scores[0] - scores[1]) > 0.2 else first == "title"
    title, company = (above, below) if title_above else (below, above)
    return ", ".join(title), ", ".join(company)


def title_weight(part: str) -> float:
    """How much rather a part is a title than an organisation; below 0 for organisations.

    Args:
        part: Of a header.
    """
    return title_score(part) + (0.5 if is_board_title(part) else 0) - company_score(part)


def _without_stop(part: str) -> str:
    """A part without the full stop of a sentence, but with that of ``S.r.l.`` and ``Inc.``."""
    word = part.rpartition(" ")[2]
    if part.endswith(".") and word.count(".") == 1 and not _LEGAL.fullmatch(fold(word)) and len(word) > 3:
        return part[:-1]
    return part


def _is_town(part: str) -> bool:
    return bool(_TOWN.fullmatch(part)) and title_score(part) == 0 and company_score(part) == 0


def _rejoined(pieces: Sequence[str]) -> list[str]:
    """Pieces between commas with those put together that are one: ``Acme, Inc.``, ``Peoria, IL``."""
    joined: list[str] = []
    for piece in pieces:
        both = f"{joined[-1]}, {piece}" if joined else piece
        legal = _LEGAL.fullmatch(fold(_BRACKETS.sub("", piece)))
        part_of_title = fold(piece) in phrases("departments") and title_score(joined[-1]) if joined else 0
        if joined and (legal or part_of_title or (is_place(both) and not company_score(joined[-1]))):
            joined[-1] = both
        else:
            joined.append(piece)
    return joined


def _settled(parts: Sequence[str]) -> bool:
    """Whether a line alone says both title and organisation beyond doubt."""
    return max(map(title_score, parts)) >= 0.5 and max(map(company_score, parts)) > 0


def _among(parts: Sequence[str], first: str) -> tuple[str | None, str | None]:
    """Title and organisation among the parts of one line."""
    scores = [title_weight(part) for part in parts]
    title_first = first == "title"
    if abs(scores[0] - scores[-1]) > 0.2:
        title_first = scores[0] > scores[-1]
    ordered = list(parts) if title_first else list(reversed(parts))
    values = scores if title_first else list(reversed(scores))
    # A title of several parts, "Vice President, Sales": up to the part that is no title any more.
    cut = 1
    while cut < len(ordered) - 1 and values[cut] >= 0.5:
        cut += 1
    if len(ordered) > 2 and cut == 1 and company_score(ordered[1]) == 0 and company_score(ordered[-1]) > 0:
        cut = len(ordered) - 1
    title, company = ordered[:cut], ordered[cut:]
    if not title_first:
        title.reverse()
        company.reverse()
    return ", ".join(title), ", ".join(company) or None
