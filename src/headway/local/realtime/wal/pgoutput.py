"""The messages of Postgres's logical replication, protocol version 1.

Source: PostgreSQL documentation, "Logical Replication Message Formats".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from struct import Struct
from struct import error as StructError
from typing import Final, Literal

__all__ = [
    "UNCHANGED",
    "Begin",
    "Column",
    "Decoder",
    "LogMalformed",
    "Relation",
    "RowChange",
    "Unchanged",
    "Values",
]

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_U16, _U32 = Struct(">H"), Struct(">I")
_BEGIN = Struct(">QqI")

Action = Literal["INSERT", "UPDATE", "DELETE"]


class Unchanged:
    """A TOASTed value that an UPDATE left alone and the log therefore does not hold."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged()

Values = list[bytes | Unchanged | None]
"""A row's values as text in the order of the relation's columns; ``None`` is NULL."""


class LogMalformed(Exception):
    """A message does not have the documented form."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation.

    Args:
        is_identity: Whether it is part of the replica identity.
    """

    name: str
    type_oid: int
    is_identity: bool


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A table as it was when the changes that follow were made.

    Args:
        replica_identity: ``d`` default, ``n`` nothing, ``f`` full, ``i`` index.
    """

    oid: int
    schema: str
    name: str
    replica_identity: str
    columns: tuple[Column, ...]
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))

    def looks_like(self, other: Relation) -> bool:
        """Whether another announcement has the same name and columns."""
        return (self.schema, self.name, self.columns) == (other.schema, other.name, other.columns)


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction's start.

    Args:
        xid: The lower 32 bits of its id.
        committed_at: When it was committed.
    """

    xid: int
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row inserted, updated or deleted.

    Args:
        relation: Its table.
        action: What happened.
        new: The row, for inserts and updates.
        old: The former row or its key as far as the replica identity holds it; ``None`` when it is not sent.
        old_is_full: Whether ``old`` is the whole former row.
        size: Bytes of the log message.
        transaction: What it was committed with.
    """

    relation: Relation
    action: Action
    new: Values | None
    old: Values | None
    old_is_full: bool
    size: int
    transaction: Begin


class Decoder:
    """Turns messages into changes; remembers the relations that were announced."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}
        self._transaction = Begin(0, _EPOCH)

    def relation_of(self, message: bytes) -> int | None:
        """The relation that a row change is about, without decoding it; ``None`` for other messages."""
        if message[:1] in (b"I", b"U", b"D"):
            return int(_U32.unpack_from(message, 1)[0])
        return None

    def decode(self, message: bytes) -> RowChange | Relation | Begin | None:
        """One message; ``None`` for those that announce nothing of use.

        Args:
            message: The payload of a replication message.

        Raises:
            LogMalformed: it is cut short, or of a relation never announced.
        """
        try:
            match message[0:1]:
                case b"I" | b"U" | b"D":
                    return self._row(message)
                case b"B":
                    _, moment, xid = _BEGIN.unpack_from(message, 1)
                    self._transaction = Begin(xid, _EPOCH + timedelta(microseconds=moment))
                    return self._transaction
                case b"R":
                    return self._relation(message)
                case _:
                    return None  # commit, truncate, type, origin, logical message
        except (LookupError, ValueError, OverflowError, StructError) as error:
            raise LogMalformed(f"{message[0:1]!r}: {error}") from error

    def _row(self, message: bytes) -> RowChange:
        kind = message[0]
        relation = self._relations[_U32.unpack_from(message, 1)[0]]
        new: Values | None = None
        old: Values | None = None
        old_is_full = False
        position = 5
        marker = message[position]
        if marker in b"KO":
            old_is_full = marker == 0x4F
            old, position = _tuple(message, position + 1)
            marker = message[position] if position < len(message) else 0
        if marker == 0x4E:
            new, position = _tuple(message, position + 1)
        action: Action = "INSERT" if kind == 0x49 else "UPDATE" if kind == 0x55 else "DELETE"
        width = len(relation.columns)
        if any(values is not None and len(values) != width for values in (new, old)):
            raise LogMalformed(f"a row of {relation.schema}.{relation.name} has not {width} columns")
        if (new is None) != (action == "DELETE") or (action == "DELETE" and old is None):
            raise LogMalformed(f"{action} without its row")
        return RowChange(relation, action, new, old, old_is_full, len(message), self._transaction)

    def _relation(self, message: bytes) -> Relation:
        oid = _U32.unpack_from(message, 1)[0]
        schema, position = _text(message, 5)
        name, position = _text(message, position)
        identity = chr(message[position])
        count = _U16.unpack_from(message, position + 1)[0]
        position += 3
        columns = []
        for _ in range(count):
            flags = message[position]
            column, position = _text(message, position + 1)
            columns.append(Column(column, _U32.unpack_from(message, position)[0], bool(flags & 1)))
            position += 8
        relation = Relation(oid, schema or "pg_catalog", name, identity, tuple(columns))
        self._relations[oid] = relation
        return relation


def _text(message: bytes, position: int) -> tuple[str, int]:
    end = message.index(0, position)
    return message[position:end].decode(), end + 1


def _tuple(message: bytes, position: int) -> tuple[Values, int]:
    count = _U16.unpack_from(message, position)[0]
    position += 2
    values: Values = []
    for _ in range(count):
        kind = message[position]
        if kind == 0x74:  # t
            end = position + 5 + _U32.unpack_from(message, position + 1)[0]
            if end > len(message):
                raise LogMalformed("a value is longer than its message")
            values.append(message[position + 5 : end])
            position = end
        elif kind == 0x6E:  # n
            values.append(None)
            position += 1
        elif kind == 0x75:  # u
            values.append(UNCHANGED)
            position += 1
        else:
            raise LogMalformed(f"unknown kind of value {kind}")
    return values, position
