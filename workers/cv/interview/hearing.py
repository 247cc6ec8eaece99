"""Merges what was said in an interview into a profile.

A spoken answer fills what is empty and adds to lists. Where it contradicts what a CV or the person's own
typing says, nothing is overwritten: both are kept as a conflict, and the interview asks. The answer to that
question decides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from workers.cv.interview.extraction import InterviewExtraction, Target
from workers.cv.interview.questions import COMPENSATION
from workers.cv.interview.spoken import APPENDED, understood
from workers.cv.merging import source_key
from workers.cv.records import Entry, FullProfile
from workers.cv.wording import compatible_dates, distinct, same_name

__all__ = ["PRESENT", "Conflict", "Heard", "Place", "hear"]

Place = tuple[Target, UUID | None, str]
"""A field of a table's row."""

PRESENT = "Present"
"""The end of what goes on, where it contradicts an end that was told."""


@dataclass(frozen=True)
class Conflict:
    """Two sources that contradict each other.

    Attributes:
        place: Where.
        known_value: What the profile says.
        known_source: Where that comes from.
        heard_value: What was said.
    """

    place: Place
    known_value: Any
    known_source: str
    heard_value: Any


@dataclass
class Heard:
    """What an interview changes.

    Attributes:
        document: For ``public.apply_profile``.
        answered: Places that have an answer now, with what was understood.
        declined: Places that the person does not want to talk about.
        conflicts: Contradictions that are new.
        decided: Open conflicts that the person has decided: for ``known``, ``heard`` or ``neither``.
        unclear: Places with an answer that no value could be made of.
    """

    document: dict[str, Any] = field(default_factory=dict)
    answered: dict[Place, Any] = field(default_factory=dict)
    declined: set[Place] = field(default_factory=set)
    conflicts: list[Conflict] = field(default_factory=list)
    decided: dict[Place, str] = field(default_factory=dict)
    unclear: set[Place] = field(default_factory=set)


def hear(
    extraction: InterviewExtraction,
    stored: FullProfile,
    keys: Mapping[str, tuple[Target, UUID]],
    open_conflicts: Mapping[Place, Conflict],
    today: date,
) -> Heard:
    """What the words of an interview change in a profile.

    Args:
        extraction: What a model has read in the transcript.
        stored: The profile as it is.
        keys: What entries are called in the conversation.
        open_conflicts: Contradictions that were asked about, by place.
        today: What dates are held against.
    """
    heard = Heard()
    for fact in extraction.facts:
        place = _place(fact.target, fact.record, fact.field, keys)
        columns = understood(place[0], place[2], fact.values, today) if place else None
        if place is None:
            continue
        if columns is None:
            heard.unclear.add(place)
            continue
        _take(heard, place, columns, stored, open_conflicts)
    for refused in extraction.declined:
        place = _place(refused.target, refused.record, refused.field, keys)
        if place is not None and place not in heard.answered:
            heard.declined.add(place)
    heard.unclear -= set(heard.answered)
    _keep_range(heard, stored)
    return heard


def _place(
    target: Target, record: str | None, field_name: str, keys: Mapping[str, tuple[Target, UUID]]
) -> Place | None:
    name = field_name.rpartition(".")[2].strip().lower()
    if target == "profiles":
        return (target, None, name)
    known = keys.get((record or "").strip("[]. ").lower())
    return (target, known[1], name) if known is not None and known[0] == target else None


def _take(
    heard: Heard,
    place: Place,
    columns: Mapping[str, Any],
    stored: FullProfile,
    open_conflicts: Mapping[Place, Conflict],
) -> None:
    row = _row(stored, place)
    if row is None:
        return
    if place[2] == COMPENSATION:
        # Asked for as one, and kept as three columns.
        for column, part in columns.items():
            _take(heard, ("profiles", None, column), {column: part}, stored, open_conflicts)
        heard.answered[place] = dict(columns)
        return
    ((name, value),) = columns.items()
    old = getattr(row, name)
    still_there = (place[0], place[1], "end_date")
    if name == "is_current" and value and still_there in open_conflicts:
        # "I am still there" answers the question when it ended.
        heard.decided[still_there] = "known"
        heard.answered[still_there] = PRESENT
    elif place in open_conflicts:
        _decide(heard, place, open_conflicts[place], value)
    elif _denies_end(name, value, row) and _source(stored, place, row) != "interview":
        _contradict(
            heard, Conflict(place, PRESENT if name == "end_date" else old, _source(stored, place, row), value)
        )
    elif name in APPENDED:
        heard.answered[place] = value
        together = _together(name, _pending(heard, place, old), value)
        if together != old:
            _set(heard, place, {name: together})
    elif old in (None, "", False) and not _was_told(stored, place, old):
        heard.answered[place] = value
        _set(heard, place, {name: value})
    elif _same(old, value):
        heard.answered[place] = value
    elif _more_precise(old, value):
        heard.answered[place] = value
        _set(heard, place, {name: value})
    elif (source := _source(stored, place, row)) == "interview":
        # The person corrects what they said before.
        heard.answered[place] = value
        _set(heard, place, {name: value})
    else:
        _contradict(heard, Conflict(place, old, source, value))


def _contradict(heard: Heard, conflict: Conflict) -> None:
    # The last word of one conversation counts.
    if isinstance(conflict.known_value, Decimal):
        conflict = replace(conflict, known_value=float(conflict.known_value))
    heard.conflicts = [each for each in heard.conflicts if each.place != conflict.place]
    heard.conflicts.append(conflict)


def _decide(heard: Heard, place: Place, conflict: Conflict, value: Any) -> None:
    verdict = "neither"
    if _same(conflict.known_value, value):
        verdict = "known"
    elif _same(conflict.heard_value, value):
        verdict = "heard"
    heard.decided[place] = verdict
    heard.answered[place] = value
    if verdict != "known":
        _set(heard, place, {place[2]: value})


def _denies_end(name: str, value: Any, row: Any) -> bool:
    # What goes on has no end in the table, and what has ended has one: each denies the other.
    if name == "end_date":
        return row.is_current and row.end_date is None
    return name == "is_current" and value is True and row.end_date is not None


def _keep_range(heard: Heard, stored: FullProfile) -> None:
    # One end may be new and the other one the person's own: a range upside down is a contradiction.
    fields = heard.document.get("profile", {})
    least, most = "compensation_expectation_min", "compensation_expectation_max"
    ends = [fields.get(name, getattr(stored.profile, name)) for name in (least, most)]
    if None in ends or float(ends[0]) <= float(ends[1]):
        return
    for name in (least, most):
        if name in fields:
            value = fields.pop(name)
            fields["data_sources"].pop(name, None)
            place: Place = ("profiles", None, name)
            known = getattr(stored.profile, name)
            other = getattr(stored.profile, most if name == least else least)
            _contradict(
                heard,
                Conflict(
                    place, other if known is None else known, _source(stored, place, stored.profile), value
                ),
            )


def _row(stored: FullProfile, place: Place) -> Any:
    target, record, _ = place
    if target == "profiles":
        return stored.profile
    entries: Sequence[Entry] = getattr(stored, target)
    return next((entry for entry in entries if entry.id == record), None)


def _source(stored: FullProfile, place: Place, row: Any) -> str:
    target, record, name = place
    recorded = stored.profile.data_sources.get(source_key(target, record, name))
    return recorded or getattr(row, "source", None) or "manual"


def _was_told(stored: FullProfile, place: Place, old: Any) -> bool:
    # False is what a flag holds before anybody has said anything.
    target, record, name = place
    return old is False and source_key(target, record, name) in stored.profile.data_sources


def _pending(heard: Heard, place: Place, old: Any) -> Any:
    target, record, name = place
    if target == "profiles":
        return heard.document.get("profile", {}).get(name, old)
    for row in heard.document.get(target, []):
        if row["id"] == str(record):
            return row.get(name, old)
    return old


def _set(heard: Heard, place: Place, columns: Mapping[str, Any]) -> None:
    target, record, name = place
    person = heard.document.setdefault("profile", {})
    sources = person.setdefault("data_sources", {})
    if target == "profiles":
        person.update(columns)
        sources.update(dict.fromkeys(columns, "interview"))
        return
    rows: list[dict[str, Any]] = heard.document.setdefault(target, [])
    row = next((each for each in rows if each["id"] == str(record)), None)
    if row is None:
        row = {"id": str(record)}
        rows.append(row)
    row.update(columns)
    if "end_date" in columns:
        row["is_current"] = False
    sources[source_key(target, record, name)] = "interview"


def _together(name: str, old: Any, new: Any) -> Any:
    if name == "key_contributions":
        return new if not old else old if new.casefold() in old.casefold() else f"{old}\n{new}"[:20000]
    if name == "languages":
        return _languages(old, new)
    longest = {"key_achievements": 4000, "honors": 500}.get(name, 200)
    return distinct([*(old or []), *new], 100 if longest > 200 else 500, longest)


def _languages(old: Iterable[Any], new: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    known = [each if isinstance(each, dict) else each.model_dump(exclude_none=True) for each in old or []]
    by_name = {each["language"].casefold(): dict(each) for each in known}
    for each in new:
        spoken = by_name.setdefault(each["language"].casefold(), dict(each))
        if each.get("level"):
            spoken.setdefault("level", each["level"])
    return list(by_name.values())


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        return same_name(old, new) or _digits(old) == _digits(new) != ""
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    try:
        return float(old) == float(new)
    except (TypeError, ValueError):
        return bool(old == new)


def _digits(text: str) -> str:
    # Phone numbers are the same however they are grouped; other texts are not compared by their digits.
    digits = "".join(c for c in text if c.isdigit())
    return digits if len(digits) >= 7 and not any(c.isalpha() for c in text) and "-" not in text[4:5] else ""


def _more_precise(old: Any, new: Any) -> bool:
    return (
        isinstance(old, str)
        and isinstance(new, str)
        and old[:4].isdigit()
        and len(new) > len(old)
        and compatible_dates(old, new)
        and len(old) in (4, 7)
        and len(new) in (7, 10)
    )
