"""A change as subscribers see it.

Source: supabase/walrus ``realtime.apply_rls`` and supabase/realtime ``replication_poller.ex``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import orjson

from headway.local.realtime.changes.catalog import Table
from headway.local.realtime.changes.predicates import Value
from headway.local.realtime.wal.pgoutput import RowChange, Unchanged

__all__ = ["BAD_REQUEST", "TOO_LARGE", "UNAUTHORIZED", "Row", "error_document", "row_document"]

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

    __slots__ = ("_json", "change", "generated", "new", "old", "table")

    def __init__(self, table: Table, change: RowChange) -> None:
        self.table = table
        self.change = change
        self.new = _columns(change, change.new)
        self.old = _identity(change)
        self.generated: dict[str, bytes] = {}
        self._json: dict[tuple[str, bool], bytes] = {}

    @property
    def filtered(self) -> Mapping[str, Value]:
        """The columns that filters look at: the new row's, or what is left of a deleted one."""
        return self.old if self.change.action == "DELETE" else self.new

    def unencoded(self) -> list[tuple[str, bool, int, str]]:
        """Values that only Postgres can write as JSON: column, whether of the old row, type, text."""
        wanted = []
        for n, column in enumerate(self.change.relation.columns):
            if self.table.encoders[n] is None:
                for is_old, values in ((False, self.new), (True, self.old)):
                    value = values.get(column.name)
                    if isinstance(value, bytes):
                        wanted.append((column.name, is_old, column.type_oid, value.decode()))
        return wanted

    def set_json(self, column: str, is_old: bool, document: bytes) -> None:
        """Supply a value that Postgres has written as JSON."""
        self._json[(column, is_old)] = document

    def json_values(self, *, is_old: bool) -> dict[str, bytes]:
        """The columns as JSON; of the new row, with what an UPDATE left alone taken from the old one."""
        if is_old:
            return {name: self._value(name, True) for name in self.old}
        values = {name: self._value(name, True) for name in self.old if name not in self.new}
        values.update((name, self._value(name, False)) for name in self.new)
        values.update(self.generated)
        return values

    def approximate_size(self) -> int:
        """Bytes of the change as wal2json would write it, which the limit is about."""
        columns = len(self.new) + len(self.old)
        names = sum(map(len, self.new)) + sum(map(len, self.old))
        values = sum(len(v) for part in (self.new, self.old) for v in part.values() if isinstance(v, bytes))
        return _ROW_OVERHEAD + columns * _COLUMN_OVERHEAD + names + values

    def is_null(self, name: str, *, is_old: bool) -> bool:
        """Whether a column is NULL."""
        return (self.old if is_old else self.new).get(name, b"") is None

    def _value(self, name: str, is_old: bool) -> bytes:
        document = self._json.get((name, is_old))
        if document is None:
            value = (self.old if is_old else self.new)[name]
            if not isinstance(value, bytes):
                document = b"null"
            else:
                encode = self.table.encoder(name)
                document = b"null" if encode is None else encode(value)
            self._json[(name, is_old)] = document
        return document


def _columns(change: RowChange, values: list[Value] | None) -> dict[str, Value]:
    if values is None:
        return {}
    columns = zip(change.relation.columns, values, strict=True)
    return {column.name: value for column, value in columns if not isinstance(value, Unchanged)}


def _identity(change: RowChange) -> dict[str, Value]:
    """The replica identity's columns, from the old tuple or, when it is not sent, unchanged from the new."""
    if change.action == "INSERT" or change.relation.replica_identity == "n":
        return {}
    source = change.new if change.old is None else change.old
    if source is None:
        return {}
    columns = zip(change.relation.columns, source, strict=True)
    return {
        column.name: value
        for column, value in columns
        if (change.old_is_full or column.is_identity) and not isinstance(value, Unchanged)
    }


def row_document(
    row: Row,
    selectable: frozenset[str],
    select: Iterable[str] | None,
    *,
    is_rls_enabled: bool,
    max_bytes: int,
) -> bytes:
    """A change as JSON for those who may select certain columns.

    Args:
        row: The change.
        selectable: The columns that the role may select.
        select: The columns that the binding wants; ``None`` for all. The primary key is always sent.
        is_rls_enabled: Whether the table is under row level security: of a deleted row only the key is then
            sent, since nobody can tell any more who might see the rest.
        max_bytes: The size above which only short values are kept.
    """
    table, change = row.table, row.change
    visible = selectable if select is None else selectable & (frozenset(select) | table.key_names)
    too_large = row.approximate_size() > max_bytes
    parts = [
        b'"schema":%b,"table":%b,"type":"%b","commit_timestamp":"%b"'
        % (
            orjson.dumps(change.relation.schema),
            orjson.dumps(change.relation.name),
            change.action.encode(),
            _timestamp(change.committed_at),
        ),
        b'"columns":%b'
        % orjson.dumps([{"name": c.name, "type": c.type_name} for c in table.columns if c.name in visible]),
        b'"errors":%b' % (orjson.dumps([TOO_LARGE]) if too_large else b"null"),
    ]
    if change.action != "DELETE":
        parts.append(b'"record":%b' % _record(row, visible, too_large, is_old=False))
    if change.action != "INSERT":
        if change.action == "DELETE" and is_rls_enabled:
            visible &= table.key_names
        parts.append(b'"old_record":%b' % _record(row, visible, too_large, is_old=True))
    return b"{%b}" % b",".join(parts)


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


def _record(row: Row, visible: frozenset[str], too_large: bool, *, is_old: bool) -> bytes:
    values = row.json_values(is_old=is_old)
    kept = [
        b"%b:%b" % (orjson.dumps(name), document)
        for name, document in values.items()
        if name in visible
        and not (too_large and (len(document) > _KEPT_VALUE_BYTES or row.is_null(name, is_old=is_old)))
    ]
    return b"{%b}" % b",".join(kept) if kept else b"null"


def _timestamp(moment: datetime) -> bytes:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.").encode() + b"%03dZ" % (moment.microsecond // 1000)
