"""Tokens that are refused, rows that stay hidden, and text that never becomes SQL."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .harness import ALICE, RestServer


def ask(rest: RestServer, token: str) -> httpx.Response:
    with rest.client(token) as client:
        return client.get("/notes")


def refusal(answer: httpx.Response) -> tuple[int, str, str, Any]:
    body = answer.json()
    assert answer.headers["www-authenticate"] == (
        f'Bearer error="invalid_token", error_description="{body["message"]}"'
    )
    return answer.status_code, body["code"], body["message"], body["details"]


def test_forged_tokens(rest: RestServer) -> None:
    claims = {"role": "service_role", "exp": int(time.time()) + 60}
    forged = jwt.encode(claims, "another secret that is long enough to sign", algorithm="HS256")
    no_key = "No suitable key or wrong key type"
    assert refusal(ask(rest, forged)) == (
        401,
        "PGRST301",
        no_key,
        "None of the keys was able to decode the JWT",
    )
    changed = rest.token().split(".")
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert refusal(ask(rest, ".".join([changed[0], payload, changed[2]])))[1] == "PGRST301"
    unsigned = jwt.encode(claims, "", algorithm="none")
    assert refusal(ask(rest, unsigned)) == (
        401,
        "PGRST301",
        "Wrong or unsupported encoding algorithm",
        "JWT is unsecured but expected 'alg' was not 'none'",
    )
    stripped = rest.token("service_role").rpartition(".")[0] + "."
    assert refusal(ask(rest, stripped))[1] == "PGRST301"
    other = jwt.encode(claims, rest.keys.jwt_secret, algorithm="HS384")
    assert refusal(ask(rest, other))[2] == no_key
    with_kid = jwt.encode(
        claims, rest.keys.signing_key.private_pem, algorithm="ES256", headers={"kid": "unknown"}
    )
    assert refusal(ask(rest, with_kid))[2] == no_key


def test_a_public_key_is_no_secret(rest: RestServer) -> None:
    def encoded(part: bytes) -> bytes:
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    for public in (
        json.dumps(rest.keys.signing_key.public_jwk()).encode(),
        rest.keys.signing_key.private_key()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ):
        signed = encoded(b'{"alg":"HS256"}') + b"." + encoded(b'{"role":"service_role"}')
        mac = encoded(hmac.new(public, signed, hashlib.sha256).digest())
        assert refusal(ask(rest, (signed + b"." + mac).decode()))[1] == "PGRST301"


def test_tokens_of_the_signing_key(rest: RestServer) -> None:
    token = jwt.encode(
        {"role": "authenticated", "sub": ALICE},
        rest.keys.signing_key.private_pem,
        algorithm="ES256",
        headers={"kid": rest.keys.signing_key.kid},
    )
    assert [row["body"] for row in ask(rest, token).json()] == ["alice one", "alice two"]


def test_times_and_shapes(rest: RestServer) -> None:
    now = int(time.time())
    assert refusal(ask(rest, rest.token(exp=now - 31)))[1:3] == ("PGRST303", "JWT expired")
    assert ask(rest, rest.token(exp=now - 10, sub=ALICE)).status_code == 200
    assert refusal(ask(rest, rest.token(nbf=now + 60)))[1:3] == ("PGRST303", "JWT not yet valid")
    assert refusal(ask(rest, rest.token(iat=now + 60)))[1:3] == ("PGRST303", "JWT issued at future")
    assert refusal(ask(rest, rest.token(exp="soon")))[1] == "PGRST303"
    assert refusal(ask(rest, "a.b")) == (401, "PGRST301", "Expected 3 parts in JWT; got 2", None)
    assert refusal(ask(rest, "not.really.one"))[1] == "PGRST301"
    # Which audience a token is for is not looked at unless it is configured, as on hosted projects.
    assert ask(rest, rest.token(sub=ALICE, aud="elsewhere")).status_code == 200


def test_users_see_their_own_rows_only(alice: httpx.Client, bob: httpx.Client, anon: httpx.Client) -> None:
    assert [row["id"] for row in alice.get("/notes?id=lt.100&order=id").json()] == [1, 2]
    assert [row["id"] for row in bob.get("/notes?id=lt.100").json()] == [3]
    assert anon.get("/notes").json() == []


@pytest.mark.parametrize(
    "query",
    [
        "body=eq.bob one",
        "body=like.bob*",
        "body=match.^bob",
        "body=imatch.BOB",
        "body=in.(bob one)",
        "body=eq(any).{bob one}",
        "body=fts.bob",
        "body=isdistinct.x&rank=eq.3",
        "rank=gt.2",
        "rank=not.lt.3",
        "or=(id.eq.3,body.like.b*)",
        "not.and=(id.neq.3,id.neq.3)",
        "id=eq.3",
        "owner=neq.a11ce000-0000-4000-8000-000000000001",
        "order=rank.desc&rank=gte.3",
        "offset=2&limit=5&id=lt.100",
    ],
)
def test_no_operator_shows_foreign_rows(alice: httpx.Client, query: str) -> None:
    answer = alice.get(f"/notes?{query}", headers={"prefer": "count=exact"})
    assert answer.json() == []
    assert answer.headers["content-range"].startswith("*/")


def test_no_embed_shows_foreign_rows(alice: httpx.Client) -> None:
    marks = alice.get("/notes?select=id,note_marks(mark)&order=id&id=lt.100").json()
    assert marks == [{"id": 1, "note_marks": [{"mark": "alice mark"}]}, {"id": 2, "note_marks": []}]
    inner = alice.get("/note_marks?select=mark,notes!inner(body)&notes.id=eq.3")
    assert inner.json() == []
    spread = alice.get("/note_marks?select=mark,...notes(body)&order=notes(body)").json()
    assert [row["body"] for row in spread if row["mark"] == "alice mark"] == ["alice one"]
    assert all("bob" not in str(row) for row in spread)


def test_no_count_or_write_reaches_foreign_rows(alice: httpx.Client, rest: RestServer) -> None:
    head = alice.head("/notes?id=lt.100", headers={"prefer": "count=exact"})
    assert head.headers["content-range"] == "0-1/2"
    shown = {"prefer": "return=representation,count=exact"}
    for answer in (
        alice.patch("/notes?id=eq.3", headers=shown, json={"body": "taken"}),
        alice.delete("/notes?id=eq.3", headers=shown),
    ):
        assert (answer.status_code, answer.json()) == (200, [])
    upsert = alice.post(
        "/notes", headers={"prefer": "resolution=merge-duplicates"}, json={"id": 3, "body": "taken"}
    )
    assert (upsert.status_code, upsert.json()["code"]) == (403, "42501")
    moved = alice.patch("/notes?id=eq.1", json={"owner": "b0b00000-0000-4000-8000-000000000002"})
    assert (moved.status_code, moved.json()["code"]) == (403, "42501")
    assert rest.execute("select body from public.notes where id = 3") == [("bob one",)]


def test_no_error_detail_shows_foreign_rows(alice: httpx.Client) -> None:
    # Postgres leaves the key out of the detail where the caller may not see the row's table.
    answer = alice.post("/note_marks", json={"note_id": 1, "mark": "bob mark"})
    assert (answer.status_code, answer.json()["code"]) == (409, "23505")
    assert answer.json()["details"] is None
    cast = alice.get("/notes?body=fts(simple).x&rank=eq.abc")
    assert "bob" not in cast.text


def test_functions_run_as_the_caller(alice: httpx.Client, rest: RestServer) -> None:
    rest.execute(
        "create or replace function public.all_notes() returns setof public.notes language sql stable as "
        "'select * from public.notes'",
        user="postgres",
    )
    rest.notify("reload schema")
    rows = alice.get("/rpc/all_notes?select=body,note_marks(mark)&id=lt.100&order=id").json()
    assert rows == [
        {"body": "alice one", "note_marks": [{"mark": "alice mark"}]},
        {"body": "alice two", "note_marks": []},
    ]


ATTACKS = [
    "'; drop table public.canary; --",
    '"; drop table public.canary; --',
    "1; delete from public.canary",
    "1) or (1=1",
    "\\'; select pg_sleep(9); --",
    "$1",
    "$$; drop table public.canary; $$",
    "/* */ union select secret from private.secrets",
    "*",
    "%",
    "\u0000",
    "a\u0000b",
    "\U0001f4a3" * 50,
    "x" * 20_000,
]


@pytest.fixture
def canary(rest: RestServer) -> Any:
    rest.execute(
        "create table if not exists public.canary (id int primary key, word text);"
        "insert into public.canary values (1, 'alive') on conflict do nothing;"
        "grant all on public.canary to anon, authenticated",
        user="postgres",
    )
    rest.notify("reload schema")
    yield
    assert rest.execute("select word from public.canary") == [("alive",)]


PLACES = {
    "path": lambda text: {"path": f"/{text}"},
    "function": lambda text: {"path": f"/rpc/{text}"},
    "select": lambda text: {"params": {"select": text}},
    "quoted column": lambda text: {"params": {"select": f'"{text}"'}},
    "alias": lambda text: {"params": {"select": f'"{text}":id'}},
    "cast": lambda text: {"params": {"select": f"id::{text}"}},
    "json key": lambda text: {"params": {"select": f"facts->>{text}"}},
    "embed": lambda text: {"params": {"select": f'"{text}"(id)'}},
    "hint": lambda text: {"params": {"select": f'clients!"{text}"(id)'}},
    "filter name": lambda text: {"params": {text: "eq.1"}},
    "filter": lambda text: {"params": {"name": f"eq.{text}"}},
    "typed filter": lambda text: {"params": {"id": f"eq.{text}"}},
    "list": lambda text: {"params": {"name": f"in.({text})"}},
    "pattern": lambda text: {"params": {"name": f"match.{text}"}},
    "language": lambda text: {"params": {"name": f"fts({text}).x"}},
    "query": lambda text: {"params": {"name": f"wfts.{text}"}},
    "logic": lambda text: {"params": {"or": f"(name.eq.{text},id.eq.1)"}},
    "order": lambda text: {"params": {"order": text}},
    "quoted order": lambda text: {"params": {"order": f'"{text}".desc'}},
    "limit": lambda text: {"params": {"limit": text}},
    "columns": lambda text: {"method": "POST", "params": {"columns": f'"{text}"'}, "json": {"id": 1}},
    "conflict": lambda text: {
        "method": "POST",
        "params": {"on_conflict": f'"{text}"'},
        "json": {"id": 1},
        "headers": {"prefer": "resolution=merge-duplicates"},
    },
    "json column": lambda text: {"method": "POST", "json": {text: 1}},
    "json value": lambda text: {"method": "PATCH", "params": {"id": "eq.0"}, "json": {"name": text}},
    "schema": lambda text: {"headers": {"accept-profile": text.encode()}},
    "prefer": lambda text: {"headers": {"prefer": f"timezone={text}".encode()}},
    "accept": lambda text: {"headers": {"accept": text.encode()}},
    "range": lambda text: {"headers": {"range": text.encode()}},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.usefixtures("canary")
def test_sql_in_every_position(anon: httpx.Client, place: str) -> None:
    for attack in ATTACKS:
        request = {"method": "GET", "path": "/projects", **PLACES[place](attack)}
        path = request.pop("path")
        if "\0" in attack and "headers" in request:
            continue  # no HTTP client can send it
        try:
            answer = anon.request(url=httpx.URL(path) if place in ("path", "function") else path, **request)
        except (httpx.InvalidURL, httpx.RemoteProtocolError, httpx.LocalProtocolError):
            continue
        assert answer.status_code < 500 or answer.json()["code"] == "54001", (attack, answer.text)
        assert "nobody reads this" not in answer.text


NAMES = st.sampled_from(
    ["id", "name", "facts", "clients", "tasks", "*", "nobody", '"a.b"', "sel ect", "span"]
)
PIECES = st.one_of(
    NAMES,
    st.sampled_from(list("(),.:!*>-<\"'\\{}[]%$;& ")),
    st.sampled_from(
        ["eq.", "not.", "in.(", "is.null", "or(", "and(", "->>", "->", "::int", "...", "count()"]
    ),
    st.text(max_size=5),
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parameters=st.dictionaries(
        st.one_of(st.sampled_from(["select", "order", "or", "and", "id", "limit", "offset"]), TEXTS),
        TEXTS,
        max_size=4,
    )
)
def test_malformed_query_strings_are_answered(anon: httpx.Client, parameters: dict[str, str]) -> None:
    encodable = {
        name.encode("utf-8", "replace").decode(): value.encode("utf-8", "replace").decode()
        for name, value in parameters.items()
    }
    answer = anon.get("/projects", params=encodable)
    assert answer.status_code < 500 or not answer.json()["code"].startswith("PGRST"), answer.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(st.binary(max_size=60), TEXTS.map(lambda text: text.encode("utf-8", "replace"))),
    content_type=st.sampled_from(
        [
            "application/json",
            "text/csv",
            "application/x-www-form-urlencoded",
            "text/plain",
            "a/b",
            "",
            "\u00e4",
        ]
    ),
    path=st.sampled_from(["/clients", "/rpc/add_them", "/rpc/take_json", "/rpc/take_text"]),
)
def test_malformed_bodies_are_answered(anon: httpx.Client, body: bytes, content_type: str, path: str) -> None:
    answer = anon.post(path, headers={"content-type": content_type.encode()}, content=body)
    assert answer.status_code < 500 or not answer.json()["code"].startswith("PGRST"), answer.text


@pytest.mark.parametrize(
    "query",
    [
        "select=" + "clients(" * 40 + "id" + ")" * 40,
        "select=" + "clients(" * 4000,
        "or=" + "(and" * 3000 + "(id.eq.1)" + ")" * 3000,
        "or=(" + "not." * 3000 + "id.eq.1)",
        "id=in.(" + ",".join(map(str, range(3000))) + ")",
        "select=" + ",".join(["id"] * 3000),
        "&".join(f"id=gt.{n}" for n in range(1500)),
        "facts" + "->a" * 3000 + "=eq.1",
        "a." * 3000 + "b=eq.1",
    ],
)
def test_deep_and_long_queries_are_answered(anon: httpx.Client, query: str) -> None:
    answer = anon.get(f"/projects?{query}")
    if answer.headers["content-type"].startswith("application/json") and answer.status_code >= 400:
        body = answer.json()
        assert answer.status_code < 500 or body["code"].startswith("54"), body
    else:
        assert answer.status_code in (200, 414), answer.text[:200]


def test_deeply_nested_bodies_are_answered(anon: httpx.Client) -> None:
    nested = b"[" * 100_000 + b"]" * 100_000
    answer = anon.post("/clients", headers={"content-type": "application/json"}, content=nested)
    assert (answer.status_code, answer.json()["code"]) == (400, "PGRST102")
    raw = anon.post("/clients?columns=id", headers={"content-type": "application/json"}, content=nested)
    assert raw.json()["code"] in ("54001", "42501", "22023", "22P02")
