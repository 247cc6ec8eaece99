"""Values as JSON, in walrus' forms."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.realtime.changes.values import TypeInfo, encoder_for

TYPES = {
    info.oid: info
    for info in (
        TypeInfo(16, "bool", "b"),
        TypeInfo(17, "bytea", "b"),
        TypeInfo(20, "int8", "b"),
        TypeInfo(25, "text", "b"),
        TypeInfo(114, "json", "b"),
        TypeInfo(701, "float8", "b"),
        TypeInfo(1700, "numeric", "b"),
        TypeInfo(3802, "jsonb", "b"),
        TypeInfo(1082, "date", "b"),
        TypeInfo(1114, "timestamp", "b"),
        TypeInfo(1184, "timestamptz", "b"),
        TypeInfo(2950, "uuid", "b"),
        TypeInfo(603, "box", "b", delimiter=";"),
        TypeInfo(1009, "_text", "b", element=25),
        TypeInfo(1001, "_bytea", "b", element=17),
        TypeInfo(1016, "_int8", "b", element=20),
        TypeInfo(1231, "_numeric", "b", element=1700),
        TypeInfo(1020, "_box", "b", element=603),
        TypeInfo(20001, "amount", "d", base=1700),
        TypeInfo(20002, "mood", "e"),
        TypeInfo(20003, "pair", "c"),
        TypeInfo(20004, "_pair", "b", element=20003),
        TypeInfo(20005, "hstore", "b", casts_to_json=True),
    )
}


@pytest.mark.parametrize(
    ("oid", "text", "document"),
    [
        (16, "t", "true"),
        (16, "f", "false"),
        (20, "-9223372036854775808", "-9223372036854775808"),
        (1700, "1.50", "1.50"),
        (1700, "NaN", "null"),
        (701, "-Infinity", "null"),
        (701, "1e+300", "1e+300"),
        (25, 'a"b\nc', '"a\\"b\\nc"'),
        (25, "", '""'),
        (17, "\\x00ff", '"00ff"'),
        (17, "\\x", '""'),
        (114, '{"a": [1]}', '{"a": [1]}'),
        (1082, "2024-01-02", '"2024-01-02"'),
        (1082, "infinity", '"infinity"'),
        (1114, "2024-01-02 03:04:05.678", '"2024-01-02T03:04:05.678"'),
        (1114, "0044-03-15 00:00:00 BC", '"0044-03-15T00:00:00 BC"'),
        (1184, "2024-01-02 03:04:05+00", '"2024-01-02T03:04:05+00:00"'),
        (1184, "0044-03-15 00:00:00+00 BC", '"0044-03-15T00:00:00+00:00 BC"'),
        (1184, "-infinity", '"-infinity"'),
        (2950, "00000000-0000-4000-8000-000000000000", '"00000000-0000-4000-8000-000000000000"'),
        (1009, "{}", "[]"),
        (1009, '{a,NULL,"NULL","b c","d\\"e\\\\f",""}', '["a",null,"NULL","b c","d\\"e\\\\f",""]'),
        (1016, "{{1,2},{3,4}}", "[[1,2],[3,4]]"),
        (1016, "[0:1]={7,8}", "[7,8]"),
        (1231, "{NaN,1.0}", '["NaN",1.0]'),
        (1001, '{"\\\\x01"}', '["\\\\x01"]'),
        (1020, "{(1,1),(0,0);(2,2),(1,1)}", '["(1,1),(0,0)","(2,2),(1,1)"]'),
        (20001, "3.10", "3.10"),
        (20002, "happy", '"happy"'),
    ],
)
def test_a_value(oid: int, text: str, document: str) -> None:
    encode = encoder_for(oid, TYPES)
    assert encode is not None
    assert encode(text.encode()).decode() == document


@pytest.mark.parametrize("oid", [20003, 20004, 20005, 99999])
def test_only_postgres_knows_the_others(oid: int) -> None:
    assert encoder_for(oid, TYPES) is None


def array_literal(values: list[str | None]) -> str:
    def item(value: str | None) -> str:
        if value is None:
            return "NULL"
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "{" + ",".join(map(item, values)) + "}"


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_arrays_of_any_text(values: list[str | None]) -> None:
    encode = encoder_for(1009, TYPES)
    assert encode is not None
    assert json.loads(encode(array_literal(values).encode())) == values
