"""A change as subscribers see it.

Source: supabase/walrus ``realtime.apply_rls`` and supabase/realtime ``replication_poller.ex``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import orjson

from headway.local.realtime.changes.catalog import Table
from headway.local.realtime.changes.predicates import Value
from headway.local.realtime.wal.pgoutput import UNCHANGED, RowChange, Values

__all__ = ["BAD_REQUEST", "TOO_LARGE", "UNAUTHORIZED", "Row", "View", "error_document", "view_of"]

BAD_REQUEST = "Error 400: Bad Request, no primary key"
UNAUTHORIZED = "Error 401: Unauthorized"
TOO_LARGE = "Error 413: Payload Too Large"

_KEPT_VALUE_BYTES = 64
# What wal2json and jsonb write around each column's value: its name's key, its type and the type's oid.
_COLUMN_OVERHEAD = 60
_ROW_OVERHEAD = 200


class Row:
    """One change with the columns that the real server would have of it.

    Args:
        table: Its table.
        change: From the log.
    """

    __slots__ = ("_json", "_size", "change", "generated", "new", "old", "table")

    def __init__(self, table: Table, change: RowChange) -> None:
        self.table = table
        self.change = change
        self.new = _columns(change, change.new)
        self.old = _identity(change)
        self.generated: dict[str, bytes] = {}
        self._json: dict[tuple[str, bool], bytes] = {}
        self._size: int | None = None

    @property
    def filtered(self) -> Mapping[str, Value]:
        """The columns that filters look at: the new row's, or what is left of a deleted one."""
        return self.old if self.change.action == "DELETE" else self.new

    def unencoded(self) -> list[tuple[str, bool, int, str]]:
        """Values that only Postgres can write as JSON: column, whether of the old row, type, text."""
        wanted = []
        for column in self.table.foreign_columns:
            for is_old, values in ((False, self.new), (True, self.old)):
                value = values.get(column.name)
                if isinstance(value, bytes):
                    wanted.append((column.name, is_old, column.type_oid, value.decode()))
        return wanted

    def set_json(self, column: str, is_old: bool, document: bytes) -> None:
        """Supply a value that Postgres has written as JSON."""
        self._json[(column, is_old)] = document

    def json_value(self, name: str, *, is_old: bool) -> bytes | None:
        """A column as JSON; ``None`` when the change does not hold it.

        What an UPDATE left alone is taken from the old row, as far as that is known.
        """
        if is_old:
            values = self.old
        elif name in self.new:
            values = self.new
        elif name in self.generated:
            return self.generated[name]
        else:
            values, is_old = self.old, True
        if name not in values:
            return None
        document = self._json.get((name, is_old))
        if document is None:
            value = values[name]
            encode = self.table.encoder(name)
            document = encode(value) if isinstance(value, bytes) and encode is not None else b"null"
            self._json[(name, is_old)] = document
        return document

    def is_longer_than(self, size: int) -> bool:
        """Whether the change is, as wal2json would write it, about longer than ``size`` bytes."""
        if self._size is None:
            columns = len(self.new) + len(self.old)
            names = sum(map(len, self.new)) + sum(map(len, self.old))
            # Every value that counts is in the message; the identity may repeat some of them.
            self._size = _ROW_OVERHEAD + columns * _COLUMN_OVERHEAD + names + self.change.size
        return self._size > size


def _columns(change: RowChange, values: Values | None) -> dict[str, Value]:
    if values is None:
        return {}
    columns = dict[str, Value](zip(change.relation.names, values, strict=True))
    if UNCHANGED in values:
        return {name: value for name, value in columns.items() if value is not UNCHANGED}
    return columns


def _identity(change: RowChange) -> dict[str, Value]:
    """The replica identity's columns, from the old tuple or, when it is not sent, unchanged from the new."""
    if change.action == "INSERT" or change.relation.replica_identity == "n":
        return {}
    columns = _columns(change, change.new if change.old is None else change.old)
    if change.old_is_full:
        return columns
    return {c.name: columns[c.name] for c in change.relation.columns if c.is_identity and c.name in columns}


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How those who may select certain columns see a table.

    Args:
        head: The document's first members, up to the time of the commit.
        columns: The member ``columns``.
        names: The columns, each with its key as JSON.
        keys: The same of the primary key alone.
    """

    head: dict[str, bytes]
    columns: bytes
    names: tuple[tuple[str, bytes], ...]
    keys: tuple[tuple[str, bytes], ...]

    def document(self, row: Row, *, is_rls_enabled: bool, max_bytes: int) -> bytes:
        """A change as JSON.

        Args:
            row: The change.
            is_rls_enabled: Whether the table is under row level security: of a deleted row only the key is
                then sent, since nobody can tell any more who might have seen the rest.
            max_bytes: The size above which only short values are kept.
        """
        action = row.change.action
        too_large = row.is_longer_than(max_bytes)
        parts = [
            self.head[action],
            _timestamp(row.change.transaction.committed_at),
            self.columns,
            b'"errors":["%b"]' % TOO_LARGE.encode() if too_large else b'"errors":null',
        ]
        if action != "DELETE":
            parts.append(b',"record":')
            parts.append(_record(row, self.names, too_large, is_old=False))
        if action != "INSERT":
            names = self.keys if action == "DELETE" and is_rls_enabled else self.names
            parts.append(b',"old_record":')
            parts.append(_record(row, names, too_large, is_old=True))
        parts.append(b"}")
        return b"".join(parts)


def view_of(table: Table, selectable: frozenset[str], select: tuple[str, ...] | None) -> View:
    """The view of those who may select certain columns; the primary key is always in it.

    Args:
        table: The table.
        selectable: The columns that the role may select.
        select: The columns that the binding wants; ``None`` for all.
    """
    cached = table.views.get((selectable, select))
    if isinstance(cached, View):
        return cached
    visible = selectable if select is None else selectable & (frozenset(select) | table.key_names)
    place = b'{"schema":%b,"table":%b' % (
        orjson.dumps(table.relation.schema),
        orjson.dumps(table.relation.name),
    )
    columns = [{"name": c.name, "type": c.type_name} for c in table.columns if c.name in visible]
    ordered = [*table.relation.names, *table.generated]
    names = tuple((name, orjson.dumps(name) + b":") for name in ordered if name in visible)
    view = table.views[(selectable, select)] = View(
        head={
            action: b'%b,"type":"%b","commit_timestamp":"' % (place, action.encode())
            for action in ("INSERT", "UPDATE", "DELETE")
        },
        columns=b'","columns":%b,' % orjson.dumps(columns),
        names=names,
        keys=tuple(one for one in names if one[0] in table.key_names),
    )
    return view


def error_document(row: Row, error: str) -> bytes:
    """A change of which the role may see nothing but that it happened."""
    change = row.change
    document: dict[str, object] = {
        "schema": change.relation.schema,
        "table": change.relation.name,
        "type": change.action,
        "commit_timestamp": None,
        "columns": None,
        "record": None,
        "errors": [error],
    }
    if change.action == "UPDATE":
        document["old_record"] = None
    return orjson.dumps(document)


def _record(row: Row, names: tuple[tuple[str, bytes], ...], too_large: bool, *, is_old: bool) -> bytes:
    kept = []
    for name, key in names:
        document = row.json_value(name, is_old=is_old)
        # Of a change that is too large, the real server drops NULLs with the long values.
        if document is None or (too_large and (len(document) > _KEPT_VALUE_BYTES or document == b"null")):
            continue
        kept.append(key + document)
    return b"{%b}" % b",".join(kept) if kept else b"null"


@lru_cache(maxsize=64)
def _timestamp(moment: datetime) -> bytes:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.").encode() + b"%03dZ" % (moment.microsecond // 1000)
