"""Insert, update, upsert, put and delete."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

SHOWN = {"prefer": "return=representation"}


@pytest.fixture
def label() -> Callable[[str], str]:
    """Labels that no other test uses."""
    prefix = uuid.uuid4().hex[:8]
    return lambda name: f"{prefix}-{name}"


def rows(client: httpx.Client, batch: str, select: str = "label,amount,note") -> Any:
    return client.get("/writes", params={"select": select, "batch": f"eq.{batch}", "order": "label"}).json()


def test_insert_answers_201_without_a_body(alice: httpx.Client, label: Callable[[str], str]) -> None:
    answer = alice.post("/writes", json={"label": label("a")})
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["content-range"] == "*/*"
    assert answer.headers["content-length"] == "0"
    assert "content-type" not in answer.headers
    assert "location" not in answer.headers


def test_insert_with_representation(alice: httpx.Client, label: Callable[[str], str]) -> None:
    answer = alice.post(
        "/writes?select=label,amount,double:amount",
        headers={"prefer": "return=representation, count=exact"},
        json=[{"label": label("a"), "amount": 1}, {"label": label("b"), "amount": 2}],
    )
    assert answer.status_code == 201
    assert answer.json() == [
        {"label": label("a"), "amount": 1, "double": 1},
        {"label": label("b"), "amount": 2, "double": 2},
    ]
    assert answer.headers["content-range"] == "*/2"
    assert answer.headers["preference-applied"] == "return=representation, count=exact"


def test_insert_names_the_new_row(alice: httpx.Client, label: Callable[[str], str]) -> None:
    answer = alice.post("/writes", headers={"prefer": "return=headers-only"}, json={"label": label("a")})
    assert answer.status_code == 201
    location = answer.headers["location"]
    assert location.startswith("/writes?id=eq.")
    assert alice.get(location).json()[0]["label"] == label("a")


def test_inserted_rows_show_their_relations(service: httpx.Client) -> None:
    answer = service.post(
        "/tasks?select=name,projects(name,clients(name))",
        headers=SHOWN,
        json={"id": 900, "name": "new", "project_id": 1},
    )
    assert answer.json() == [{"name": "new", "projects": {"name": "Apollo", "clients": {"name": "Acme"}}}]
    assert service.delete("/tasks?id=eq.900").status_code == 204


def test_every_json_type(alice: httpx.Client, label: Callable[[str], str]) -> None:
    row = {"label": label("ü ✓"), "amount": -5, "data": {"a": [1, None, "x"]}, "tags": ["a,b", 'c"d', None]}
    answer = alice.post("/writes?select=label,amount,data,tags", headers=SHOWN, json=row)
    assert answer.json() == [row]


def test_columns_missing_values_and_defaults(alice: httpx.Client, label: Callable[[str], str]) -> None:
    batch = label("batch")
    body = [
        {"label": label("a"), "amount": 5, "batch": batch, "junk": 1},
        {"label": label("b"), "batch": batch},
    ]
    uneven = alice.post("/writes", json=body)
    assert (uneven.status_code, uneven.json()["message"]) == (400, "All object keys must match")
    alice.post("/writes?columns=label,amount,batch", json=body)
    assert [row["amount"] for row in rows(alice, batch)] == [5, None]
    alice.delete("/writes", params={"batch": f"eq.{batch}"})
    answer = alice.post(
        '/writes?columns="label","amount","batch"', headers={"prefer": "missing=default"}, json=body
    )
    assert answer.headers["preference-applied"] == "missing=default"
    assert [row["amount"] for row in rows(alice, batch)] == [5, 10]
    unknown = alice.post("/writes?columns=label,junk", json=body)
    assert unknown.status_code == 400
    assert unknown.json() == {
        "code": "PGRST204",
        "details": None,
        "hint": None,
        "message": "Could not find the 'junk' column of 'writes' in the schema cache",
    }


def test_empty_arrays_and_objects(alice: httpx.Client) -> None:
    nothing = alice.post("/writes", headers=SHOWN, json=[])
    assert (nothing.status_code, nothing.json()) == (201, [])
    defaults = alice.post("/writes", json={})
    assert (defaults.status_code, defaults.json()["code"]) == (400, "23502")


def test_insert_csv(alice: httpx.Client, label: Callable[[str], str]) -> None:
    batch = label("batch")
    body = f'label,amount,note,batch\n{label("a")},1,"x, y",{batch}\n{label("b")},2,NULL,{batch}\n'
    answer = alice.post("/writes", headers={"content-type": "text/csv"}, content=body)
    assert answer.status_code == 201, answer.text
    assert [(row["amount"], row["note"]) for row in rows(alice, batch)] == [(1, "x, y"), (2, None)]
    uneven = alice.post("/writes", headers={"content-type": "text/csv"}, content="label,amount\nx\n")
    assert (uneven.status_code, uneven.json()["message"]) == (
        400,
        "All lines must have same number of fields",
    )


def test_insert_form(alice: httpx.Client, label: Callable[[str], str]) -> None:
    answer = alice.post(
        "/writes?select=label,amount", headers=SHOWN, data={"label": label("f"), "amount": "7"}
    )
    assert answer.json() == [{"label": label("f"), "amount": 7}]


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("application/json", "{nope", "Empty or invalid json"),
        ("application/json", "", "Empty or invalid json"),
        ("application/json", '[{"label": NaN}]', "Empty or invalid json"),
        ("application/json", "[1, 2]", "All object keys must match"),
        ("text/yaml", "a: 1", "Content-Type not acceptable: text/yaml"),
        ("application/octet-stream", "x", "Content-Type not acceptable: application/octet-stream"),
    ],
)
def test_bodies_that_are_refused(alice: httpx.Client, content_type: str, body: str, message: str) -> None:
    answer = alice.post("/writes", headers={"content-type": content_type}, content=body)
    assert answer.status_code == 400
    assert answer.json() == {"code": "PGRST102", "details": None, "hint": None, "message": message}


def test_update(alice: httpx.Client, label: Callable[[str], str]) -> None:
    batch = label("batch")
    alice.post("/writes", json=[{"label": label(name), "batch": batch} for name in "abc"])
    silent = alice.patch("/writes", params={"label": f"eq.{label('a')}"}, json={"amount": 1})
    assert (silent.status_code, silent.headers["content-range"]) == (204, "0-0/*")
    shown = alice.patch(
        "/writes",
        params={"batch": f"eq.{batch}", "select": "label,amount", "order": "label.desc"},
        headers={"prefer": "return=representation,count=exact"},
        json={"amount": 2, "note": None},
    )
    assert (shown.status_code, shown.headers["content-range"]) == (200, "0-2/3")
    assert shown.json() == [{"label": label(name), "amount": 2} for name in "cba"]
    nobody = alice.patch("/writes?label=eq.nobody", json={"amount": 3})
    assert (nobody.status_code, nobody.headers["content-range"]) == (204, "*/*")
    nothing = alice.patch("/writes", params={"batch": f"eq.{batch}"}, headers=SHOWN, json={})
    assert (nothing.status_code, nothing.json()) == (200, [])
    by_tree = alice.patch(
        "/writes",
        params={"or": f"(label.eq.{label('a')},label.eq.{label('b')})", "select": "label"},
        headers=SHOWN,
        json={"amount": 9},
    )
    assert {row["label"] for row in by_tree.json()} == {label("a"), label("b")}


def test_upsert(alice: httpx.Client, label: Callable[[str], str]) -> None:
    batch = label("batch")
    first = {"label": label("a"), "amount": 1, "batch": batch}
    merge = {"prefer": "resolution=merge-duplicates,return=representation"}
    assert alice.post("/writes?on_conflict=label", headers=merge, json=first).status_code == 201
    changed = alice.post("/writes?on_conflict=label&select=amount", headers=merge, json=first | {"amount": 2})
    assert (changed.status_code, changed.json()) == (200, [{"amount": 2}])
    mixed = alice.post(
        "/writes?on_conflict=label",
        headers=merge,
        json=[first | {"amount": 3}, {"label": label("b"), "amount": 4, "batch": batch}],
    )
    assert mixed.status_code == 201
    ignore = {"prefer": "resolution=ignore-duplicates,return=representation"}
    ignored = alice.post("/writes?on_conflict=label", headers=ignore, json=first | {"amount": 9})
    assert (ignored.status_code, ignored.json()) == (201, [])
    assert "resolution=ignore-duplicates" in ignored.headers["preference-applied"]
    assert [row["amount"] for row in rows(alice, batch)] == [3, 4]
    wrong = alice.post("/writes?on_conflict=amount", headers=merge, json=first)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "42P10")
    conflict = alice.post("/writes", json=first)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "23505")


def test_upsert_by_primary_key(alice: httpx.Client) -> None:
    pairs = [{"a": 1, "b": 1, "value": "x"}, {"a": 1, "b": 2, "value": "y"}]
    merge = {"prefer": "resolution=merge-duplicates"}
    assert alice.post("/pairs", headers=merge, json=pairs).status_code == 201
    assert alice.post("/pairs", headers=merge, json=[{"a": 1, "b": 2, "value": "z"}]).status_code == 200
    assert alice.get("/pairs?a=eq.1&order=b&select=value").json() == [{"value": "x"}, {"value": "z"}]
    assert alice.delete("/pairs?a=eq.1").status_code == 204


def test_put(alice: httpx.Client) -> None:
    row = {"a": 7, "b": 8, "value": "new"}
    created = alice.put("/pairs?a=eq.7&b=eq.8", headers=SHOWN, json=row)
    assert (created.status_code, created.json()) == (201, [row])
    replaced = alice.put("/pairs?a=eq.7&b=eq.8", headers=SHOWN, json=row | {"value": "old"})
    assert (replaced.status_code, replaced.json()) == (200, [row | {"value": "old"}])
    assert alice.put("/pairs?a=eq.7&b=eq.8", json=row).status_code == 204

    def refused(query: str, body: dict[str, Any]) -> tuple[int, str]:
        answer = alice.put(f"/pairs?{query}", json=body)
        return answer.status_code, answer.json()["code"]

    assert refused("a=eq.7", row) == (405, "PGRST105")
    assert refused("a=eq.7&b=gt.8", row) == (405, "PGRST105")
    assert refused("a=eq.7&b=eq.8&value=eq.x", row) == (405, "PGRST105")
    assert refused("a=eq.7&b=eq.8", row | {"b": 9}) == (400, "PGRST115")
    assert refused("a=eq.7&b=eq.8&limit=1", row) == (400, "PGRST114")
    assert alice.delete("/pairs?a=eq.7").status_code == 204


def test_delete(alice: httpx.Client, label: Callable[[str], str]) -> None:
    batch = label("batch")
    alice.post("/writes", json=[{"label": label(name), "batch": batch} for name in "abc"])
    silent = alice.delete("/writes", params={"label": f"eq.{label('a')}"}, headers={"prefer": "count=exact"})
    assert (silent.status_code, silent.content, silent.headers["content-range"]) == (204, b"", "*/1")
    shown = alice.delete("/writes", params={"batch": f"eq.{batch}", "select": "label"}, headers=SHOWN)
    assert shown.status_code == 200
    assert {row["label"] for row in shown.json()} == {label("b"), label("c")}
    assert shown.headers["content-range"] == "*/*"


def test_writes_without_where_are_refused_as_by_safeupdate(alice: httpx.Client) -> None:
    for verb, answer in (
        ("UPDATE", alice.patch("/writes", json={"amount": 1})),
        ("DELETE", alice.delete("/writes")),
        ("DELETE", alice.delete("/writes?select=id&order=id&limit=1")),
    ):
        assert answer.status_code == 400
        assert answer.json() == {
            "code": "21000",
            "details": None,
            "hint": None,
            "message": f"{verb} requires a WHERE clause",
        }


def test_max_affected(alice: httpx.Client, label: Callable[[str], str]) -> None:
    batch = label("batch")
    alice.post("/writes", json=[{"label": label(name), "batch": batch} for name in "abc"])
    strict = {"prefer": "handling=strict, max-affected=2"}
    refused = alice.delete("/writes", params={"batch": f"eq.{batch}"}, headers=strict)
    assert refused.status_code == 400
    assert refused.json() == {
        "code": "PGRST124",
        "details": "The query affects 3 rows",
        "hint": None,
        "message": "Query result exceeds max-affected preference constraint",
    }
    assert len(rows(alice, batch)) == 3
    lenient = alice.patch(
        "/writes", params={"batch": f"eq.{batch}"}, headers={"prefer": "max-affected=2"}, json={"amount": 0}
    )
    assert lenient.status_code == 204
    allowed = alice.delete("/writes", params={"label": f"eq.{label('a')}"}, headers=strict)
    assert allowed.headers["preference-applied"] == "handling=strict, max-affected=2"


def test_a_failed_array_leaves_nothing(alice: httpx.Client, label: Callable[[str], str]) -> None:
    batch = label("batch")
    answer = alice.post(
        "/writes", json=[{"label": label("a"), "batch": batch}, {"label": None, "batch": batch}]
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "23502")
    assert rows(alice, batch) == []


def test_a_singular_write_that_hits_several_rows_is_undone(
    alice: httpx.Client, label: Callable[[str], str]
) -> None:
    batch = label("batch")
    alice.post("/writes", json=[{"label": label(name), "batch": batch} for name in "ab"])
    answer = alice.patch(
        "/writes",
        params={"batch": f"eq.{batch}"},
        headers={"accept": "application/vnd.pgrst.object+json", **SHOWN},
        json={"amount": 99},
    )
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST116")
    assert answer.json()["details"] == "The result contains 2 rows"
    assert [row["amount"] for row in rows(alice, batch)] == [10, 10]


def test_a_table_without_a_key(alice: httpx.Client, label: Callable[[str], str]) -> None:
    batch = label("batch")
    body = {"n": 1, "batch": batch}
    assert alice.post("/keyless", headers={"prefer": "return=headers-only"}, json=body).status_code == 201
    applied = alice.post("/keyless", headers={"prefer": "resolution=merge-duplicates"}, json=body)
    assert "preference-applied" not in applied.headers
    put = alice.put("/keyless?n=eq.1", json=body)
    assert (put.status_code, put.json()["code"]) == (405, "PGRST105")
