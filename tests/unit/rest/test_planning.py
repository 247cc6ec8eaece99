"""Statements: what they say, what is bound, and what is remembered."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.rest.errors import RestError
from headway.local.rest.identifiers import quote
from headway.local.rest.plan.hints import _closest
from headway.local.rest.plan.outcome import Execute
from headway.local.rest.plan_cache import PlanCache
from headway.local.rest.planning import plan_request
from headway.local.rest.sql.casts import cast_type
from headway.local.rest.sql.writer import array_literal

from .schema import CACHE, CONFIG, request


def planned(method: str, path: str, query: str | bytes = b"", body: bytes = b"", **headers: str) -> Execute:
    found = plan_request(request(method, path, query, **headers), body, CONFIG, CACHE)
    assert isinstance(found, Execute)
    return found


def encoded(text: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass")).encode()


def without_names(sql: str) -> str:
    return re.sub(r'"(?:[^"]|"")*"', '""', sql)


def test_a_statement() -> None:
    found = planned("GET", "/projects", "select=id,clients(name)&id=eq.5&order=id.desc&limit=3")
    assert found.statement.parameters == ("1000", "0", "5", "3", "0")
    assert found.statement.sql == (
        'WITH pgrst_source AS (SELECT "public"."projects"."id", '
        'row_to_json("projects_clients_1".*)::jsonb AS "clients" FROM "public"."projects" '
        'LEFT JOIN LATERAL ( SELECT "clients_1"."name" FROM "public"."clients" AS "clients_1" '
        'WHERE "clients_1"."id" = "public"."projects"."client_id" LIMIT $1 OFFSET $2 ) '
        'AS "projects_clients_1" ON TRUE WHERE "public"."projects"."id" = $3 '
        'ORDER BY "public"."projects"."id" DESC LIMIT $4 OFFSET $5) '
        "SELECT null::bigint AS total, pg_catalog.count(*) AS page, NULL::text AS location, "
        "coalesce(json_agg(_postgrest_t), '[]') AS body, "
        "nullif(current_setting('response.headers', true), '') AS headers, "
        "nullif(current_setting('response.status', true), '') AS status, NULL::int AS inserted "
        "FROM (SELECT * FROM pgrst_source) _postgrest_t"
    )


TEXT = st.text(max_size=30)


@given(TEXT)
def test_values_are_bound_and_never_written(text: str) -> None:
    raw = encoded(text)
    for template in (
        b"name=eq.%s",
        b"name=not.like.%s",
        b"name=isdistinct.%s",
        b"data->>k=eq.%s",
        b"search=wfts.%s",
        b"data=cs.%s",
    ):
        path = "/tasks" if template.startswith(b"search") else "/projects"
        found = planned("GET", path, template % raw)
        assert found.statement.sql == planned("GET", path, template % b"x").statement.sql
        bound = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        assert (bound.replace("*", "%") if b"like" in template else bound) in found.statement.parameters


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters='",()\\'), min_size=1, max_size=8), max_size=5)
)
def test_lists_of_any_length_have_one_statement(values: list[str]) -> None:
    raw = b",".join(encoded(f'"{value}"') for value in values)
    found = planned("GET", "/projects", b"name=in.(" + raw + b")")
    assert found.statement.sql == planned("GET", "/projects", b"name=in.(a)").statement.sql


QUOTABLE = st.text(
    alphabet=st.characters(exclude_characters='"\\', exclude_categories=("Cs",)), min_size=1, max_size=20
)


@given(QUOTABLE)
def test_names_are_quoted_wherever_they_stand(name: str) -> None:
    raw = encoded(f'"{name}"')
    for template in (b"select=%s", b"select=%s:id", b"order=%s.desc", b"%s=eq.1", b"or=(%s.eq.1,id.eq.2)"):
        found = planned("GET", "/projects", template % raw)
        benign = planned("GET", "/projects", template % b'"x"')
        assert without_names(found.statement.sql) == without_names(benign.statement.sql)
        assert quote(name) in found.statement.sql


@given(st.text(max_size=40))
def test_quoted_names_end_at_their_own_quote(name: str) -> None:
    assert re.fullmatch(r'"(?:[^"\0]|"")*"', quote(name))


@given(st.lists(st.text(), max_size=4))
def test_array_literals_are_read_back(values: list[str]) -> None:
    text = array_literal(values)
    inner = re.findall(r'"((?:[^"\\]|\\.)*)"', text, re.DOTALL)
    assert [re.sub(r"\\(.)", r"\1", item, flags=re.DOTALL) for item in inner] == values


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("int", "int"),
        ("TIMESTAMP  with time zone", "timestamp with time zone"),
        ("text", '"text"'),
        ("MyType", '"mytype"'),
        ("ünï$", '"ünï$"'),
    ],
)
def test_casts(name: str, expected: str) -> None:
    assert cast_type(name) == expected


@pytest.mark.parametrize("name", ["int or drop", "text collate C", " ", "select 1"])
def test_casts_that_are_no_types(name: str) -> None:
    with pytest.raises(RestError) as refused:
        cast_type(name)
    assert (refused.value.status, refused.value.code) == (400, "42704")


def test_embeds_carry_the_columns_that_join_them() -> None:
    shown = {"prefer": "return=representation"}
    body = b'{"name": "x"}'
    sql = planned("POST", "/projects", "select=name,clients(name)", body, **shown).statement.sql
    assert (
        'RETURNING "public"."projects"."name", "public"."projects"."client_id", "public"."projects"."id"'
        in sql
    )
    sql = planned("POST", "/projects", "select=name", body).statement.sql
    assert "RETURNING 1" in sql


@pytest.mark.parametrize(
    ("method", "query", "body", "refusal"),
    [
        ("PATCH", "", b'{"name": 1}', "UPDATE"),
        ("PATCH", "id=eq.1", b'{"name": 1}', None),
        ("PATCH", "", b"{}", None),
        ("PATCH", "or=(id.eq.1,id.eq.2)", b'{"name": 1}', None),
        ("PATCH", "select=clients(id)&clients.id=eq.1", b'{"name": 1}', "UPDATE"),
        ("DELETE", "", b"", "DELETE"),
        ("DELETE", "id=gt.0", b"", None),
        ("POST", "", b'{"name": 1}', None),
    ],
)
def test_writes_without_where(method: str, query: str, body: bytes, refusal: str | None) -> None:
    assert planned(method, "/projects", query, body).refusal == refusal


def test_transactions_are_read_only_where_postgrest_says() -> None:
    assert planned("GET", "/projects").read_only
    assert planned("HEAD", "/rpc/touch", "id=1").read_only
    assert planned("POST", "/rpc/add", body=b'{"a": 1, "b": 2}').read_only
    assert not planned("POST", "/rpc/touch", body=b'{"id": 1}').read_only
    assert not planned("PATCH", "/projects", "id=eq.1", b'{"name": 1}').read_only


OPERATIONS = st.sampled_from(
    ["eq.", "not.eq.", "gt.", "cs.", "like.", "in.(", "is.null", "fts.", "eq(any).", "", "order", "limit"]
)
VALUES = st.one_of(
    st.sampled_from(["1", "a,b", "{x}", "(", "", "%zz", "%26", "a+b", "\u00fc", "eq.", "select"]),
    st.text(alphabet="abc%.,()*+;&=", max_size=6),
)
PARAMETERS = st.tuples(
    st.sampled_from(
        [
            "id",
            "name",
            "data->>k",
            "data-%3E%3Ek",
            "clients.name",
            "select",
            "order",
            "limit",
            "or",
            "%6Frder",
            "columns",
        ]
    ),
    OPERATIONS,
    VALUES,
)


def outcome(plan: Any) -> Any:
    try:
        return plan()
    except RestError as error:
        return error.body


@given(
    st.lists(st.lists(PARAMETERS, max_size=4), min_size=2, max_size=4),
    st.sampled_from(["GET", "HEAD", "POST", "PATCH", "DELETE"]),
    st.sampled_from(["/projects", "/tasks", "/rpc/add", "/rpc/touch", "/nobody"]),
    st.sampled_from([b"", b'{"name": "x"}', b'{"a": 1, "b": 2}', b'[{"name": 1}]', b"nope"]),
    st.sampled_from(["count=planned", "return=representation", "handling=strict,foo"]),
)
def test_a_remembered_plan_is_the_plan(
    queries: Any, method: str, path: str, body: bytes, prefer: str
) -> None:
    plans = PlanCache(CONFIG, CACHE)
    for parameters in [*queries, *queries]:
        raw = "&".join(f"{name}={operation}{value}" for name, operation, value in parameters).encode()
        asked = request(method, path, raw, prefer=prefer)
        expected = outcome(lambda a=asked: plan_request(a, body, CONFIG, CACHE))
        assert outcome(lambda a=asked: plans.plan(a, body)) == expected


def test_plans_are_shared_by_requests_that_differ_in_values() -> None:
    plans = PlanCache(CONFIG, CACHE)
    for number in range(50):
        found = plans.plan(request("GET", "/projects", f"id=eq.{number}&name=neq.n{number}"), b"")
        assert isinstance(found, Execute)
        assert found.statement.parameters[:2] == (str(number), f"n{number}")
    assert len(plans) == 1
    for number in range(5):
        found = plans.plan(request("POST", "/projects"), f'{{"name": "{number}"}}'.encode())
        assert isinstance(found, Execute)
        assert found.statement.parameters == (f'{{"name": "{number}"}}'.encode(),)
    assert len(plans) == 2


def test_the_memory_for_plans_is_bounded() -> None:
    plans = PlanCache(CONFIG, CACHE)
    for number in range(1000):
        plans.plan(request("GET", "/projects", f"limit={number + 1}"), b"")
    assert len(plans) == 512
    plans.plan(request("GET", "/projects", "name=like." + "x" * 5000), b"")
    assert len(plans) == 512


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("project", ["projects", "clients"], "projects"),
        ("xyz", ["projects", "clients"], None),
        ("PROJECTS", ["projects"], "projects"),
        ("x" * 1000, ["x" * 1000], None),
    ],
)
def test_hints(name: str, known: list[str], expected: str | None) -> None:
    assert _closest(name, known, 0.75) == expected
