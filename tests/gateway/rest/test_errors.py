"""What the database refuses, and what functions raise."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest


def refused(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"code", "details", "hint", "message"}
    assert answer.headers["proxy-status"] == f"PostgREST; error={body['code']}"
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return answer.status_code, body["code"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/projects?id=eq.abc", (400, "22P02")),
        ("/projects?id=eq.99999999999", (400, "22003")),
        ("/projects?nobody=eq.1", (400, "42703")),
        ("/projects?select=nobody", (400, "42703")),
        ("/projects?order=nobody", (400, "42703")),
        ("/projects?select=name::nosuchtype", (400, "42704")),
        ("/projects?select=name::no such type", (400, "42704")),
        ("/projects?name=adj.x", (404, "42883")),
        ("/projects?tags=cs.[1", (400, "22P02")),
        ("/projects?name=match.[", (400, "2201B")),
        ("/projects?facts=fts.%26", (400, "42601")),
        ("/documents?search=fts(nolanguage).x", (400, "42704")),
        ("/projects?tasks.limit=-1&select=tasks(id)", (400, "2201W")),
        ("/projects?id=eq(any).1", (400, "22P02")),
        ("/nobody", (404, "PGRST205")),
        ("/secrets", (404, "PGRST205")),
        ("/projects/1", (404, "PGRST125")),
        ("/projects/", (404, "PGRST125")),
        ("/rpc", (404, "PGRST205")),
        ("/rpc/a/b", (404, "PGRST125")),
        ("/projects?limit=-1", (416, "PGRST103")),
        ("/projects?id=foo.1", (400, "PGRST100")),
        ("/projects?select=clients(name", (400, "PGRST100")),
        ("/projects?order=id.sideways", (400, "PGRST100")),
        ("/projects?or=()", (400, "PGRST100")),
        ("/projects?id=in.1,2", (400, "PGRST100")),
        ("/projects?is=is.nothing", (400, "PGRST100")),
    ],
)
def test_reads(anon: httpx.Client, path: str, expected: tuple[int, str]) -> None:
    assert refused(anon.get(path)) == expected


def test_the_database_speaks_for_itself(anon: httpx.Client) -> None:
    answer = anon.get("/projects?select=naem")
    assert answer.json() == {
        "code": "42703",
        "details": None,
        "hint": 'Perhaps you meant to reference the column "projects.name".',
        "message": "column projects.naem does not exist",
    }
    answer = anon.get("/projects?id=eq.abc")
    assert answer.json()["message"] == 'invalid input syntax for type integer: "abc"'


def test_parse_errors_say_where_and_what(anon: httpx.Client) -> None:
    assert anon.get("/projects?id=noop.1").json() == {
        "code": "PGRST100",
        "details": 'unexpected "o" expecting "not" or operator (eq, gt, ...)',
        "hint": None,
        "message": '"failed to parse filter (noop.1)" (line 1, column 1)',
    }


def test_an_unknown_table(anon: httpx.Client) -> None:
    assert anon.get("/project").json() == {
        "code": "PGRST205",
        "details": None,
        "hint": "Perhaps you meant the table 'public.projects'",
        "message": "Could not find the table 'public.project' in the schema cache",
    }


def test_missing_rights_are_401_for_anon_and_403_for_others(anon: httpx.Client, alice: httpx.Client) -> None:
    answer = anon.get("/forbidden")
    assert refused(answer) == (401, "42501")
    assert answer.json()["message"] == "permission denied for table forbidden"
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = alice.get("/forbidden")
    assert refused(answer) == (403, "42501")
    assert "www-authenticate" not in answer.headers
    assert refused(anon.post("/writes", json={"label": "x"})) == (401, "42501")


def test_rights_on_columns(anon: httpx.Client) -> None:
    assert anon.get("/readable?select=id,visible").json() == [{"id": 1, "visible": "seen"}]
    assert refused(anon.get("/readable?select=hidden")) == (401, "42501")
    assert refused(anon.get("/readable?hidden=eq.unseen&select=id")) == (401, "42501")
    assert refused(anon.get("/readable?order=hidden&select=id")) == (401, "42501")
    assert refused(anon.get("/readable")) == (401, "42501")


def test_row_level_security_refuses_foreign_rows(alice: httpx.Client) -> None:
    foreign = {"owner": "b0b00000-0000-4000-8000-000000000002", "body": "not mine"}
    answer = alice.post("/notes", json=foreign)
    assert refused(answer) == (403, "42501")
    assert answer.json()["message"] == 'new row violates row-level security policy for table "notes"'


def test_constraints(service: httpx.Client) -> None:
    assert refused(service.post("/clients", json={"id": 1, "name": "x"})) == (409, "23505")
    orphan = service.post("/tasks", json={"id": 99, "name": "x", "project_id": 77})
    assert refused(orphan) == (409, "23503")
    assert orphan.json()["details"] == 'Key (project_id)=(77) is not present in table "projects".'
    assert refused(service.post("/clients", json={"id": 9})) == (400, "23502")


def test_raised_errors(anon: httpx.Client) -> None:
    assert refused(anon.post("/rpc/plain_raise")) == (400, "P0001")
    teapot = anon.post("/rpc/teapot")
    assert teapot.status_code == 418
    assert teapot.json() == {
        "code": "PT418",
        "details": "handle",
        "hint": "spout",
        "message": "short and stout",
    }
    assert refused(anon.post("/rpc/serialization_failure")) == (500, "40001")


def test_errors_that_choose_their_whole_answer(anon: httpx.Client) -> None:
    message = {"code": "123", "message": "Payment Required", "details": "Quota exceeded", "hint": "Upgrade"}
    detail = {"status": 402, "headers": {"X-Powered-By": "Nerd Rage"}}
    answer = anon.post("/rpc/full_raise", json={"message": json.dumps(message), "detail": json.dumps(detail)})
    assert (answer.status_code, answer.json()) == (402, message)
    assert answer.headers["x-powered-by"] == "Nerd Rage"

    def broken(message: Any, detail: Any) -> tuple[int, dict[str, Any]]:
        answer = anon.post("/rpc/full_raise", json={"message": message, "detail": detail})
        return answer.status_code, answer.json()

    status, body = broken("INVALID", json.dumps(detail))
    assert (status, body["code"]) == (500, "PGRST121")
    assert body["message"] == "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"
    assert body["details"] == "Invalid JSON value for MESSAGE: 'INVALID'"
    status, body = broken(json.dumps(message), "INVALID")
    assert (status, body["details"]) == (500, "Invalid JSON value for DETAIL: 'INVALID'")
    assert body["hint"].startswith("DETAIL must be a JSON object")
    status, body = broken(json.dumps(message), '{"status": 99999, "headers": {}}')
    assert (status, body["code"]) == (500, "PGRST121")
    injected = {"status": 402, "headers": {"X-Bad": "a\r\nSet-Cookie: x=1"}}
    answer = anon.post(
        "/rpc/full_raise", json={"message": json.dumps(message), "detail": json.dumps(injected)}
    )
    assert "set-cookie" not in answer.headers


def test_functions_choose_status_and_headers(anon: httpx.Client) -> None:
    headers = '[{"X-One": "1"}, {"Set-Cookie": "a=b"}, {"Content-Type": "text/x-own"}]'
    answer = anon.post("/rpc/respond", json={"status": "202", "headers": headers})
    assert (answer.status_code, answer.json()) == (202, "done")
    assert (answer.headers["x-one"], answer.headers["set-cookie"]) == ("1", "a=b")
    assert answer.headers.get_list("content-type") == ["text/x-own"]


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        ("abc", "[]", "PGRST112"),
        ("99", "[]", "PGRST112"),
        ("999", "[]", "PGRST112"),
        ("200", "{}", "PGRST111"),
        ("200", "[", "PGRST111"),
        ("200", '[{"a": "1", "b": "2"}]', "PGRST111"),
        ("200", '[{"a": 1}]', "PGRST111"),
        ("200", '[{"a": "x\\r\\nB: c"}]', "PGRST111"),
        ("200", '[{"bad name": "x"}]', "PGRST111"),
    ],
)
def test_unusable_choices(anon: httpx.Client, status: str, headers: str, code: str) -> None:
    answer = anon.post("/rpc/respond", json={"status": status, "headers": headers})
    assert refused(answer) == (500, code)


def test_the_framing_of_a_response_is_not_for_functions_to_choose(anon: httpx.Client) -> None:
    headers = '[{"Content-Length": "1"}, {"Transfer-Encoding": "chunked"}]'
    answer = anon.post("/rpc/respond", json={"status": "200", "headers": headers})
    assert (answer.json(), answer.headers["content-length"]) == ("done", "6")


def test_strict_preferences(anon: httpx.Client) -> None:
    answer = anon.get("/projects", headers={"prefer": "handling=strict, anything, count=exact, else=1"})
    assert answer.status_code == 400
    assert answer.json() == {
        "code": "PGRST122",
        "details": "Invalid preferences: anything, else=1",
        "hint": None,
        "message": "Invalid preferences given with handling=strict",
    }
    lenient = anon.get("/projects", headers={"prefer": "anything, handling=lenient"})
    assert (lenient.status_code, lenient.headers["preference-applied"]) == (200, "handling=lenient")


def test_minimal_errors(own_rest: Any) -> None:
    own_rest.set("authenticator", "pgrst.client_error_verbosity", "minimal")
    with own_rest.client(None) as anon:
        assert anon.get("/projects?select=naem").json() == {
            "code": "42703",
            "message": "column projects.naem does not exist",
        }
