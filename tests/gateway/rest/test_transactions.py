"""Roles, settings, read-only rules, configuration and the schema cache."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from .harness import ALICE, RestServer


def test_role_and_claims(anon: httpx.Client, alice: httpx.Client, service: httpx.Client) -> None:
    nobody = anon.get("/rpc/whoami").json()
    assert (nobody["user"], nobody["uid"], nobody["role"]) == ("anon", None, "anon")
    someone = alice.get("/rpc/whoami").json()
    assert (someone["user"], someone["uid"], someone["role"]) == ("authenticated", ALICE, "authenticated")
    assert someone["jwt"]["sub"] == ALICE
    assert someone["path"] == '"public", "public", "extensions"'
    secret = service.get("/rpc/whoami").json()
    assert (secret["user"], secret["uid"]) == ("service_role", None)


def test_request_settings(anon: httpx.Client) -> None:
    answer = anon.post(
        "/rpc/setting",
        headers={"x-custom": "yes", "x-name": "Zoë".encode(), "cookie": "a=1; b=two"},
        json={"name": "request.headers"},
    )
    headers = json.loads(answer.json())
    assert headers["x-custom"] == "yes"
    assert headers["x-name"] == "Zoë"
    assert "cookie" not in headers
    cookies = anon.post("/rpc/setting", headers={"cookie": "a=1; b=two"}, json={"name": "request.cookies"})
    assert json.loads(cookies.json()) == {"a": "1", "b": "two"}
    assert anon.post("/rpc/setting", json={"name": "request.method"}).json() == "POST"
    assert anon.get("/rpc/setting?name=request.method").json() == "GET"
    assert anon.post("/rpc/setting", json={"name": "request.path"}).json() == "/rpc/setting"
    assert anon.post("/rpc/setting", json={"name": "request.jwt.claim.role"}).json() is None


def test_settings_do_not_outlive_their_request(
    rest: RestServer, anon: httpx.Client, alice: httpx.Client
) -> None:
    for _ in range(3):
        assert alice.get("/rpc/whoami").json()["uid"] == ALICE
        assert anon.get("/rpc/whoami").json()["uid"] is None
        assert anon.get("/rpc/setting?name=response.status").json() in (None, "")
        anon.post("/rpc/respond", json={"status": "203", "headers": "[]"})


def test_reads_are_read_only(anon: httpx.Client) -> None:
    assert anon.get("/rpc/whoami").json()["read_only"] == "on"
    assert anon.post("/rpc/whoami").json()["read_only"] == "on"
    assert anon.post("/rpc/setting", json={"name": "transaction_read_only"}).json() == "on"
    assert anon.post("/rpc/add_write", json={"label": "x"}).json()["code"] == "42501"


def test_timezone(anon: httpx.Client) -> None:
    answer = anon.get("/rpc/setting?name=timezone", headers={"prefer": "timezone=America/Los_Angeles"})
    assert answer.json() == "America/Los_Angeles"
    assert answer.headers["preference-applied"] == "timezone=America/Los_Angeles"
    unknown = anon.get("/clients", headers={"prefer": "timezone=Jupiter/Red_Spot"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "22023")


def test_statement_timeouts_by_role(own_rest: Any) -> None:
    own_rest.set("anon", "statement_timeout", None)
    own_rest.execute("alter role anon set statement_timeout = '80ms'")
    try:
        own_rest.notify("reload config")
        with own_rest.client(None) as anon:
            assert anon.get("/rpc/setting?name=statement_timeout").json() == "80ms"
            slow = anon.post("/rpc/wait_for", json={"seconds": 5})
            assert (slow.status_code, slow.json()["code"]) == (500, "57014")
            assert slow.json()["message"] == "canceling statement due to statement timeout"
            assert anon.get("/clients?id=eq.1").status_code == 200
    finally:
        own_rest.execute("alter role anon set statement_timeout = '3s'")


def test_settings_of_functions_apply_to_their_transaction(anon: httpx.Client) -> None:
    slow = anon.post("/rpc/short_wait", json={"seconds": 5})
    assert (slow.status_code, slow.json()["code"]) == (500, "57014")
    assert anon.get("/rpc/levels").json() == "serializable"
    assert anon.get("/rpc/setting?name=transaction_isolation").json() == "read committed"


def test_schemas_are_exposed_by_a_setting(own_rest: Any) -> None:
    with own_rest.client(None) as anon:
        assert anon.get("/things", headers={"accept-profile": "api"}).status_code == 406
        own_rest.set("authenticator", "pgrst.db_schemas", "public, api")
        assert anon.get("/things", headers={"accept-profile": "api"}).json() == [{"id": 1, "name": "in api"}]
        own_rest.set("authenticator", "pgrst.db_schemas", None)
        assert anon.get("/things", headers={"accept-profile": "api"}).status_code == 406


def test_catalog_schemas_are_never_exposed(own_rest: Any) -> None:
    own_rest.set("authenticator", "pgrst.db_schemas", "pg_catalog, information_schema, public")
    with own_rest.client(None) as anon:
        assert anon.get("/pg_roles", headers={"accept-profile": "pg_catalog"}).status_code == 406
        assert anon.get("/clients?id=eq.1").status_code == 200


def test_a_function_before_every_request(own_rest: Any) -> None:
    own_rest.set("authenticator", "pgrst.db_pre_request", "public.pre_request_check")
    with own_rest.client(None) as anon:
        assert anon.get("/clients?id=eq.1").status_code == 200
        blocked = anon.get("/clients", headers={"x-blocked": "1"})
        assert (blocked.status_code, blocked.json()["message"]) == (401, "blocked")


def test_the_client_may_roll_back_when_it_is_allowed_to(own_rest: Any) -> None:
    with own_rest.client(own_rest.keys.service_role_key) as service:
        body = {"id": 50, "name": "x"}
        undo = {"prefer": "tx=rollback,return=representation"}
        ignored = service.post("/clients", headers=undo, json=body)
        assert ignored.headers["preference-applied"] == "return=representation"
        assert service.delete("/clients?id=eq.50").status_code == 204
        own_rest.set("authenticator", "pgrst.db_tx_end", "commit-allow-override")
        undone = service.post("/clients", headers=undo, json=body)
        assert (undone.status_code, undone.json()[0]["id"]) == (201, 50)
        assert undone.headers["preference-applied"] == "return=representation, tx=rollback"
        assert service.get("/clients?id=eq.50").json() == []


def test_ddl_is_seen_by_itself(own_rest: Any) -> None:
    with own_rest.client(own_rest.keys.service_role_key) as service:
        assert service.get("/fresh").status_code == 404
        own_rest.execute(
            "create table public.fresh (id int primary key, mood public.mood, tags public.mood[]);"
            "grant all on public.fresh to service_role",
            user="postgres",
        )
        assert service.post("/fresh", json={"id": 1, "mood": "sad", "tags": ["ok"]}).status_code == 201
        assert service.get("/fresh?tags=cs.{ok}&mood=eq.sad").json() == [
            {"id": 1, "mood": "sad", "tags": ["ok"]}
        ]
        own_rest.execute(
            "create function public.fresh_function() returns int language sql as 'select 5'", user="postgres"
        )
        assert service.post("/rpc/fresh_function").json() == 5
        own_rest.execute("drop table public.fresh", user="postgres")
        own_rest.notify("reload schema")
        assert service.get("/fresh").json()["code"] == "PGRST205"


def test_a_type_younger_than_the_schema_cache(own_rest: Any) -> None:
    # No event trigger fires for what an extension brings along.
    own_rest.execute("create extension citext with schema extensions")
    own_rest.execute(
        "set session_replication_role = replica;"
        "create table public.loose (word extensions.citext[]);"
        "insert into public.loose values ('{Ab}'); grant select on public.loose to anon"
    )
    with own_rest.client(None) as anon:
        own_rest.run(own_rest.service.watch.reload())
        assert anon.get("/loose?word=cs.{ab}").json() == [{"word": ["Ab"]}]


def test_computed_columns_change_their_type(own_rest: Any) -> None:
    with own_rest.client(None) as anon:
        assert anon.get("/projects?select=id&label=eq.1:Apollo").json() == [{"id": 1}]
        own_rest.execute(
            "drop function public.label(public.projects);"
            "create function public.label(public.projects) returns int language sql stable as 'select $1.id'",
            user="postgres",
        )
        own_rest.notify("reload schema")
        assert anon.get("/projects?select=id&label=eq.2").json() == [{"id": 2}]


@pytest.mark.parametrize("role", ["supabase_admin", "postgres", "nobody_at_all", "pg_read_all_data"])
def test_roles_that_cannot_be_taken(rest: RestServer, role: str) -> None:
    with rest.client(rest.token(role)) as client:
        answer = client.get("/clients")
    assert answer.status_code in (401, 403)
    assert answer.json()["code"] in ("22023", "42501")


def test_settings_of_the_app(own_rest: Any) -> None:
    with own_rest.client(None) as anon:
        assert anon.get("/rpc/setting?name=app.settings.colour").json() is None
        own_rest.set("authenticator", "app.settings.colour", "blue")
        assert anon.get("/rpc/setting?name=app.settings.colour").json() == "blue"


def test_an_audience_that_is_configured(own_rest: Any) -> None:
    own_rest.set("authenticator", "pgrst.jwt_aud", "this-app")

    def status(**claims: Any) -> tuple[int, str | None]:
        with own_rest.client(own_rest.token(sub=ALICE, **claims)) as client:
            answer = client.get("/clients?id=eq.1")
            return answer.status_code, None if answer.is_success else answer.json()["message"]

    assert status(aud="this-app") == (200, None)
    assert status(aud=["other", "this-app"]) == (200, None)
    assert status() == (200, None)
    assert status(aud="other") == (401, "JWT not in audience")
    assert status(aud=5) == (401, "The JWT 'aud' claim must be a string or an array of strings")


def test_a_function_at_the_root(own_rest: Any) -> None:
    own_rest.set("authenticator", "pgrst.db_root_spec", "public.count_cached")
    with own_rest.client(None) as anon:
        assert anon.get("/").json() == 3


def test_filters_by_table_name_can_be_switched_off(own_rest: Any) -> None:
    own_rest.set("authenticator", "pgrst.url_use_legacy_target_names", "false")
    with own_rest.client(None) as anon:
        answer = anon.get("/projects?select=id,c:clients(name)&clients.name=eq.Acme")
        assert answer.status_code == 400
        assert answer.json()["hint"] == "Change 'clients' to 'c' in filters, orders or limits."
