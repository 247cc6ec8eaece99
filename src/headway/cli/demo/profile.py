"""A profile as it stands in the tables, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from headway.cli.demo.people import Person

__all__ = ["show_profile"]

_MOST_SKILLS = 12


async def show_profile(console: Console, person: Person) -> None:
    """Print what a person's four tables hold, read with her own token.

    Args:
        console: Where.
        person: Whose profile.
    """
    (profile,) = await person.rows("profiles", id=person.id)
    parts: list[RenderableType] = [_facts(profile)]
    if profile["bio"]:
        parts.append(Padding(Text(profile["bio"]), (1, 0, 0, 0)))
    for title, relation, columns in (
        ("Work", "work_experience", ("title", "company", "location")),
        ("Boards", "board_experience", ("role", "organization", "sector")),
        ("Education", "education", ("degree", "institution", "field_of_study")),
    ):
        rows = await person.rows(relation, profile_id=person.id)
        if rows:
            parts.append(Padding(_entries(title, rows, columns), (1, 0, 0, 0)))
    label = "as it stands in the tables" + (", read by the sandbox" if profile["sandbox"] else "")
    console.print(Panel(Group(*parts), title=f"The profile, {label}", title_align="left", border_style="dim"))


def _facts(profile: Mapping[str, Any]) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    skills = profile["skills"]
    more = f" and {len(skills) - _MOST_SKILLS} more" if len(skills) > _MOST_SKILLS else ""
    for label, value in (
        ("Name", " ".join(filter(None, (profile["first_name"], profile["last_name"])))),
        ("Headline", profile["professional_headline"]),
        ("Where", profile["location"]),
        ("Contact", " · ".join(filter(None, (profile["email"], profile["phone"], profile["linkedin_url"])))),
        ("Skills", ", ".join(skills[:_MOST_SKILLS]) + more),
        ("Languages", ", ".join(map(_spoken, profile["languages"]))),
        ("Complete", f"{profile['profile_completeness']} %"),
    ):
        if value:
            facts.add_row(label, Text(value))
    return facts


def _spoken(entry: Mapping[str, Any]) -> str:
    language, level = str(entry["language"]), entry.get("level")
    if not level:
        return language
    # Brackets within brackets are hard to read.
    return f"{language} – {level}" if "(" in level else f"{language} ({level})"


def _entries(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    table = Table(title=f"{title} ({len(rows)})", title_justify="left", title_style="bold", box=None)
    table.add_column("when", style="dim", no_wrap=True)
    columns = [column for column in columns if any(row[column] for row in rows)]
    for number, column in enumerate(columns):
        table.add_column(column.replace("_", " "), style="dim" if number == 2 else "")
    # Partial dates sort as text does; what has none was given in the order of the document.
    for row in sorted(rows, key=_newest_first, reverse=True):
        table.add_row(_when(row), *(Text(str(row[column] or "")) for column in columns))
    return table


def _newest_first(row: Mapping[str, Any]) -> tuple[bool, str]:
    year = row.get("graduation_year")
    return bool(row.get("is_current")), str(year or row.get("start_date") or "")


def _when(row: Mapping[str, Any]) -> str:
    if "graduation_year" in row:
        return str(row["graduation_year"] or "")
    end = "now" if row["is_current"] else row["end_date"]
    return " – ".join(filter(None, (row["start_date"], end)))
