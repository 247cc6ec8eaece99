"""The replication protocol's messages."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.realtime.wal.pgoutput import (
    UNCHANGED,
    Begin,
    Column,
    Decoder,
    LogMalformed,
    Relation,
    RowChange,
    Unchanged,
)


def relation(oid: int = 7, identity: str = "d", schema: str = "public") -> bytes:
    columns = b"".join(
        bytes([is_key]) + name.encode() + b"\0" + struct.pack(">Ii", type_oid, -1)
        for is_key, name, type_oid in ((1, "id", 23), (0, "body", 25))
    )
    return (
        b"R"
        + struct.pack(">I", oid)
        + schema.encode()
        + b"\0notes\0"
        + identity.encode()
        + struct.pack(">H", 2)
        + columns
    )


def row(*values: bytes | Unchanged | None) -> bytes:
    parts = [struct.pack(">H", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif isinstance(value, Unchanged):
            parts.append(b"u")
        else:
            parts.append(b"t" + struct.pack(">I", len(value)) + value)
    return b"".join(parts)


def change(kind: bytes, *tuples: tuple[bytes, bytes], oid: int = 7) -> bytes:
    return kind + struct.pack(">I", oid) + b"".join(marker + data for marker, data in tuples)


@pytest.fixture
def decoder() -> Decoder:
    decoder = Decoder()
    begun = decoder.decode(b"B" + struct.pack(">QqI", 1, 86_400_000_000, 42))
    assert begun == Begin(42, datetime(2000, 1, 2, tzinfo=UTC))
    announced = decoder.decode(relation())
    assert isinstance(announced, Relation)
    assert announced.columns == (Column("id", 23, True), Column("body", 25, False))
    return decoder


def test_an_insert(decoder: Decoder) -> None:
    decoded = decoder.decode(change(b"I", (b"N", row(b"1", None))))
    assert isinstance(decoded, RowChange)
    assert (decoded.action, decoded.new, decoded.old) == ("INSERT", [b"1", None], None)
    assert decoded.transaction.xid == 42


def test_an_update_with_its_former_key(decoder: Decoder) -> None:
    message = change(b"U", (b"K", row(b"1", None)), (b"N", row(b"2", UNCHANGED)))
    decoded = decoder.decode(message)
    assert isinstance(decoded, RowChange)
    assert (decoded.new, decoded.old, decoded.old_is_full) == ([b"2", UNCHANGED], [b"1", None], False)


def test_an_update_with_its_former_row(decoder: Decoder) -> None:
    decoded = decoder.decode(change(b"U", (b"O", row(b"1", b"a")), (b"N", row(b"1", b"b"))))
    assert isinstance(decoded, RowChange)
    assert decoded.old_is_full


def test_a_delete(decoder: Decoder) -> None:
    decoded = decoder.decode(change(b"D", (b"K", row(b"1", None))))
    assert isinstance(decoded, RowChange)
    assert (decoded.action, decoded.new, decoded.old) == ("DELETE", None, [b"1", None])


def test_the_relation_of_a_row_is_known_without_decoding(decoder: Decoder) -> None:
    assert decoder.relation_of(change(b"I", (b"N", row(b"1", None)))) == 7
    assert decoder.relation_of(b"C") is None


@pytest.mark.parametrize("message", [b"C" + b"\0" * 25, b"T", b"Y", b"O", b"M", b""])
def test_others_announce_nothing(decoder: Decoder, message: bytes) -> None:
    assert decoder.decode(message) is None


def test_a_relation_without_schema_is_of_the_catalogue() -> None:
    announced = Decoder().decode(relation(schema=""))
    assert isinstance(announced, Relation)
    assert announced.schema == "pg_catalog"


@pytest.mark.parametrize(
    "message",
    [
        change(b"I", (b"N", row(b"1")), oid=8),
        change(b"I", (b"N", row(b"1"))),
        change(b"I"),
        change(b"U", (b"O", row(b"1", b"a"))),
        change(b"D", (b"N", row(b"1", b"a"))),
        change(b"I", (b"N", row(b"1", b"long")[:-1])),
        change(b"I", (b"N", b"\0\1x")),
        b"I\0",
        b"R\0\0\0\1public",
        b"B\0",
    ],
)
def test_malformed_messages_are_refused(decoder: Decoder, message: bytes) -> None:
    with pytest.raises(LogMalformed):
        decoder.decode(message)


@given(st.binary())
def test_garbage_is_refused_or_ignored(message: bytes) -> None:
    decoder = Decoder()
    decoder.decode(relation())
    try:
        decoder.decode(message)
    except LogMalformed:
        pass


VALUES = st.none() | st.binary(max_size=50) | st.just(UNCHANGED)


@given(VALUES, VALUES)
def test_any_row_comes_through(first: bytes | Unchanged | None, second: bytes | Unchanged | None) -> None:
    decoder = Decoder()
    decoder.decode(relation())
    decoded = decoder.decode(change(b"I", (b"N", row(first, second))))
    assert isinstance(decoded, RowChange)
    assert decoded.new == [first, second]
