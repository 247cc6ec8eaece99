"""Media types, HEAD, OPTIONS, schemas and the root."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .harness import RestServer

OBJECT = "application/vnd.pgrst.object+json"


def test_one_object(anon: httpx.Client) -> None:
    answer = anon.get("/clients?id=eq.1", headers={"accept": OBJECT})
    assert answer.json() == {"id": 1, "name": "Acme", "city": "Bonn"}
    assert answer.headers["content-type"] == f"{OBJECT}; charset=utf-8"


@pytest.mark.parametrize(("query", "rows"), [("id=eq.9", 0), ("id=lt.3", 2)])
def test_not_exactly_one_object(anon: httpx.Client, query: str, rows: int) -> None:
    answer = anon.get(f"/clients?{query}", headers={"accept": OBJECT})
    assert answer.status_code == 406
    assert answer.json() == {
        "code": "PGRST116",
        "details": f"The result contains {rows} rows",
        "hint": None,
        "message": "Cannot coerce the result to a single JSON object",
    }


def test_without_nulls(anon: httpx.Client) -> None:
    array = "application/vnd.pgrst.array+json;nulls=stripped"
    answer = anon.get("/clients?id=eq.2", headers={"accept": array})
    assert answer.json() == [{"id": 2, "name": "Globex"}]
    assert answer.headers["content-type"] == f"{array}; charset=utf-8"
    one = anon.get("/clients?id=eq.2", headers={"accept": f"{OBJECT};nulls=stripped"})
    assert one.json() == {"id": 2, "name": "Globex"}


def test_csv(anon: httpx.Client, alice: httpx.Client) -> None:
    answer = anon.get("/clients?order=id", headers={"accept": "text/csv"})
    assert answer.text == "id,name,city\n1,Acme,Bonn\n2,Globex,\n3,Initech,Austin"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    quoted = anon.get("/projects?select=tags,name&id=eq.1", headers={"accept": "text/csv"})
    assert quoted.text == 'tags,name\n"{space,big}",Apollo'
    written = alice.post(
        "/pairs?select=value,a",
        headers={"accept": "text/csv", "prefer": "return=representation"},
        json={"a": 50, "b": 1, "value": "x"},
    )
    assert written.text == "value,a\nx,50"
    alice.delete("/pairs?a=eq.50")


def test_the_best_acceptable_type_is_chosen(anon: httpx.Client) -> None:
    def chosen(accept: str) -> str:
        return anon.get("/clients?limit=1", headers={"accept": accept}).headers["content-type"]

    assert chosen("*/*") == "application/json; charset=utf-8"
    assert chosen("text/csv;q=0.5, application/json").startswith("application/json")
    assert chosen("image/webp, text/csv").startswith("text/csv")
    assert chosen("application/vnd.pgrst.array+json").startswith("application/json")


def test_unacceptable_types(anon: httpx.Client) -> None:
    answer = anon.get("/clients", headers={"accept": "image/webp, text/html"})
    assert answer.status_code == 406
    assert answer.json() == {
        "code": "PGRST107",
        "details": None,
        "hint": None,
        "message": "None of these media types are available: image/webp, text/html",
    }


def test_explain_is_off_unless_switched_on(own_rest: Any) -> None:
    plan = {"accept": 'application/vnd.pgrst.plan+json; for="application/json"; options=analyze|verbose'}
    with own_rest.client(None) as anon:
        refused = anon.get("/clients", headers=plan)
        assert (refused.status_code, refused.json()["code"]) == (406, "PGRST107")
        own_rest.set("authenticator", "pgrst.db_plan_enabled", "true")
        shown = anon.get("/clients", headers=plan)
        assert shown.status_code == 200, shown.text
        assert shown.json()[0]["Plan"]["Node Type"] == "Aggregate"
        assert "Actual Rows" in shown.json()[0]["Plan"]
        assert shown.headers["content-type"].startswith("application/vnd.pgrst.plan+json; for=")
        text = anon.post(
            "/rpc/add_them", headers={"accept": "application/vnd.pgrst.plan"}, json={"a": 1, "b": 2}
        )
        assert text.text.startswith("Aggregate")
    with own_rest.client(own_rest.keys.service_role_key) as service:
        service.post(
            "/clients", headers=plan | {"prefer": "return=representation"}, json={"id": 77, "name": "x"}
        )
        assert service.get("/clients?id=eq.77").json() == [{"id": 77, "name": "x", "city": None}]


def test_head(anon: httpx.Client) -> None:
    answer = anon.head("/projects?id=gt.1", headers={"prefer": "count=exact"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-range"] == "0-2/3"
    assert "content-length" not in answer.headers
    missing = anon.head("/nobody")
    assert (missing.status_code, missing.content) == (404, b"")
    assert missing.headers["proxy-status"] == "PostgREST; error=PGRST205"


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/projects", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("/keyless", "OPTIONS,GET,HEAD,POST,PATCH,DELETE"),
        ("/project_names", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("/rpc/add_write?label=x", "OPTIONS,POST"),
        ("/rpc/add_them?a=1&b=2", "OPTIONS,GET,HEAD,POST"),
        ("/", "OPTIONS,GET,HEAD"),
    ],
)
def test_options(anon: httpx.Client, path: str, allow: str) -> None:
    answer = anon.options(path)
    assert (answer.status_code, answer.headers["allow"]) == (200, allow)


def test_options_of_nothing(anon: httpx.Client) -> None:
    assert anon.options("/nobody").json()["code"] == "PGRST205"
    unsupported = anon.request("PROPFIND", "/projects")
    assert (unsupported.status_code, unsupported.json()["code"]) == (405, "PGRST117")
    assert unsupported.json()["message"] == "Unsupported HTTP method: PROPFIND"


def test_profiles(anon: httpx.Client, service: httpx.Client) -> None:
    answer = anon.get("/things", headers={"accept-profile": "api"})
    assert answer.json() == [{"id": 1, "name": "in api"}]
    assert answer.headers["content-profile"] == "api"
    assert anon.get("/clients").headers["content-profile"] == "public"
    assert anon.post("/rpc/answer", headers={"content-profile": "api"}, json={}).json() == 42
    written = service.post("/things", headers={"content-profile": "api"}, json={"id": 2, "name": "x"})
    assert written.status_code == 201
    assert service.delete("/things?id=eq.2", headers={"content-profile": "api"}).status_code == 204
    assert anon.get("/things").status_code == 404
    for method, header in (("GET", "accept-profile"), ("POST", "content-profile")):
        unknown = anon.request(method, "/secrets", headers={header: "private"})
        assert unknown.status_code == 406
        assert unknown.json() == {
            "code": "PGRST106",
            "details": None,
            "hint": "Only the following schemas are exposed: public, api",
            "message": "Invalid schema: private",
        }


def test_the_root_describes_the_schema_to_secret_keys_only(
    rest: RestServer, anon: httpx.Client, alice: httpx.Client, service: httpx.Client
) -> None:
    for client in (anon, alice):
        refused = client.get("/")
        assert refused.status_code == 401
        assert refused.json() == {
            "message": "Access to schema is forbidden",
            "hint": "Accessing the schema via the Data API is only allowed using a secret API key.",
        }
    answer = service.get("/")
    assert answer.headers["content-type"] == "application/openapi+json; charset=utf-8"
    document = answer.json()
    assert document["swagger"] == "2.0"
    assert document["host"] == rest.url.removeprefix("http://")
    projects = document["definitions"]["projects"]
    assert projects["required"] == ["id", "name", "tags"]
    assert projects["properties"]["id"] == {
        "type": "integer",
        "format": "int32",
        "description": "Note:\nThis is a Primary Key.<pk/>",
    }
    assert projects["properties"]["client_id"]["description"] == (
        "Note:\nThis is a Foreign Key to `clients.id`.<fk table='clients' column='id'/>"
    )
    assert projects["properties"]["mood"]["enum"] == ["sad", "ok", "happy"]
    assert projects["properties"]["tags"] == {
        "type": "array",
        "format": "text[]",
        "items": {"type": "string"},
    }
    assert set(document["paths"]["/projects"]) == {"get", "post", "patch", "delete"}
    assert set(document["paths"]["/rpc/add_them"]) == {"get", "post"}
    assert set(document["paths"]["/rpc/add_write"]) == {"post"}
    assert "/secrets" not in document["paths"]
    assert "/rpc/hidden_function" not in document["paths"]
    api = service.get("/", headers={"accept-profile": "api"}).json()
    assert set(api["paths"]) == {"/", "/things", "/rpc/answer"}
    assert service.head("/").content == b""
    assert service.get("/", headers={"accept": "text/html"}).json()["code"] == "PGRST107"
    assert service.delete("/").json()["code"] == "PGRST117"


def test_the_root_can_be_switched_off(own_rest: Any) -> None:
    own_rest.set("authenticator", "pgrst.openapi_mode", "disabled")
    with own_rest.client(own_rest.keys.service_role_key) as service:
        answer = service.get("/")
        assert (answer.status_code, answer.json()["code"]) == (404, "PGRST126")
