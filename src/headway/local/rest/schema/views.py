"""Which columns of a view are a key of the table below it.

Postgres does not record that a view's column is some table's column, except in the view's parse tree: each
entry of its target list names the relation and column it comes from.

Source: the PostgreSQL documentation, "pg_rewrite"; ``nodes/primnodes.h`` (``TargetEntry.resorigtbl``,
``resorigcol``); PostgREST's documentation, "Foreign Key Joins on Views".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from headway.local.rest.identifiers import QName

__all__ = ["ViewKey", "find_view_keys", "target_columns"]

_TOKEN = re.compile(r"\\.|[{}()]|[^\\{}()]+", re.DOTALL)
_FIELD = re.compile(r":(resno|resorigtbl|resorigcol) (\d+)")

Place = tuple[int, int]
"""A relation's OID and a column's number."""


@dataclass(frozen=True, slots=True)
class ViewKey:
    """A key of a table that a view shows entirely.

    Args:
        table: The table the key belongs to.
        view: The view.
        constraint: The key's name.
        kind: ``p`` for a primary key, ``f`` for a foreign key, ``referenced`` for a foreign key's other side.
        columns: For each column of the key, in its order, the view's columns that show it.
    """

    table: QName
    view: QName
    constraint: str
    kind: str
    columns: tuple[tuple[str, tuple[str, ...]], ...]

    def choices(self) -> Iterable[tuple[str, ...]]:
        """Every way to name the key by the view's columns."""
        return product(*(names for _, names in self.columns))


def target_columns(definition: str) -> dict[int, Place]:
    """The origin of each of a view's columns, as far as it is a plain column of a relation.

    Args:
        definition: ``pg_rewrite.ev_action`` as text.
    """
    origins: dict[int, Place] = {}
    depth, in_list, last_text = 0, False, ""
    entry: list[str] = []
    for match in _TOKEN.finditer(definition):
        token = match[0]
        if token in ("{", "("):
            depth += 1
            if depth == 3 and token[0] == "(":
                in_list = last_text.endswith(":targetList ")
        elif token in ("}", ")"):
            if depth == 4 and in_list:
                fields = dict(_FIELD.findall("".join(entry)))
                entry.clear()
                if int(fields.get("resorigtbl", 0)):
                    place = (int(fields["resorigtbl"]), int(fields["resorigcol"]))
                    origins[int(fields["resno"])] = place
            elif depth == 3 and in_list:
                return origins
            depth -= 1
        else:
            last_text = token
            if depth == 4 and in_list:
                entry.append(token)
    return origins


def find_view_keys(
    views: Sequence[Mapping[str, Any]], keys: Sequence[Mapping[str, Any]], schemas: Iterable[str]
) -> list[ViewKey]:
    """The keys that the views of some schemas show, also through other views.

    Args:
        views: Rows of ``catalog.VIEWS``.
        keys: Rows of ``catalog.KEYS``.
        schemas: The exposed schemas.
    """
    origins = {
        (view["oid"], number): place
        for view in views
        for number, place in target_columns(view["definition"]).items()
    }
    by_relation: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for key in keys:
        by_relation[key["relation"]].append(key)
    exposed = frozenset(schemas)
    found: list[ViewKey] = []
    for view in views:
        if view["schema"] in exposed:
            found += _keys_of(view, origins, by_relation)
    return found


def _keys_of(
    view: Mapping[str, Any],
    origins: Mapping[Place, Place],
    keys: Mapping[int, Sequence[Mapping[str, Any]]],
) -> list[ViewKey]:
    shown: defaultdict[Place, list[str]] = defaultdict(list)
    for number, name in sorted((view["columns"] or {}).items(), key=lambda item: int(item[0])):
        seen: set[Place] = set()
        place: Place | None = (view["oid"], int(number))
        while place is not None and place not in seen:
            seen.add(place)
            place = origins.get(place)
            if place is not None:
                shown[place].append(name)
    found: list[ViewKey] = []
    for relation in {place[0] for place in shown}:
        for key in keys.get(relation, ()):
            columns = tuple(
                (column, tuple(shown.get((relation, number), ()))) for number, column in key["columns"]
            )
            if all(names for _, names in columns):
                table = QName(key["schema"], key["name"])
                name = QName(view["schema"], view["name"])
                found.append(ViewKey(table, name, key["constraint"], key["kind"], columns))
    return found
