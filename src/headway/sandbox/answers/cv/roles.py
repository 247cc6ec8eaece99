"""Reads jobs and seats out of entries: which part of a header is the title, the organisation, the place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from headway.sandbox.answers.cv.boards import is_board_title
from headway.sandbox.answers.cv.dates import find_span
from headway.sandbox.answers.cv.entries import Entry, divide_entries
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.vocabulary import groups, phrases
from headway.sandbox.answers.cv.words import company_score, is_place, title_score

__all__ = ["Role", "read_roles"]

_AT = re.compile(r"\s+(?:at|@|bei|chez|presso|bij|hos|ved|w firmie|في|ב-)\s+(?=[^\W\d_])")
_STRONG = re.compile(r"\s*(?:\||·|•|¦|\s[–—−]\s|\s-\s|\s{2,}|;)\s*")
_COMMA = re.compile(r"\s*[,،、]\s+(?![^()]*\))")
_SIZE = re.compile(
    r"(?:(?:ca\.?|about|approx\.?|over|around|~|>)\s*)?\d[\d.,’' ]*\+?(?:\s*[-–]\s*\d[\d.,]*)?\s*"
    r"(?:employees|staff|people worldwide|mitarbeiter(?:n|innen|:innen)?|beschäftigte|employés|"
    r"collaborateurs|salariés|empleados|trabajadores|dipendenti|addetti|funcionários|colaboradores|medewerkers|"
    r"werknemers|anställda|ansatte|pracowników)\b",
    re.IGNORECASE,
)
_LABELLED = {
    name: re.compile(rf"^(?:{'|'.join(map(re.escape, words))})\s*[:：]\s*(\S.*)$")
    for name, words in groups("role_labels").items()
}
_LEGAL = re.compile(
    r"(?:inc|ltd|llc|llp|plc|corp|co|lp|limited|gmbh|ag|s\.?a|s\.?l|s\.?p\.?a|b\.?v|n\.?v|pty)\.?(?: ltd)?"
)
_TOWN = re.compile(r"[A-ZÀ-ÝŁŚŻŹĆ][^\W\d_]+(?:[ -][A-ZÀ-Ý][^\W\d_]+){0,2}")
_CITY = re.compile(
    r"(?:city|location|ort|ville|lieu|ciudad|citt[aà]|cidade|plaats|miasto)\s*:\s*(?P<city>[^|:]+?)"
    r"(?:\s*[|,]\s*(?:country|land|pays|pa[ií]s|paese|kraj)\s*:\s*(?P<country>[^|:]+))?",
    re.IGNORECASE,
)
_OWN_ACCOUNT = re.compile(
    r"\b(?:freelanc|self[- ]employed|independent|selbststandig|freiberuf|independant|autonomo|"
    r"libero professionista|zzp|contractor|sabbatical|career break|parental leave|elternzeit)"
)


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


def read_roles(lines: Sequence[Line], *, boards: bool) -> list[Role]:
    """The roles of a section.

    Args:
        lines: Of the section.
        boards: Whether it is a section of seats on boards.
    """
    lines = [line for line in lines if not _is_table_head(line.text)]
    labelled = _labelled_roles(lines)
    if labelled:
        return [replace(role, board=boards or is_board_title(role.title)) for role in labelled]
    told = _continued(lines)
    entries = divide_entries(told, lambda text: _may_begin(text, boards=boards), _completes)
    dated = [entry for entry in entries if entry.span is not None]
    if sum(len(entry.header) > 1 for entry in dated) * 2 > len(dated):
        # Most have the employer in a line of its own: then the others have it too.
        entries = divide_entries(told, lambda text: _may_begin(text, boards=boards), _completes_by_habit)
    first = _order(entries)
    roles = [_role(entry, first, boards=boards) for entry in entries]
    inherit = any(len(entry.header) > 1 for entry in entries)
    for place, role in enumerate(roles):
        if (
            role.company is None
            and role.title
            and inherit
            and place
            and not _OWN_ACCOUNT.search(fold(role.title))
        ):
            roles[place] = replace(role, company=roles[place - 1].company)
    named = [role for role in roles if role.title or role.company]
    return [
        role
        for role, after in zip_longest(named, named[1:])
        # An employer's own line above its titles is not one more role.
        if role.title or role.achievements or after is None or after.company != role.company
    ]


def _is_table_head(text: str) -> bool:
    """Whether a line is the head of a table: ``Period | Position | Company``."""
    cells = [fold(cell) for cell in text.split("|") if cell.strip()]
    return len(cells) > 1 and all(cell in phrases("role_labels") for cell in cells)


def _may_begin(text: str, *, boards: bool) -> bool:
    if len(text.split()) > 14:
        return False
    parts = _parts(text)
    if boards:
        return len(parts) > 1 or is_board_title(text) or company_score(text) > 0
    return len(parts) > 1 and max(title_score(part) for part in parts) >= 0.5


def _completes(header: Sequence[str], text: str) -> bool:
    """Whether a line names the employer of a title, or the title at an employer."""
    if is_board_title(text) and any(is_board_title(line) for line in header):
        return False
    named = [part for line in header for part in _sorted(line)[0]]
    if len(named) != 1:
        return False
    title = title_score(named[0]) >= 0.5 or is_board_title(named[0])
    adds_title = max((title_score(part) for part in _parts(text)), default=0) >= 0.5
    if title:
        return company_score(text) > 0 or not adds_title
    return adds_title


def _completes_by_habit(header: Sequence[str], text: str) -> bool:
    """As ``_completes``, in a section where employers stand in lines of their own."""
    if _completes(header, text):
        return True
    if len(header) != 1 or company_score(header[0]) or len(text.split()) > 8 or text.endswith("."):
        return False
    return title_score(header[0]) > 0 and title_score(text) < 0.5 and not is_board_title(text)


def _parts(header: str) -> list[str]:
    header = _AT.sub(" | ", header)
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


def _without_stop(part: str) -> str:
    """A part without the full stop of a sentence, but with that of ``S.r.l.`` and ``Inc.``."""
    word = part.rpartition(" ")[2]
    if part.endswith(".") and word.count(".") == 1 and not _LEGAL.fullmatch(fold(word)) and len(word) > 3:
        return part[:-1]
    return part


def _sorted(line: str) -> tuple[list[str], list[str]]:
    """The parts of a header line that name a title or an organisation, and those that name a place."""
    parts = _parts(_SIZE.sub("", line).replace("()", ""))
    named = [part for part in parts if not is_place(part)]
    places = [part for part in parts if is_place(part)]
    # "Donau Dynamics GmbH, Ulm": a town that nobody has to know.
    if not places and len(named) > 1 and company_score(named[-2]) and _is_town(named[-1]):
        places.append(named.pop())
    return named, places


def _is_town(part: str) -> bool:
    return bool(_TOWN.fullmatch(part)) and title_score(part) == 0 and company_score(part) == 0


def _rejoined(pieces: Sequence[str]) -> list[str]:
    """Pieces between commas with those put together that are one: ``Acme, Inc.``, ``Peoria, IL``."""
    joined: list[str] = []
    for piece in pieces:
        both = f"{joined[-1]}, {piece}" if joined else piece
        if joined and (_LEGAL.fullmatch(fold(piece)) or (is_place(both) and not company_score(joined[-1]))):
            joined[-1] = both
        else:
            joined.append(piece)
    return joined


def _order(entries: Sequence[Entry]) -> str:
    """Whether titles or organisations stand first in this section, by the entries that leave no doubt."""
    votes = 0
    for entry in entries:
        parts = [part for line in entry.header[:3] for part in _sorted(line)[0]]
        if len(parts) < 2:
            continue
        first, second = parts[0], parts[1]
        difference = _is_title(first) - _is_title(second)
        votes += (difference > 0.2) - (difference < -0.2)
    return "company" if votes < 0 else "title"


def _is_title(part: str) -> float:
    return title_score(part) + (0.5 if is_board_title(part) else 0) - company_score(part)


def _role(entry: Entry, first: str, *, boards: bool) -> Role:
    by_line = [_sorted(line) for line in entry.header]
    places = [place for _, found in by_line for place in found]
    named = [parts for parts, _ in by_line if parts]
    if not named and places:
        named, places = [[places[0]]], places[1:]
    title, company = _title_and_company(named, first)
    if company is None and title and entry.group is None:
        company, places = _employer_among(places)
    location = ", ".join(dict.fromkeys(places)) or None
    if entry.group and company is None:
        company = ", ".join(part for part in _parts(entry.group) if not is_place(part)) or None
        title = title or (named[0][0] if named else None)
    bullets, prose = _told(entry.body)
    if location is None and prose and (told_place := _told_place(prose[0])):
        location, prose = told_place, prose[1:]
    size = _SIZE.search(" ".join([*entry.header, *prose]))
    span = entry.span
    if title and size and size[0] in title:
        title = title.replace(size[0], "").strip(" ,()") or None
    if company and size and size[0] in company:
        company = company.replace(size[0], "").strip(" ,()") or None
    return Role(
        title=title,
        company=company,
        location=location,
        start=span.start if span else None,
        end=span.end if span else None,
        current=bool(span and span.current),
        description=" ".join(prose) or None,
        achievements=tuple(bullets),
        size=size[0].strip() if size else None,
        board=boards or is_board_title(title),
    )


def _told_place(text: str) -> str | None:
    """The place that a line tells: ``City: Lyon | Country: France``, or a place by itself."""
    if is_place(text):
        return text
    labelled = _CITY.fullmatch(text)
    if labelled is None:
        return None
    return ", ".join(part.strip() for part in (labelled["city"], labelled["country"]) if part)


def _employer_among(places: Sequence[str]) -> tuple[str | None, list[str]]:
    """``Aarhus Kabelværk, Aarhus``: what looks like a place, but begins with no known one, where an employer
    is missing."""
    for number, place in enumerate(places):
        name, comma, town = place.partition(", ")
        if comma and not is_place(name) and not re.search(r"\d", name):
            return name, [*places[:number], town, *places[number + 1 :]]
    return None, list(places)


def _title_and_company(lines: Sequence[Sequence[str]], first: str) -> tuple[str | None, str | None]:
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
    scores = max(map(_is_title, above)), max(map(_is_title, below))
    title_above = scores[0] > scores[1] if abs(scores[0] - scores[1]) > 0.2 else first == "title"
    title, company = (above, below) if title_above else (below, above)
    return ", ".join(title), ", ".join(company)


def _settled(parts: Sequence[str]) -> bool:
    """Whether a line alone says both title and organisation beyond doubt."""
    return max(map(title_score, parts)) >= 0.5 and max(map(company_score, parts)) > 0


def _among(parts: Sequence[str], first: str) -> tuple[str | None, str | None]:
    """Title and organisation among the parts of one line."""
    scores = [_is_title(part) for part in parts]
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


def _told(body: Sequence[Line]) -> tuple[list[str], list[str]]:
    """Bullets and prose of an entry."""
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


def _continued(lines: Sequence[Line]) -> list[Line]:
    """Lines with those that only go on with a bullet joined to it."""
    joined: list[Line] = []
    for line in lines:
        former = joined[-1] if joined else None
        if (
            former is not None
            and former.bullet
            and not line.bullet
            and not line.after_blank
            and find_span(line.text) is None
            and (line.text[:1].islower() or (former.text[-1:] in ",;&" or _ends_open(former.text)))
        ):
            joined[-1] = replace(former, text=f"{former.text} {line.text}")
        else:
            joined.append(line)
    return joined


def _ends_open(text: str) -> bool:
    return fold(text).rpartition(" ")[2] in phrases("joining")


def _labelled_roles(lines: Sequence[Line]) -> list[Role]:
    """Roles that are told as ``Position: …``, ``Company: …``, ``Period: …``."""
    roles: list[dict[str, str]] = []
    bodies: list[list[Line]] = []
    for line in lines:
        found = next(
            (
                (name, match[1])
                for name, pattern in _LABELLED.items()
                if (match := pattern.match(fold(line.text)))
            ),
            None,
        )
        if found is None:
            if bodies:
                bodies[-1].append(line)
            continue
        name, value = found
        if not roles or name in roles[-1]:
            roles.append({})
            bodies.append([])
        roles[-1][name] = line.text.strip()[-len(value) :]
    made = []
    for role, body in zip(roles, bodies, strict=True):
        if not role.get("title") and not role.get("company"):
            continue
        span = find_span(role.get("dates", ""))
        bullets, prose = _told(body)
        made.append(
            Role(
                role.get("title"),
                role.get("company"),
                role.get("location"),
                span.start if span else None,
                span.end if span else None,
                bool(span and span.current),
                " ".join(prose) or None,
                tuple(bullets),
            )
        )
    return made if len(made) >= 1 and sum("title" in role for role in roles) >= 1 else []
