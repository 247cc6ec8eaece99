"""Merges what a CV says into a profile: adds, completes, brings up to date, and never overrules the person.

A field that came from a CV takes the newer CV's word. What the person has typed or said stays; a note tells
when the CV says otherwise. Nothing is ever deleted. Merging the same document again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from workers.cv.matching import entry_id, pairs, same_board, same_job, same_study
from workers.cv.records import Entry, FullProfile, Language, Profile
from workers.cv.tidy import derive
from workers.cv.wording import compatible_dates, distinct

__all__ = ["SCALARS", "TABLES", "Merge", "merge", "source_key"]

EntryT = TypeVar("EntryT", bound=Entry)

SCALARS = (
    "first_name", "last_name", "email", "professional_headline", "bio", "location", "phone", "linkedin_url",
    "website",
)  # fmt: skip
TABLES: dict[str, Callable[[Any, Any], bool]] = {
    "work_experience": same_job,
    "board_experience": same_board,
    "education": same_study,
}
"""The three lists of a profile, and when two entries of each are the same."""
_OVERRULED = ("cv", "linkedin")
_DATES = ("start_date", "end_date")
_KEEPS_SPELLING = ("company", "title", "organization", "role", "institution", "degree", "field_of_study")


@dataclass
class Merge:
    """What to write, and what to tell.

    Attributes:
        document: For ``public.apply_profile``: only what changes.
        notes: What the document says and the profile keeps otherwise.
    """

    document: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def source_key(table: str, record: UUID | None, field_name: str) -> str:
    """The key of a field in ``profiles.data_sources``."""
    return field_name if record is None else f"{table}.{record}.{field_name}"


def merge(owner: UUID, stored: FullProfile, found: FullProfile, *, sandbox: bool) -> Merge:
    """What a CV changes in a profile.

    Args:
        owner: The profile's id.
        stored: The profile as it is; an empty one when there is none.
        found: What the CV says.
        sandbox: Whether a stand-in has read the CV instead of a model.
    """
    result = Merge({})
    fields, sources = _profile(stored.profile, found.profile, result.notes)
    whole = stored.model_copy(deep=True)
    for table in TABLES:
        rows, merged = _entries(owner, table, stored, getattr(found, table))
        result.document[table] = rows
        setattr(whole, table, merged)
    whole.profile = stored.profile.model_copy(update=fields)
    derive(whole)
    for name in ("has_board_experience", "current_board_roles", "professional_headline"):
        if getattr(whole.profile, name) != getattr(stored.profile, name):
            fields[name] = getattr(whole.profile, name)
    if "professional_headline" in fields:
        sources["professional_headline"] = "cv"
    fields["sandbox"] = sandbox or stored.profile.sandbox
    shown = Profile.model_validate(fields).model_dump(mode="json", include=set(fields))
    result.document["profile"] = shown | {"data_sources": sources}
    return result


def _profile(stored: Profile, found: Profile, notes: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    fields: dict[str, Any] = {}
    for name in SCALARS:
        new, old = getattr(found, name), getattr(stored, name)
        if new is None or new == old:
            continue
        if old is None or stored.data_sources.get(name, "manual") in _OVERRULED:
            fields[name] = new
        elif name not in ("bio", "professional_headline"):
            notes.append(f"{name}: kept as it was; the CV says {str(new)[:80]!r}")
    sources: dict[str, Any] = dict.fromkeys(fields, "cv")
    for name, most in (("skills", 500), ("sectors", 200)):
        together = distinct([*getattr(stored, name), *getattr(found, name)], most, 200)
        if together != getattr(stored, name):
            fields[name] = together
            sources |= {} if getattr(stored, name) else {name: "cv"}
    languages = _languages(stored.languages, found.languages)
    if languages != stored.languages:
        fields["languages"] = languages
        sources |= {} if stored.languages else {"languages": "cv"}
    return fields, sources


def _languages(stored: Sequence[Language], found: Sequence[Language]) -> list[Language]:
    by_name = {spoken.language.casefold(): spoken.model_copy() for spoken in stored}
    for spoken in found:
        known = by_name.setdefault(spoken.language.casefold(), spoken.model_copy())
        known.level = known.level or spoken.level
    return list(by_name.values())[:100]


def _entries(
    owner: UUID, table: str, stored: FullProfile, found: Sequence[EntryT]
) -> tuple[list[dict[str, Any]], list[EntryT]]:
    existing: list[EntryT] = getattr(stored, table)
    rows: list[dict[str, Any]] = []
    merged = {entry.id: entry for entry in existing}
    for known, entry in pairs(existing, found, lambda e: entry_id(owner, table, e), TABLES[table]):
        if known is None:
            new = entry.model_copy(update={"id": entry_id(owner, table, entry), "source": "cv"})
            rows.append(new.model_dump(mode="json", exclude_none=True))
            merged[new.id] = new
            continue
        changes = _changes(table, stored.profile, known, entry)
        if changes:
            after = known.model_copy(update=changes)
            rows.append(after.model_dump(mode="json", include={"id", *changes}))
            merged[known.id] = after
    return rows, list(merged.values())


def _changes(table: str, person: Profile, known: EntryT, found: EntryT) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in type(known).model_fields:
        old, new = getattr(known, name), getattr(found, name)
        if name in ("id", "source", "position") or new in (None, [], False) or new == old:
            continue
        source = person.data_sources.get(source_key(table, known.id, name), known.source)
        if name in _DATES and old is not None and compatible_dates(old, new):
            # Of two ways to give the same date, the more precise one.
            if len(new) > len(old):
                changes[name] = new
        elif old in (None, []) or (source in _OVERRULED and name not in _KEEPS_SPELLING):
            changes[name] = new
    ended = getattr(found, "end_date", None) is not None and not getattr(found, "is_current", False)
    if ended and getattr(known, "is_current", False) and known.source in _OVERRULED:
        changes["is_current"] = False
    return changes
