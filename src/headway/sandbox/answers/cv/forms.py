"""Reads roles that are told as a form: ``Position: …``, ``Company: …``, ``Period: …``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headway.sandbox.answers.cv.dates import find_span
from headway.sandbox.answers.cv.folding import fold
from headway.sandbox.answers.cv.lines import Line
from headway.sandbox.answers.cv.role import Role, told_in
from headway.sandbox.answers.cv.vocabulary import groups, phrases

__all__ = ["is_table_head", "labelled_roles"]

_LABELLED = {
    name: re.compile(rf"^(?:{'|'.join(map(re.escape, words))})\s*[:：]\s*(\S.*)$")
    for name, words in groups("role_labels").items()
}


def labelled_roles(lines: Sequence[Line]) -> list[Role]:
    """The roles of a section that is a form; none when it is not.

    Args:
        lines: Of the section.
    """
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
        bullets, prose = told_in(body)
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


def is_table_head(text: str) -> bool:
    """Whether a line is the head of a table: ``Period | Position | Company``.

    Args:
        text: One line.
    """
    cells = [fold(cell) for cell in text.split("|") if cell.strip()]
    return len(cells) > 1 and all(cell in phrases("role_labels") for cell in cells)
