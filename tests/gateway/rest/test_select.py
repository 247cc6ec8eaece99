"""Columns, filters, order and pages."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


def ids(answer: httpx.Response) -> list[int]:
    assert answer.status_code in (200, 206), answer.text
    return [row["id"] for row in answer.json()]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("id,name", {"id": 1, "name": "Apollo"}),
        ("title:name", {"title": "Apollo"}),
        ("id::text,b:budget::int", {"id": "1", "b": 101}),
        ("started::timestamp without time zone", {"started": "2024-01-01T00:00:00"}),
        ("facts->a", {"a": {"b": [1, 2]}}),
        ("facts->a->b->0", {"b": 1}),
        ("facts->a->b->>1", {"b": "2"}),
        ("facts->a->b->-1", {"b": 2}),
        ("key:facts->>k", {"key": "v"}),
        ("facts->a->b->>0::int", {"b": 1}),
        ("tags->0", {"tags": "space"}),
        ("label", {"label": "1:Apollo"}),
        ("id,label,name", {"id": 1, "label": "1:Apollo", "name": "Apollo"}),
        ("mood,span", {"mood": "happy", "span": "[1,10)"}),
    ],
)
def test_selected_columns(anon: httpx.Client, select: str, expected: dict[str, Any]) -> None:
    answer = anon.get("/projects", params={"select": select, "id": "eq.1"})
    assert answer.json() == [expected]


def test_without_select_all_columns_are_shown(anon: httpx.Client) -> None:
    answer = anon.get("/clients?id=eq.1")
    assert answer.json() == [{"id": 1, "name": "Acme", "city": "Bonn"}]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["content-range"] == "0-0/*"
    assert answer.headers["content-location"] == "/clients?id=eq.1"
    assert answer.headers["vary"] == "Accept, Prefer, Range"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("id=eq.2", [2]),
        ("id=neq.2", [1, 3, 4]),
        ("id=gt.2&id=lt.4", [3]),
        ("id=gte.3", [3, 4]),
        ("id=lte.1", [1]),
        ("id=not.eq.2", [1, 3, 4]),
        ("name=like.*o*", [1, 2, 3, 4]),
        ("name=like.A*", [1]),
        ("name=ilike.*APOLLO*", [1]),
        ("name=not.like.A*", [2, 3, 4]),
        ("name=match.^[AB]", [1, 2]),
        ("name=imatch.^c", [3]),
        ("name=like(any).{A*,B*}", [1, 2]),
        ("name=like(all).{*o*,*m*}", [3, 4]),
        ("id=eq(any).{1,4}", [1, 4]),
        ("id=gt(all).{1,2}", [3, 4]),
        ("id=in.(1,3)", [1, 3]),
        ("id=in.()", []),
        ("id=not.in.(1,3)", [2, 4]),
        ('name=in.("Apollo","Cos,mos")', [1]),
        ("client_id=is.null", [4]),
        ("client_id=not.is.null", [1, 2, 3]),
        ("client_id=is.not_null", [1, 2, 3]),
        ("done=is.true", [1]),
        ("done=is.FALSE", [2, 4]),
        ("done=is.unknown", [3]),
        ("done=isdistinct.true", [2, 3, 4]),
        ("done=not.isdistinct.true", [1]),
        ("tags=cs.{space}", [1, 4]),
        ("tags=cd.{space,big,ice}", [1, 2, 3, 4]),
        ("tags=ov.{ice,big}", [1, 2]),
        ("span=cs.[3,4)", [1, 4]),
        ("span=ov.[8,12)", [1, 2]),
        ("span=sl.[10,30)", [1, 4]),
        ("span=sr.(,8)", [2]),
        ("span=nxr.[1,10)", [1, 4]),
        ("span=nxl.[1,10)", [1, 2]),
        ("span=adj.[20,25)", [2]),
        ('facts=cs.{"k":"v"}', [1]),
        ("facts->>k=eq.w", [2]),
        ("facts->a->b=cs.[1]", [1]),
        ("facts->1->>deep=eq.true", [4]),
        ("mood=eq.happy", [1]),
        ("mood=gt.sad", [1, 2]),
        ("started=gte.2024-01-15", [2]),
        ("budget=eq.100.50", [1]),
        ("code=eq.AP", [1]),
        ("alias=eq.bo", [2]),
        ("label=eq.3:Cosmos", [3]),
        ("or=(id.eq.1,id.eq.4)", [1, 4]),
        ("or=(id.eq.1,and(id.gt.2,name.like.D*))", [1, 4]),
        ("and=(id.gt.1,or(name.eq.Cosmos,not.and(id.eq.3,id.eq.3)))", [2, 3, 4]),
        ("not.or=(id.eq.1,id.eq.4)", [2, 3]),
        ("or=(name.in.(Apollo,Cosmos),tags.cs.{ice})", [1, 2, 3]),
        ('or=(name.eq."Apollo",facts->>k.eq."w")', [1, 2]),
        ("or=(client_id.is.null,done.not.is.true)", [2, 3, 4]),
    ],
)
def test_filters(anon: httpx.Client, filters: str, expected: list[int]) -> None:
    assert ids(anon.get(f"/projects?select=id&order=id&{filters}")) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("search=fts.cat", [1]),
        ("search=fts(english).running", [1]),
        ("search=plfts.impossible thing", [3]),
        ("search=phfts(english).dog ran", [2]),
        ("search=wfts.cat or dog", [1, 2]),
        ("search=not.fts.cat", [2, 3]),
        ("body=fts(english).impossible", [3]),
        ("body=plfts(simple).dog", [2]),
        ("or=(search.fts.cat,body.wfts(english).dog)", [1, 2]),
    ],
)
def test_full_text_search(anon: httpx.Client, filters: str, expected: list[int]) -> None:
    assert ids(anon.get(f"/documents?select=id&order=id&{filters}")) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("id.desc", [4, 3, 2, 1]),
        ("client_id.asc.nullsfirst,id.desc", [4, 2, 1, 3]),
        ("client_id.desc.nullslast,id", [3, 1, 2, 4]),
        ("budget.nullsfirst,id", [3, 4, 1, 2]),
        ("facts->>k.desc.nullslast,id.desc", [2, 1, 4, 3]),
        ("label.desc", [4, 3, 2, 1]),
    ],
)
def test_order(anon: httpx.Client, order: str, expected: list[int]) -> None:
    assert ids(anon.get("/projects", params={"select": "id", "order": order})) == expected


def test_names_that_need_quotes(anon: httpx.Client) -> None:
    names = '"a.b",sp ace,"quo\\"te","sel,ect"'
    answer = anon.get('/odd "names', params={"select": names, '"a.b"': "eq.dot", "order": '"sp ace".desc'})
    assert answer.json() == [{"a.b": "dot", "sp ace": 7, 'quo"te': "q", "sel,ect": "comma"}]


@pytest.mark.parametrize(
    ("query", "status", "content_range", "expected"),
    [
        ("limit=2", 200, "0-1/*", [1, 2]),
        ("limit=2&offset=1", 200, "1-2/*", [2, 3]),
        ("offset=3", 200, "3-3/*", [4]),
        ("limit=0", 200, "*/*", []),
        ("offset=9", 200, "*/*", []),
    ],
)
def test_limit_and_offset(
    anon: httpx.Client, query: str, status: int, content_range: str, expected: list[int]
) -> None:
    answer = anon.get(f"/projects?select=id&order=id&{query}")
    assert (answer.status_code, answer.headers["content-range"]) == (status, content_range)
    assert ids(answer) == expected


def test_range_header_counts_on_get_only(anon: httpx.Client) -> None:
    headers = {"range-unit": "items", "range": "1-2"}
    answer = anon.get("/projects?select=id&order=id", headers=headers)
    assert ids(answer) == [2, 3]
    assert answer.headers["content-range"] == "1-2/*"
    both = anon.get("/projects?select=id&order=id&limit=2", headers=headers)
    assert ids(both) == [2]
    head = anon.head("/projects?select=id", headers=headers)
    assert head.headers["content-range"] == "0-3/*"


def test_counts(anon: httpx.Client) -> None:
    def counted(kind: str, query: str) -> tuple[int, str]:
        answer = anon.get(f"/projects?select=id&{query}", headers={"prefer": f"count={kind}"})
        assert answer.headers["preference-applied"] == f"count={kind}"
        return answer.status_code, answer.headers["content-range"]

    assert counted("exact", "limit=2") == (206, "0-1/4")
    assert counted("exact", "id=gt.2") == (200, "0-1/2")
    assert counted("exact", "id=gt.9") == (200, "*/0")
    assert counted("exact", "offset=4") == (206, "*/4")
    assert counted("estimated", "limit=3") == (206, "0-2/4")
    assert counted("planned", "limit=3") == (206, "0-2/4")


def test_an_offset_behind_the_last_row_of_a_counted_result(anon: httpx.Client) -> None:
    answer = anon.get("/projects?offset=9", headers={"prefer": "count=exact"})
    assert answer.status_code == 416
    assert answer.json() == {
        "code": "PGRST103",
        "details": "An offset of 9 was requested, but there are only 4 rows.",
        "hint": None,
        "message": "Requested range not satisfiable",
    }


def test_max_rows_caps_reads_silently(own_rest: Any) -> None:
    own_rest.set("authenticator", "pgrst.db_max_rows", "2")
    with own_rest.client(None) as anon:
        answer = anon.get("/projects?select=id,tasks(id)&order=id")
        assert (answer.status_code, answer.headers["content-range"]) == (200, "0-1/*")
        assert answer.json()[0] == {"id": 1, "tasks": [{"id": 1}, {"id": 2}]}
        counted = anon.get("/projects?select=id&limit=3", headers={"prefer": "count=exact"})
        assert (counted.status_code, counted.headers["content-range"]) == (206, "0-1/4")
        assert len(anon.get("/rpc/numbers?upto=5").json()) == 2
        estimated = anon.get("/projects?select=id", headers={"prefer": "count=estimated"})
        assert estimated.headers["content-range"] == "0-1/4"


def test_views_are_read_like_tables(anon: httpx.Client) -> None:
    answer = anon.get("/project_names?title=eq.Apollo")
    assert answer.json() == [{"id": 1, "title": "Apollo", "client_id": 1}]
