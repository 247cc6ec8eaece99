"""What is switched off, malformed, or not there."""

from __future__ import annotations

import json
from typing import Any

import httpx
import psycopg2
import pytest

from headway.local.auth import app

from .harness import PASSWORD, AuthServer, error


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        (
            "GET",
            "/authorize?provider=google",
            (400, "validation_failed", "Unsupported provider: provider is not enabled"),
        ),
        (
            "GET",
            "/authorize?provider=myspace",
            (400, "validation_failed", "Unsupported provider: Provider myspace could not be found"),
        ),
        ("POST", "/sso", (404, "saml_provider_disabled", "SAML 2.0 is disabled")),
        ("GET", "/sso/saml/metadata", (404, "saml_provider_disabled", "SAML 2.0 is disabled")),
        ("POST", "/sso/saml/acs", (404, "saml_provider_disabled", "SAML 2.0 is disabled")),
        ("GET", "/passkeys", (404, "passkey_disabled", "Passkeys are disabled")),
        ("POST", "/passkeys/authentication/options", (404, "passkey_disabled", "Passkeys are disabled")),
        ("POST", "/oauth/token", (404, "feature_disabled", "OAuth server is disabled")),
        ("GET", "/oauth/authorize", (404, "feature_disabled", "OAuth server is disabled")),
        (
            "GET",
            "/.well-known/oauth-authorization-server",
            (404, "feature_disabled", "OAuth server is disabled"),
        ),
    ],
)
def test_features_that_are_off(
    auth: AuthServer, method: str, path: str, expected: tuple[int, str, str]
) -> None:
    with auth.http() as client:
        assert error(client.request(method, path)) == expected


@pytest.mark.parametrize(
    ("grant", "body", "status", "code"),
    [
        ("id_token", {"provider": "google", "id_token": "x"}, 400, "provider_disabled"),
        ("id_token", {"provider": "custom:x", "id_token": "x"}, 400, "validation_failed"),
        ("id_token", {"provider": "who", "id_token": "x"}, 400, "validation_failed"),
        ("web3", {"chain": "solana"}, 422, "web3_provider_disabled"),
        ("web3", {"chain": "ethereum"}, 422, "web3_provider_disabled"),
        ("web3", {"chain": "dogecoin"}, 400, "web3_unsupported_chain"),
    ],
)
def test_grants_that_are_off(auth: AuthServer, grant: str, body: Any, status: int, code: str) -> None:
    with auth.http() as client:
        assert error(client.post(f"/token?grant_type={grant}", json=body))[:2] == (status, code)


def test_id_tokens_keep_the_oauth_shape(auth: AuthServer) -> None:
    with auth.http() as client:
        refused = client.post("/token?grant_type=id_token", json={})
    assert refused.status_code == 400
    assert refused.json() == {"error": "invalid request", "error_description": "id_token required"}


def test_second_factors_are_off(auth: AuthServer) -> None:
    session = auth.sign_up()
    with auth.http(session["access_token"]) as client:
        for kind, name in (("totp", "TOTP"), ("phone", "Phone"), ("webauthn", "WebAuthn")):
            assert error(client.post("/factors", json={"factor_type": kind})) == (
                422,
                f"mfa_{kind}_enroll_not_enabled",
                f"MFA enroll is disabled for {name}",
            )
        assert error(client.post("/factors", json={"factor_type": "rabbit"}))[1] == "validation_failed"
        factor = f"/factors/{session['user']['id']}"
        assert error(client.post(f"{factor}/challenge", json={}))[:2] == (404, "mfa_factor_not_found")
        assert error(client.post(f"{factor}/verify", json={}))[:2] == (404, "mfa_factor_not_found")
        assert error(client.delete(factor))[:2] == (404, "mfa_factor_not_found")
        assert error(client.delete("/factors/1"))[:2] == (404, "validation_failed")
        linking = (404, "manual_linking_disabled", "Manual linking is disabled")
        assert error(client.get("/user/identities/authorize?provider=google")) == linking
        assert error(client.delete(f"/user/identities/{session['user']['id']}")) == linking
        anonymous = client.post("/signup", json={}).json()["access_token"]
    with auth.http(anonymous) as client:
        assert error(client.post("/factors", json={"factor_type": "totp"}))[:2] == (403, "no_authorization")


def test_administration_of_what_is_off(auth: AuthServer) -> None:
    user = auth.sign_up()["user"]["id"]
    with auth.admin as admin:
        assert admin.get(f"/admin/users/{user}/factors").json() == []
        assert admin.get("/admin/sso/providers").json() == {"items": []}
        assert error(admin.delete(f"/admin/users/{user}/factors/{user}"))[1] == "mfa_factor_not_found"
        assert error(admin.get(f"/admin/users/{user}/passkeys"))[1] == "passkey_disabled"
        assert error(admin.post("/admin/sso/providers", json={}))[1] == "saml_provider_disabled"
        assert error(admin.get(f"/admin/sso/providers/{user}"))[1] == "sso_provider_not_found"
        assert error(admin.get("/admin/oauth/clients"))[1] == "feature_disabled"
        assert error(admin.get("/admin/custom-providers"))[1] == "feature_disabled"


def test_an_oauth_callback_that_nobody_waits_for_leads_home(auth: AuthServer) -> None:
    with auth.http() as client:
        response = client.get("/callback?code=x&redirect_to=https://evil.test")
    assert response.status_code == 303
    assert response.headers["location"].startswith("http://127.0.0.1:3000?error=invalid_request")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[]", "bad_json"),
        (b"null", "bad_json"),
        (b'"text"', "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (b'{"email": "\\ud800"}', "bad_json"),
        (b'{"email": ' + b"[" * 2000 + b"]" * 2000 + b"}", "bad_json"),
        (b'{"email": {}}', "validation_failed"),
        (b'{"email": "a\\u0000@b.test"}', "validation_failed"),
        (b'{"data": {"x": ' + b"[" * 200 + b"]" * 200 + b"}}", "validation_failed"),
    ],
)
def test_bodies_that_cannot_be(auth: AuthServer, body: bytes, code: str) -> None:
    with auth.http() as client:
        for path in ("/signup", "/otp"):
            refused = error(client.post(path, content=body))
            assert refused[:2] == (400, code)
            assert "Traceback" not in refused[2]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused(auth: AuthServer, chunked: bool) -> None:
    body = json.dumps({"email": "a@b.test", "data": {"x": "y" * (1 << 20)}}).encode()
    with auth.http() as client:
        content: Any = iter([body[:1000], body[1000:]]) if chunked else body
        assert error(client.post("/signup", content=content))[:2] == (413, "request_entity_too_large")


def test_the_shape_of_a_refusal_follows_the_version(auth: AuthServer) -> None:
    def refused(version: str | None) -> httpx.Response:
        with auth.http() as client:
            client.headers.pop("x-supabase-api-version")
            headers = {} if version is None else {"X-Supabase-Api-Version": version}
            response = client.get("/user", headers=headers)
        assert response.headers["x-sb-error-code"] == "bad_jwt"
        return response

    message = "invalid claim: missing sub claim"
    for version in ("2024-01-01", "2025-12-31"):
        new = refused(version)
        assert new.json() == {"code": "bad_jwt", "message": message}
        assert new.headers["x-supabase-api-version"] == "2024-01-01"
    for version in (None, "2023-12-31", "nonsense", ""):
        old = refused(version)
        assert old.json() == {"code": 403, "error_code": "bad_jwt", "msg": message}
        assert "x-supabase-api-version" not in old.headers


def test_a_failure_of_ours_has_an_id_and_no_details(
    auth: AuthServer, caplog: pytest.LogCaptureFixture
) -> None:
    auth.rows("alter table auth.users rename to gone")
    try:
        with auth.http(**{"sb-request-id": "req-1"}) as client:
            body = {"email": "a@b.test", "password": PASSWORD}
            response = client.post("/token?grant_type=password", json=body)
            del client.headers["x-supabase-api-version"]
            old = client.post("/token?grant_type=password", json=body)
    finally:
        auth.rows("alter table auth.gone rename to users")
    assert error(response) == (
        500,
        "unexpected_failure",
        "Unexpected failure, please check server logs for more information",
    )
    assert old.json()["error_id"] == "req-1"
    assert "request req-1 failed" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_request_that_takes_too_long_is_ended(auth: AuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    session = auth.sign_up()
    monkeypatch.setattr(app, "_DEADLINE_S", 0.05)
    holder = psycopg2.connect(auth.context.database.conninfo("supabase_admin"))
    try:
        holder.cursor().execute("select * from auth.users for update")
        with auth.http(session["access_token"]) as client:
            assert error(client.put("/user", json={"data": {}}))[:2] == (504, "request_timeout")
    finally:
        holder.close()
    with auth.http(session["access_token"]) as client:
        monkeypatch.undo()
        assert client.get("/settings").status_code == 200


def test_paths_that_are_not_there(auth: AuthServer) -> None:
    with auth.http() as client:
        assert error(client.get("/nothing"))[:2] == (404, "not_found")
        assert error(client.get("/"))[:2] == (404, "not_found")
        wrong = client.get("/signup")
        assert error(wrong)[:2] == (405, "method_not_allowed")
        assert wrong.headers["allow"] == "POST"
        assert client.options("/user").headers["allow"] == "GET, PUT"
        assert client.get("/health/").status_code == 200


def test_what_anybody_may_know(auth: AuthServer) -> None:
    with auth.http() as client:
        del client.headers["authorization"]
        health, settings = client.get("/health").json(), client.get("/settings").json()
    assert (health["name"], bool(health["version"])) == ("GoTrue", True)
    external = settings.pop("external")
    assert (external["email"], external["anonymous_users"], external["phone"]) == (True, True, False)
    assert not any(external[name] for name in external if name not in ("email", "anonymous_users"))
    assert len(external) > 20
    assert settings == {
        "disable_signup": False,
        "mailer_autoconfirm": True,
        "phone_autoconfirm": False,
        "sms_provider": "",
        "saml_enabled": False,
        "saml_private_key_next_configured": False,
        "passkeys_enabled": False,
    }
