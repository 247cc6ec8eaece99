"""Functions called by name."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .harness import RestServer


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("add_them", {"a": 1, "b": 2}, 3),
        ("greet", {"name": "Ada"}, "Hello, Ada"),
        ("greet", {"name": "Ada", "greeting": "Bye"}, "Bye, Ada"),
        ("numbers", {"upto": 3}, [1, 2, 3]),
        ("squares", {"upto": 2}, [{"n": 1, "square": 1}, {"n": 2, "square": 4}]),
        ("nothing_at_all", {}, None),
        ("joined", {"words": ["a", "b"]}, "a-b"),
        ("overloaded", {"a": 1}, "one"),
        ("overloaded", {"a": 1, "b": 2}, "two"),
        ("take_arrays", {"ints": [1, 2, 3], "doc": {"k": [1]}}, {"sum": 6, "doc": {"k": [1]}}),
        ("take_json", {"any": {"thing": 1}}, {"any": {"thing": 1}}),
        ("take_json", [{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
    ],
)
def test_post(anon: httpx.Client, name: str, arguments: Any, expected: Any) -> None:
    answer = anon.post(f"/rpc/{name}", json=arguments)
    assert (answer.status_code, answer.json()) == (200, expected)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("add_them?a=1&b=2", 3),
        ("greet?name=Ada", "Hello, Ada"),
        ("numbers?upto=2", [1, 2]),
        ("joined?words=a&words=b&words=c", "a-b-c"),
        ("take_arrays?ints={1,2}&doc={}", {"sum": 3, "doc": {}}),
        ("count_cached", 3),
    ],
)
def test_get(anon: httpx.Client, call: str, expected: Any) -> None:
    answer = anon.get(f"/rpc/{call}")
    assert (answer.status_code, answer.json()) == (200, expected)


def test_results_are_filtered_ordered_paged_and_embedded(anon: httpx.Client) -> None:
    rows = anon.get("/rpc/project_list?select=name,clients(name)&id=lt.4&order=id.desc&limit=2&offset=1")
    assert rows.json() == [
        {"name": "Borealis", "clients": {"name": "Acme"}},
        {"name": "Apollo", "clients": {"name": "Acme"}},
    ]
    counted = anon.post("/rpc/project_list?select=id&id=gt.1&limit=2", headers={"prefer": "count=exact"})
    assert (counted.status_code, counted.headers["content-range"]) == (206, "0-1/3")
    inner = anon.get("/rpc/project_list?select=id,tasks!inner(name)&tasks.name=eq.dig")
    assert inner.json() == [{"id": 2, "tasks": [{"name": "dig"}]}]
    by_alias = anon.get("/rpc/squares?upto=3&n=gt.1&select=s:square")
    assert by_alias.json() == [{"s": 4}, {"s": 9}]


def test_a_row_is_one_object(anon: httpx.Client) -> None:
    answer = anon.post("/rpc/one_project?select=id,name,tasks(id)", json={"wanted": 2})
    assert answer.json() == {"id": 2, "name": "Borealis", "tasks": [{"id": 4}]}


def test_void_is_204(anon: httpx.Client) -> None:
    answer = anon.post("/rpc/do_nothing")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers


def test_single_unnamed_parameters_take_the_body(anon: httpx.Client) -> None:
    text = anon.post("/rpc/take_text", headers={"content-type": "text/plain"}, content="hällo")
    assert text.json() == "HÄLLO"
    xml = anon.post("/rpc/take_xml", headers={"content-type": "text/xml"}, content="<a>hällo</a>")
    assert xml.json() == "hällo"
    data = anon.post(
        "/rpc/take_bytes", headers={"content-type": "application/octet-stream"}, content=b"\x00\xff\x01"
    )
    assert data.json() == 3


def test_form_arguments(anon: httpx.Client) -> None:
    assert anon.post("/rpc/add_them", data={"a": "4", "b": "5"}).json() == 9
    assert (
        anon.post(
            "/rpc/joined",
            content="words=x&words=y",
            headers={"content-type": "application/x-www-form-urlencoded"},
        ).json()
        == "x-y"
    )


def test_head(anon: httpx.Client) -> None:
    answer = anon.head("/rpc/project_list", headers={"prefer": "count=exact"})
    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (200, b"", "0-3/4")


def test_no_such_function(anon: httpx.Client) -> None:
    answer = anon.post("/rpc/add_the", json={"a": 1})
    assert answer.status_code == 404
    assert answer.json() == {
        "code": "PGRST202",
        "details": "Searched for the function public.add_the with parameter a or with a single unnamed "
        "json/jsonb parameter, but no matches were found in the schema cache.",
        "hint": "Perhaps you meant to call the function public.add_them",
        "message": "Could not find the function public.add_the(a) in the schema cache",
    }
    wrong = anon.get("/rpc/add_them?a=1&c=2")
    assert wrong.json()["hint"] == "Perhaps you meant to call the function public.add_them(a, b)"
    assert wrong.json()["message"] == "Could not find the function public.add_them(a, c) in the schema cache"
    none = anon.post("/rpc/nobody")
    assert none.json()["message"] == (
        "Could not find the function public.nobody without parameters in the schema cache"
    )
    raw = anon.post("/rpc/add_them", headers={"content-type": "text/plain"}, content="x")
    assert raw.json()["details"] == (
        "Searched for the function public.add_them with a single unnamed text parameter, but no matches were "
        "found in the schema cache."
    )


def test_functions_of_other_schemas_are_not_found(anon: httpx.Client) -> None:
    assert anon.post("/rpc/hidden_function").status_code == 404
    assert anon.post("/rpc/pg_sleep", json={"seconds": 0}).status_code == 404
    assert anon.post("/rpc/private.hidden_function").status_code == 404


def test_ambiguous_functions(anon: httpx.Client) -> None:
    answer = anon.post("/rpc/ambiguous", json={"x": 1})
    assert answer.status_code == 300
    assert answer.json() == {
        "code": "PGRST203",
        "details": None,
        "hint": "Try renaming the parameters or the function itself in the database so function overloading "
        "can be resolved",
        "message": "Could not choose the best candidate function between: public.ambiguous(x => integer), "
        "public.ambiguous(x => text)",
    }


def test_methods(anon: httpx.Client) -> None:
    answer = anon.delete("/rpc/add_them")
    assert (answer.status_code, answer.json()["code"]) == (405, "PGRST101")
    assert answer.json()["message"] == "Cannot use the DELETE method on RPC"


def test_reads_and_stable_functions_cannot_write(service: httpx.Client) -> None:
    by_get = service.get("/rpc/add_write?label=by-get")
    assert (by_get.status_code, by_get.json()["code"]) == (405, "25006")
    stable = service.post("/rpc/stable_write", json={"label": "stable"})
    assert (stable.status_code, stable.json()["code"]) == (400, "0A000")
    written = service.post("/rpc/add_write?select=label", json={"label": "by-post"})
    assert written.json() == {"label": "by-post"}


def test_max_affected(service: httpx.Client, rest: RestServer) -> None:
    rest.execute("insert into public.writes (label) values ('touch-1'), ('touch-2')")
    strict = {"prefer": "handling=strict,max-affected=1"}
    refused = service.post("/rpc/touch_many", headers=strict, json={"prefix": "touch-"})
    assert (refused.status_code, refused.json()["code"]) == (400, "PGRST124")
    ((amount,),) = rest.execute("select amount from public.writes where label = 'touch-1'")
    assert amount == 10
    single = service.post("/rpc/add_them", headers=strict, json={"a": 1, "b": 1})
    assert (single.status_code, single.json()["code"]) == (400, "PGRST128")


@pytest.mark.parametrize("name", ["delete_everything", "delete_through"])
def test_functions_that_delete_without_where_are_refused(service: httpx.Client, name: str) -> None:
    answer = service.post(f"/rpc/{name}")
    assert (answer.status_code, answer.json()["code"]) == (400, "21000")
    assert answer.json()["message"] == "DELETE requires a WHERE clause"
    assert service.post("/rpc/delete_with_where").status_code == 204


def test_media_types_of_functions(anon: httpx.Client) -> None:
    page = anon.get("/rpc/page", headers={"accept": "text/html"})
    assert (page.text, page.headers["content-type"]) == ("<p>hello</p>", "text/html")
    picture = anon.get("/rpc/picture", headers={"accept": "image/png"})
    assert (picture.content, picture.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert anon.get("/rpc/page", headers={"accept": "image/png"}).status_code == 406
