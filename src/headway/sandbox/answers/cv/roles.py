"""Reads jobs and seats out of the entries of a section."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

from headway.sandbox.answers.cv.boards import is_board_title
from headway.sandbox.answers.cv.dates import find_span
from headway.sandbox.answers.cv.entries import Entry, divide_entries
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.forms import is_table_head, labelled_roles
from headway.sandbox.answers.cv.habits import completes, completes_by_habit, may_begin
from headway.sandbox.answers.cv.headers import SIZE, parts_of, sorted_parts, title_and_company, title_weight
from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.role import Role, told_in
from headway.sandbox.answers.cv.vocabulary import phrases
from headway.sandbox.answers.cv.words import is_place

__all__ = ["Role", "read_roles"]

_CITY = re.compile(
    r"(?:city|location|ort|ville|lieu|ciudad|localidad|localit[aàé]|citt[aà]|cidade|localidade|plaats|miasto)\s*:\s*(?P<city>[^|:]+?)"
    r"(?:\s*[|,]\s*(?:country|land|pays|pa[ií]s|paese|kraj)\s*:\s*(?P<country>[^|:]+))?",
    re.IGNORECASE,
)
_OWN_ACCOUNT = re.compile(
    r"\b(?:freelanc|self[- ]employed|independent|selbststandig|freiberuf|independant|autonomo|"
    r"libero professionista|zzp|contractor|sabbatical|career break|parental leave|elternzeit)"
)


def read_roles(lines: Sequence[Line], *, boards: bool) -> list[Role]:
    """The roles of a section.

    Args:
        lines: Of the section.
        boards: Whether it is a section of seats on boards.
    """
    lines = [line for line in lines if not is_table_head(line.text)]
    labelled = labelled_roles(lines)
    if labelled:
        return [replace(role, board=boards or is_board_title(role.title)) for role in labelled]
    told = _continued(_one_span_each(lines))
    entries = divide_entries(told, lambda text: may_begin(text, boards=boards), completes)
    dated = [entry for entry in entries if entry.span is not None]
    if dated and sum(len(entry.header) > 1 for entry in dated) * 2 >= len(dated):
        # Most have the employer in a line of its own: then the others have it too.
        entries = divide_entries(told, lambda text: may_begin(text, boards=boards), completes_by_habit)
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


def _order(entries: Sequence[Entry]) -> str:
    """Whether titles or organisations stand first in this section, by the entries that leave no doubt."""
    votes = 0
    for entry in entries:
        parts = [part for line in entry.header[:3] for part in sorted_parts(line)[0]]
        if len(parts) < 2:
            continue
        first, second = parts[0], parts[1]
        difference = title_weight(first) - title_weight(second)
        votes += (difference > 0.2) - (difference < -0.2)
    return "company" if votes < 0 else "title"


def _role(entry: Entry, first: str, *, boards: bool) -> Role:
    by_line = [sorted_parts(line) for line in entry.header]
    places = [place for _, found in by_line for place in found]
    named = [parts for parts, _ in by_line if parts]
    if not named and places:
        named, places = [[places[0]]], places[1:]
    title, company = title_and_company(named, first)
    if company is None and title and entry.group is None:
        company, places = _employer_among(places)
    location = ", ".join(dict.fromkeys(places)) or None
    if entry.group and company is None:
        company = ", ".join(part for part in parts_of(entry.group) if not is_place(part)) or None
        title = title or (named[0][0] if named else None)
    bullets, prose = told_in(entry.body)
    if location is None and prose and (told_place := _told_place(prose[0])):
        location, prose = told_place, prose[1:]
    size = SIZE.search(" ".join([*entry.header, *prose]))
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


def _one_span_each(lines: Sequence[Line]) -> Iterator[Line]:
    """Lines, with those apart that tell of two roles: ``Chair, since 2021; Director, 2018 – 2021``."""
    before: Line | None = None
    for line in lines:
        halves = [half.strip() for half in line.text.split(";")]
        if len(halves) > 1 and not line.bullet and all(find_span(half) is not None for half in halves):
            yield replace(line, text=halves[0])
            # Both are at the organisation that the line above names, if one does.
            at = [before] if before and not before.bullet and find_span(before.text) is None else []
            for half in halves[1:]:
                yield from (replace(each, after_blank=True) for each in at)
                yield Line(half)
        else:
            yield line
        before = line


def _continued(lines: Iterable[Line]) -> list[Line]:
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
