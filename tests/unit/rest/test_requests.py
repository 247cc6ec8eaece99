"""Preferences, media types, ranges, payloads and query strings as a whole."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.rest.errors import RestError
from headway.local.rest.request.http import HttpRequest, read_body
from headway.local.rest.request.media_types import CSV, JSON, parse_accept, parse_media_type
from headway.local.rest.request.payload import parse_payload
from headway.local.rest.request.preferences import parse_preferences
from headway.local.rest.request.query_string import canonical, parse_query_string, split_query_string
from headway.local.rest.request.ranges import (
    EVERYTHING,
    NOTHING,
    Range,
    content_range,
    page_status,
    top_level_range,
)

from .schema import refusal


class TestPreferences:
    def test_several_headers_the_first_of_a_kind_counts(self) -> None:
        found = parse_preferences(
            ["return=minimal,  count=exact", "return=representation, resolution=ignore-duplicates"],
            transaction_override=False,
        )
        assert (found.returning, found.count, found.resolution) == ("minimal", "exact", "ignore-duplicates")
        assert found.applied() == "resolution=ignore-duplicates, return=minimal, count=exact"

    def test_unknown_ones_are_kept_for_strict_clients(self) -> None:
        found = parse_preferences(["handling=strict, foo, return=everything"], transaction_override=False)
        assert found.strict
        assert found.invalid == ("foo", "return=everything")

    def test_transactions_are_chosen_only_where_allowed(self) -> None:
        assert parse_preferences(["tx=rollback"], transaction_override=False).transaction is None
        assert parse_preferences(["tx=rollback"], transaction_override=True).transaction == "rollback"

    def test_values_that_are_no_words(self) -> None:
        found = parse_preferences(
            ["timezone=Europe/Berlin, max-affected=5, handling=strict"], transaction_override=False
        )
        assert (found.timezone, found.max_affected) == ("Europe/Berlin", 5)
        assert found.applied() == "handling=strict, timezone=Europe/Berlin, max-affected=5"
        assert parse_preferences(["max-affected=many"], transaction_override=False).max_affected is None

    def test_nothing_preferred_nothing_applied(self) -> None:
        assert parse_preferences([], transaction_override=True).applied() is None

    @given(st.lists(st.text()))
    def test_anything_is_a_preference_or_not(self, headers: list[str]) -> None:
        parse_preferences(headers, transaction_override=True)


class TestMediaTypes:
    @pytest.mark.parametrize(
        ("text", "shown", "content_type"),
        [
            ("application/json", "application/json", "application/json; charset=utf-8"),
            ("APPLICATION/JSON; charset=utf-8", "application/json", "application/json; charset=utf-8"),
            ("text/csv", "text/csv", "text/csv; charset=utf-8"),
            ("application/octet-stream", "application/octet-stream", "application/octet-stream"),
            ("application/vnd.pgrst.array+json", "application/json", "application/json; charset=utf-8"),
            (
                "application/vnd.pgrst.object+json;nulls=stripped",
                "application/vnd.pgrst.object+json;nulls=stripped",
                "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
            ),
            (
                "application/vnd.pgrst.plan",
                'application/vnd.pgrst.plan+text; for="application/json"',
                'application/vnd.pgrst.plan+text; for="application/json"; charset=utf-8',
            ),
            (
                'application/vnd.pgrst.plan+json; for="text/csv"; options=wal|analyze|nonsense',
                'application/vnd.pgrst.plan+json; for="text/csv"; options=analyze|wal',
                'application/vnd.pgrst.plan+json; for="text/csv"; options=analyze|wal; charset=utf-8',
            ),
            ("application/vnd.own+xml", "application/vnd.own+xml", "application/vnd.own+xml"),
            ("nonsense", "nonsense", "nonsense"),
        ],
    )
    def test_names(self, text: str, shown: str, content_type: str) -> None:
        found = parse_media_type(text)
        assert (str(found), found.content_type) == (shown, content_type)

    def test_accept_is_ordered_by_weight_then_by_how_specific_it_is(self) -> None:
        header = "*/*, text/csv;q=0.9, application/json"
        assert [str(found) for found in parse_accept(header)] == ["application/json", "*/*", "text/csv"]
        assert [str(found) for found in parse_accept(None)] == ["*/*"]
        assert parse_accept("text/csv;q=0.1,application/json;q=x") == (JSON, CSV)

    @given(st.text())
    def test_anything_is_some_media_type(self, text: str) -> None:
        parse_accept(text)
        str(parse_media_type(text).content_type)

    def test_plans_of_plans_end(self) -> None:
        nested = "application/vnd.pgrst.plan"
        for _ in range(200):
            nested = f"application/vnd.pgrst.plan; for={nested}"
        parse_media_type(nested)


class TestRanges:
    @pytest.mark.parametrize(
        ("ranges", "header", "expected"),
        [
            ({}, None, EVERYTHING),
            ({}, "0-9", Range(0, 9)),
            ({}, "5-", Range(5, None)),
            ({}, "items=0-9", EVERYTHING),
            ({}, "-5", EVERYTHING),
            ({(): Range(2, 3)}, None, Range(2, 3)),
            ({(): Range(0, 4)}, "3-9", Range(3, 4)),
            ({(): Range(0, -1)}, "3-9", NOTHING),
        ],
    )
    def test_rows_asked_for(self, ranges: Any, header: str | None, expected: Range) -> None:
        assert top_level_range("GET", ranges, header) == expected

    def test_the_header_counts_on_get_only(self) -> None:
        for method in ("HEAD", "POST", "PATCH", "DELETE"):
            assert top_level_range(method, {}, "5-3") == EVERYTHING

    @pytest.mark.parametrize(
        ("method", "ranges", "header", "code", "details"),
        [
            ("GET", {(): Range(0, -3)}, None, "PGRST103", "Limit should be greater than or equal to zero."),
            (
                "GET",
                {},
                "5-3",
                "PGRST103",
                "The lower boundary must be lower than or equal to the upper boundary in the Range header.",
            ),
            ("GET", {(): Range(0, 1)}, "5-9", "PGRST103", "Limit should be greater than or equal to zero."),
            ("PUT", {(): Range(0, 0)}, None, "PGRST114", None),
        ],
    )
    def test_refusals(
        self, method: str, ranges: Any, header: str | None, code: str, details: str | None
    ) -> None:
        with pytest.raises(RestError) as refused:
            top_level_range(method, ranges, header)
        assert (refused.value.code, refused.value.details) == (code, details)

    @pytest.mark.parametrize(
        ("first", "last", "total", "shown", "status"),
        [
            (0, 9, None, "0-9/*", 200),
            (0, 9, 10, "0-9/10", 200),
            (0, 9, 250, "0-9/250", 206),
            (0, -1, None, "*/*", 200),
            (0, -1, 0, "*/0", 200),
            (5, 4, 5, "*/5", 206),
            (6, 5, 5, "*/5", 416),
        ],
    )
    def test_pages(self, first: int, last: int, total: int | None, shown: str, status: int) -> None:
        assert (content_range(first, last, total), page_status(first, last, total)) == (shown, status)

    def test_caps(self) -> None:
        assert EVERYTHING.at_most(10) == Range(0, 9)
        assert Range(5, None).at_most(10) == Range(5, 14)
        assert Range(0, 3).at_most(10) == Range(0, 3)
        assert NOTHING.at_most(10) == NOTHING
        assert Range(0, 3).at_most(None) == Range(0, 3)


class TestPayloads:
    def test_json(self) -> None:
        one = parse_payload(b' {"a": 1}', JSON, None, rpc=False)
        assert (one.keys, one.is_object, one.data) == ({"a"}, True, b' {"a": 1}')
        many = parse_payload(b'[{"a": 1, "b": 2}, {"b": 3, "a": 4}]', JSON, None, rpc=False)
        assert (many.keys, many.is_object) == ({"a", "b"}, False)
        for scalar in (b"5", b'"x"', b"null", b"[]"):
            assert parse_payload(scalar, JSON, None, rpc=False).data == b"[]"
        assert parse_payload(b"", JSON, None, rpc=True).data == b"{}"

    def test_columns_stand_for_the_keys(self) -> None:
        found = parse_payload(b" not even json", JSON, frozenset({"a"}), rpc=False)
        assert (found.keys, found.data) == ({"a"}, b" not even json")

    def test_json_beyond_64_bits(self) -> None:
        found = parse_payload(b'{"n": 123456789012345678901234567890}', JSON, None, rpc=False)
        assert found.data == b'{"n": 123456789012345678901234567890}'

    def test_forms(self) -> None:
        form = parse_media_type("application/x-www-form-urlencoded")
        row = parse_payload(b"a=1&b=x+y%21", form, None, rpc=False)
        assert json.loads(row.data) == {"a": "1", "b": "x y!"}
        call = parse_payload(b"a=1&a=2", form, None, rpc=True)
        assert call.form == (("a", "1"), ("a", "2"))

    def test_csv(self) -> None:
        found = parse_payload(b'a,b\r\n1,"x\ny"\r\n2,NULL\r\n', CSV, None, rpc=False)
        assert orjson.loads(found.data) == [{"a": "1", "b": "x\ny"}, {"a": "2", "b": None}]

    @given(st.binary(), st.sampled_from([JSON, CSV, parse_media_type("text/plain")]), st.booleans())
    def test_any_bytes_are_a_payload_or_refused(self, body: bytes, content_type: Any, rpc: bool) -> None:
        error = refusal(lambda: parse_payload(body, content_type, None, rpc=rpc))
        assert error is None or (error.status, error.code) == (400, "PGRST102")


class TestQueryStrings:
    def test_split(self) -> None:
        assert split_query_string(b"a=1&b&c=x+y%26;d=%zz&&=5") == [
            (b"a", b"1"),
            (b"b", None),
            (b"c", b"x y&"),
            (b"d", b"%zz"),
            (b"", b"5"),
        ]

    def test_canonical(self) -> None:
        assert canonical(b"b=2&a=1&d&a=%C3%BC") == "a=1,%C3%BC&b=2&d="

    def test_parts(self) -> None:
        found = parse_query_string(
            split_query_string(
                b"select=id&rel.a=eq.1&or=(a.eq.1)&rel.order=a&order=b&limit=5&offset=2&rel.limit=1"
                b"&columns=a,b&on_conflict=c"
            ),
            arguments=False,
        )
        assert [path for path, _ in found.filters] == [("rel",)]
        assert [path for path, _ in found.logic] == [()]
        assert {path for path, _ in found.order} == {("rel",), ()}
        assert found.ranges == {(): Range(2, 6), ("rel",): Range(0, 0)}
        assert (found.columns, found.on_conflict) == ({"a", "b"}, ("c",))
        assert found.filter_names == {"rel.a"}

    def test_arguments_are_what_is_no_filter(self) -> None:
        pairs = split_query_string(b"a=5&b=eq.5&c=equal&d=&e=1.5")
        found = parse_query_string(pairs, arguments=True)
        assert found.arguments == [("a", "5"), ("c", "equal"), ("d", ""), ("e", "1.5")]
        assert len(found.filters) == 1
        with pytest.raises(RestError):
            parse_query_string(split_query_string(b"a=in.5"), arguments=True)

    def test_limits_that_are_no_numbers_are_ignored(self) -> None:
        found = parse_query_string(split_query_string(b"limit=abc&offset=1e3"), arguments=False)
        assert found.ranges == {(): Range(0, -1)}
        assert parse_query_string([(b"limit", b"x")], arguments=False).ranges == {(): EVERYTHING}

    @given(st.binary(max_size=80), st.booleans())
    def test_any_bytes_are_parsed_or_refused(self, raw: bytes, arguments: bool) -> None:
        canonical(raw)
        error = refusal(lambda: parse_query_string(split_query_string(raw), arguments=arguments))
        assert error is None or error.code == "PGRST100"


class TestHttp:
    def test_headers(self) -> None:
        request = HttpRequest(
            "GET", "/", b"", [("cookie", "a=1; b = 2;;c"), ("prefer", "x"), ("prefer", "y")]
        )
        assert request.cookies() == {"a": "1", "b ": " 2", "c": ""}
        assert (request.header("prefer"), request.all("prefer")) == ("x", ["x", "y"])

    @pytest.mark.parametrize(
        ("value", "token"),
        [("Bearer x.y.z", "x.y.z"), ("bearer  x ", "x"), ("Bearer", ""), ("Basic abc", None), ("", None)],
    )
    def test_bearer(self, value: str, token: str | None) -> None:
        assert HttpRequest("GET", "/", b"", [("authorization", value)]).bearer == token

    async def test_bodies_have_a_limit(self) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"12345", "more_body": True}

        with pytest.raises(RestError) as refused:
            await read_body(receive, 12)
        assert refused.value.status == 413
