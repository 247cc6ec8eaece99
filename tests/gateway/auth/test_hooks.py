"""A project's own claims in access tokens."""

from __future__ import annotations

from typing import Any

import pytest

from headway.errors import ConfigError

from .harness import PASSWORD, AuthServer, StartAuth, error

URI = "pg-functions://postgres/public/custom_access_token_hook"
HOOK = {"hook": {"custom_access_token": {"enabled": True, "uri": URI}}}
WISH = {"email": "ada@example.test", "password": PASSWORD}


def define(auth: AuthServer, body: str, *, granted: bool = True) -> None:
    auth.run_as_postgres(
        "create function public.custom_access_token_hook(event jsonb) returns jsonb language plpgsql stable"
        f" as $$ begin {body} end $$;"
        "revoke execute on function public.custom_access_token_hook from public, anon, authenticated;"
        + ("grant execute on function public.custom_access_token_hook to supabase_auth_admin;" * granted)
    )


def claims(auth: AuthServer, session: dict[str, Any]) -> dict[str, Any]:
    return dict(auth.context.verifier.verify(session["access_token"]).claims)


def test_it_sees_the_event_and_decides_on_the_claims(start_auth: StartAuth) -> None:
    auth = start_auth(HOOK)
    define(
        auth,
        """return jsonb_build_object('claims', event -> 'claims' || jsonb_build_object(
             'user_role', 'editor', 'who', event ->> 'user_id',
             'how', event ->> 'authentication_method'));""",
    )
    session = auth.sign_up()
    first = claims(auth, session)
    assert (first["user_role"], first["how"], first["who"]) == ("editor", "password", session["user"]["id"])
    with auth.http() as client:
        body = {"refresh_token": session["refresh_token"]}
        renewed = client.post("/token?grant_type=refresh_token", json=body).json()
    assert claims(auth, renewed)["how"] == "token_refresh"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            'return \'{"error": {"http_code": 403, "message": "not on this planet"}}\';',
            (403, "unknown", "not on this planet"),
        ),
        (
            'return \'{"error": {"message": "no"}}\';',
            (500, "unexpected_failure", "no"),
        ),
        ("return '{}';", (500, "unexpected_failure", "output claims field is missing")),
        ("return null;", (500, "unexpected_failure", "output claims field is missing")),
        ("raise 'broken';", (500, "unexpected_failure", f"Error running hook URI: {URI}")),
        (
            "perform pg_sleep(60); return event;",
            (500, "unexpected_failure", f"Error running hook URI: {URI}"),
        ),
        (
            "return jsonb_build_object('claims', (event -> 'claims') - 'aal');",
            (
                500,
                "unexpected_failure",
                "output claims do not conform to the expected schema: \n- (root): aal is required",
            ),
        ),
    ],
)
def test_its_refusal_and_its_failure_fail_the_sign_up(
    start_auth: StartAuth, monkeypatch: pytest.MonkeyPatch, body: str, expected: tuple[int, str, str]
) -> None:
    from headway.local.auth import hooks

    monkeypatch.setattr(hooks, "_TIMEOUT_MS", 100)
    auth = start_auth(HOOK)
    define(auth, body)
    with auth.http() as client:
        assert error(client.post("/signup", json=WISH)) == expected
    assert auth.rows("select id from auth.users") == []


def test_a_function_that_auth_may_not_execute(start_auth: StartAuth) -> None:
    auth = start_auth(HOOK)
    define(auth, "return event;", granted=False)
    with auth.http() as client:
        assert error(client.post("/signup", json=WISH))[2] == f"Error running hook URI: {URI}"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://example.test/hook",
        "pg-functions://postgres/public",
        'pg-functions://postgres/public/x"(1)--',
    ],
)
def test_what_is_no_function_of_this_database(start_auth: StartAuth, uri: str) -> None:
    with pytest.raises(ConfigError, match="custom_access_token"):
        start_auth({"hook": {"custom_access_token": {"enabled": True, "uri": uri}}})
    start_auth({"hook": {"custom_access_token": {"enabled": False, "uri": uri}}})


def test_hooks_that_are_not_run_are_named(start_auth: StartAuth, caplog: pytest.LogCaptureFixture) -> None:
    start_auth({"hook": {"send_email": {"enabled": True, "uri": "https://example.test"}}})
    assert "auth.hook.send_email is not run by this stack" in caplog.text
