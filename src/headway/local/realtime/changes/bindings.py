"""Who asked for which changes, arranged so that a row finds its askers quickly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from headway.local.identity import Identity
from headway.local.realtime.changes.filters import Wanted
from headway.local.realtime.changes.predicates import Comparison, Predicate, Value

if TYPE_CHECKING:
    from headway.local.realtime.channels.channel import Channel

__all__ = ["Attachment", "Binding", "Candidate", "TableWatch"]


@lru_cache(maxsize=1024)
def _pattern(name: str) -> re.Pattern[str]:
    """The real server matches names with LIKE, so ``%`` and ``_`` stand for others there too."""
    if name == "*":
        return re.compile(".*", re.DOTALL)
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in name)
    return re.compile("".join(parts), re.DOTALL)


@dataclass(slots=True, eq=False)
class Binding:
    """One binding of one channel.

    Args:
        channel: The channel; its identity is the one whose rights count.
        id: The id that the join's reply gave it.
        wanted: What it asks for.
        active: Whether it still counts; a change on its way to it is dropped otherwise.
    """

    channel: Channel
    id: int
    wanted: Wanted
    active: bool = True

    def concerns(self, schema: str, table: str) -> bool:
        """Whether it asks for a table."""
        return bool(_pattern(self.wanted.schema).fullmatch(schema)) and bool(
            _pattern(self.wanted.table).fullmatch(table)
        )

    def asks_for(self, action: str) -> bool:
        """Whether it asks for a kind of change."""
        return self.wanted.event in ("*", action)


@dataclass(frozen=True, slots=True, eq=False)
class Attachment:
    """A binding as it applies to one table.

    Args:
        binding: The binding.
        predicates: All have to hold for a row to pass.
    """

    binding: Binding
    predicates: tuple[Predicate, ...]


@dataclass(slots=True, eq=False)
class Candidate:
    """An attachment whose filter a row passes, but for the comparisons that Postgres has yet to make."""

    attachment: Attachment
    identity: Identity
    open: list[Comparison] = field(default_factory=list)


class TableWatch:
    """The attachments of one table, by what a row must have to be of interest."""

    __slots__ = ("_by_value", "_tested", "_unfiltered", "attachments")

    def __init__(self, attachments: list[Attachment]) -> None:
        self.attachments = attachments
        self._unfiltered: list[Attachment] = []
        self._by_value: dict[str, dict[str, list[Attachment]]] = {}
        self._tested: list[Attachment] = []
        for attachment in attachments:
            if not attachment.predicates:
                self._unfiltered.append(attachment)
                continue
            # One look-up instead of a test per subscriber, when each asks for rows of their own.
            first = next((p for p in attachment.predicates if p.equals is not None), None)
            if first is not None and first.equals is not None:
                values = self._by_value.setdefault(first.column, {})
                values.setdefault(first.equals, []).append(attachment)
            else:
                self._tested.append(attachment)

    def candidates(self, action: str, row: Mapping[str, Value]) -> list[Candidate]:
        """Those whose filter the row passes.

        Args:
            action: The kind of change.
            row: The columns that filters see; a column that is missing passes no condition.
        """
        found = []
        for attachment in self._looked_up(row):
            if not attachment.binding.active or not attachment.binding.asks_for(action):
                continue
            candidate = Candidate(attachment, attachment.binding.channel.identity)
            if _passes(attachment.predicates, row, candidate.open):
                found.append(candidate)
        return found

    def _looked_up(self, row: Mapping[str, Value]) -> Iterator[Attachment]:
        yield from self._unfiltered
        for column, values in self._by_value.items():
            value = row.get(column)
            if isinstance(value, bytes):
                yield from values.get(value.decode(), ())
        yield from self._tested


def _passes(predicates: tuple[Predicate, ...], row: Mapping[str, Value], undecided: list[Comparison]) -> bool:
    for predicate in predicates:
        if predicate.column not in row:
            return False
        verdict = predicate.passes(row[predicate.column])
        if verdict is False:
            return False
        if isinstance(verdict, Comparison):
            undecided.append(verdict)
    return True
