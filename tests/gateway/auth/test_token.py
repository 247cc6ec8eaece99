"""Signing in, staying signed in, and signing out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg2
import pytest

from .harness import PASSWORD, AuthServer, StartAuth, error


def sign_in(auth: AuthServer, password: str = PASSWORD, email: str = "ada@example.test") -> httpx.Response:
    with auth.http() as client:
        return client.post("/token?grant_type=password", json={"email": email, "password": password})


def refresh(auth: AuthServer, token: str) -> httpx.Response:
    with auth.http() as client:
        return client.post("/token?grant_type=refresh_token", json={"refresh_token": token})


def get_user(auth: AuthServer, session: dict[str, Any]) -> httpx.Response:
    with auth.http(session["access_token"]) as client:
        return client.get("/user")


ALREADY_USED = (400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")


def test_a_password_signs_in_whatever_the_case_of_the_address(auth: AuthServer) -> None:
    user = auth.sign_up()["user"]
    response = sign_in(auth, email="ADA@Example.TEST")
    assert response.status_code == 200
    assert response.json()["user"]["id"] == user["id"]
    assert response.headers["sb-auth-user-id"] == user["id"]
    assert response.headers["cache-control"] == "no-store"


def test_a_wrong_password_and_an_unknown_user_are_told_the_same(auth: AuthServer) -> None:
    auth.sign_up()
    expected = (400, "invalid_credentials", "Invalid login credentials")
    assert error(sign_in(auth, "wrong password")) == expected
    assert error(sign_in(auth, email="nobody@example.test")) == expected
    assert error(sign_in(auth, "x" * 100)) == expected


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ("", {}, (400, "invalid_credentials", "unsupported_grant_type")),
        ("grant_type=saml", {}, (400, "invalid_credentials", "unsupported_grant_type")),
        ("grant_type=password", {}, (400, "validation_failed", "missing email or phone")),
        (
            "grant_type=password",
            {"phone": "+1", "password": "x"},
            (422, "phone_provider_disabled", "Phone logins are disabled"),
        ),
        (
            "grant_type=refresh_token",
            {"refresh_token": "short"},
            (400, "validation_failed", "Refresh token is not valid"),
        ),
        (
            "grant_type=refresh_token",
            {"refresh_token": "'; drop --xx"},
            (400, "validation_failed", "Refresh token is not valid"),
        ),
        (
            "grant_type=refresh_token",
            {"refresh_token": "abcdefghijkl"},
            (400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"),
        ),
        (
            "grant_type=pkce",
            {"auth_code": "x"},
            (
                400,
                "validation_failed",
                "invalid request: both auth code and code verifier should be non-empty",
            ),
        ),
        (
            "grant_type=pkce",
            {"auth_code": "x", "code_verifier": "y"},
            (404, "flow_state_not_found", "invalid flow state, no valid flow state found"),
        ),
    ],
)
def test_grants_that_cannot_be(
    auth: AuthServer, query: str, body: object, expected: tuple[int, str, str]
) -> None:
    with auth.http() as client:
        assert error(client.post(f"/token?{query}", json=body)) == expected


SEED = """
insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at)
values ('00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated', 'authenticated',
        'seed@example.test', extensions.crypt('seeded-1', extensions.gen_salt('bf')), now())
"""


def test_a_seeded_bcrypt_user_with_null_columns_signs_in_and_gets_a_modern_hash(auth: AuthServer) -> None:
    auth.run_as_postgres(SEED)
    assert error(sign_in(auth, "seeded-2", "seed@example.test"))[1] == "invalid_credentials"
    first = sign_in(auth, "seeded-1", "seed@example.test")
    assert first.status_code == 200, first.text
    assert first.json()["user"]["identities"] == []
    (row,) = auth.rows("select encrypted_password from auth.users")
    assert row["encrypted_password"].startswith("$argon2id$")
    assert sign_in(auth, "seeded-1", "seed@example.test").status_code == 200
    with auth.admin as admin:
        assert admin.get("/admin/users").json()["users"][0]["email"] == "seed@example.test"


def test_a_password_that_became_too_weak_still_signs_in_and_says_so(
    auth: AuthServer, start_auth: StartAuth
) -> None:
    auth.sign_up(password="abcdef")
    stricter = start_auth({"minimum_password_length": 10})
    weak = sign_in(stricter, "abcdef").json()["weak_password"]
    assert weak == {"reasons": ["length"], "message": "Password should be at least 10 characters."}


def test_a_refresh_rotates_the_token_and_keeps_the_session(auth: AuthServer) -> None:
    session = auth.sign_up()
    response = refresh(auth, session["refresh_token"])
    renewed = response.json()
    assert renewed["refresh_token"] != session["refresh_token"]
    before, after = (auth.context.verifier.verify(each["access_token"]).claims for each in (session, renewed))
    assert after["session_id"] == before["session_id"] == response.headers["sb-auth-session-id"]
    assert after["amr"] == before["amr"]
    tokens = auth.rows("select token, parent, revoked from auth.refresh_tokens order by id")
    assert [token["revoked"] for token in tokens] == [True, False]
    assert tokens[1]["parent"] == tokens[0]["token"]
    assert get_user(auth, renewed).status_code == 200


def test_a_token_whose_successor_was_never_used_is_good_again(auth: AuthServer) -> None:
    first = auth.sign_up()["refresh_token"]
    second = refresh(auth, first).json()["refresh_token"]
    auth.clock.move(hours=2)
    # The answer with the successor may have been lost on its way.
    assert refresh(auth, first).json()["refresh_token"] == second
    assert refresh(auth, second).status_code == 200


def test_an_older_token_is_good_for_the_current_one_within_the_reuse_interval(auth: AuthServer) -> None:
    first = auth.sign_up()["refresh_token"]
    third = refresh(auth, refresh(auth, first).json()["refresh_token"]).json()["refresh_token"]
    assert refresh(auth, first).json()["refresh_token"] == third


def test_a_stolen_token_ends_the_whole_session(auth: AuthServer) -> None:
    session = auth.sign_up()
    other = sign_in(auth).json()
    first = session["refresh_token"]
    renewed = refresh(auth, refresh(auth, first).json()["refresh_token"]).json()
    auth.clock.move(seconds=11)
    assert error(refresh(auth, first)) == ALREADY_USED
    assert error(refresh(auth, renewed["refresh_token"])) == ALREADY_USED
    assert error(get_user(auth, renewed))[:2] == (403, "session_not_found")
    # Another sign-in of the same user goes on.
    assert get_user(auth, other).status_code == 200
    assert refresh(auth, other["refresh_token"]).status_code == 200


def test_without_rotation_a_reused_token_is_refused_but_the_session_goes_on(start_auth: StartAuth) -> None:
    auth = start_auth({"enable_refresh_token_rotation": False, "refresh_token_reuse_interval": 0})
    first = auth.sign_up()["refresh_token"]
    renewed = refresh(auth, refresh(auth, first).json()["refresh_token"]).json()
    assert error(refresh(auth, first)) == ALREADY_USED
    assert refresh(auth, renewed["refresh_token"]).status_code == 200


def test_a_session_outlives_no_timebox_however_often_it_is_refreshed(start_auth: StartAuth) -> None:
    auth = start_auth({"sessions": {"timebox": "24h"}})
    session = auth.sign_up()
    for _ in range(2):
        auth.clock.move(hours=10)
        session = refresh(auth, session["refresh_token"]).json()
    auth.clock.move(hours=5)
    expired = (400, "session_expired", "Invalid Refresh Token: Session Expired")
    assert error(refresh(auth, session["refresh_token"])) == expired
    assert error(refresh(auth, session["refresh_token"])) == expired
    assert sign_in(auth).status_code == 200


def test_a_session_that_nobody_uses_expires(start_auth: StartAuth) -> None:
    auth = start_auth({"sessions": {"inactivity_timeout": "8h"}})
    never_refreshed, session = auth.sign_up(), sign_in(auth).json()
    for _ in range(3):
        auth.clock.move(hours=7)
        session = refresh(auth, session["refresh_token"]).json()
    expired = (400, "session_expired", "Invalid Refresh Token: Session Expired (Inactivity)")
    assert error(refresh(auth, never_refreshed["refresh_token"])) == expired
    auth.clock.move(hours=9)
    assert error(refresh(auth, session["refresh_token"])) == expired


def test_refreshes_at_once_agree_on_one_successor(auth: AuthServer) -> None:
    first = auth.sign_up()["refresh_token"]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: refresh(auth, first), range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert len(auth.rows("select id from auth.refresh_tokens")) == 2


def test_a_session_that_stays_locked_is_a_conflict(start_auth: StartAuth, monkeypatch: Any) -> None:
    from headway.local.auth import database

    monkeypatch.setattr(database, "_LOCK_TIMEOUT_MS", 50)
    auth = start_auth()
    first = auth.sign_up()["refresh_token"]
    holder = psycopg2.connect(auth.context.database.conninfo("supabase_admin"))
    try:
        holder.cursor().execute("select * from auth.sessions for update")
        assert error(refresh(auth, first))[:2] == (409, "conflict")
    finally:
        holder.close()
    assert refresh(auth, first).status_code == 200


def test_a_banned_user_can_neither_sign_in_nor_refresh_nor_be_seen(auth: AuthServer) -> None:
    session = auth.sign_up()
    with auth.admin as admin:
        banned = admin.put(f"/admin/users/{session['user']['id']}", json={"ban_duration": "1h30m"}).json()
        assert banned["banned_until"]
        assert error(sign_in(auth)) == (400, "user_banned", "User is banned")
        # Whoever does not know the password does not learn of the ban.
        assert error(sign_in(auth, "wrong password"))[1] == "invalid_credentials"
        assert error(refresh(auth, session["refresh_token"]))[:2] == (400, "user_banned")
        assert error(get_user(auth, session)) == (403, "user_banned", "User is banned")
        auth.clock.move(minutes=91)
        assert sign_in(auth).status_code == 200
        admin.put(f"/admin/users/{session['user']['id']}", json={"ban_duration": "24h"})
        free = admin.put(f"/admin/users/{session['user']['id']}", json={"ban_duration": "none"}).json()
        assert "banned_until" not in free


def test_logout_scopes(auth: AuthServer) -> None:
    first = auth.sign_up()
    second, third = sign_in(auth).json(), sign_in(auth).json()

    def logout(session: dict[str, Any], scope: str) -> httpx.Response:
        with auth.http(session["access_token"]) as client:
            return client.post("/logout", params={"scope": scope} if scope else None)

    assert error(logout(first, "everything"))[:2] == (400, "validation_failed")
    assert logout(first, "local").status_code == 204
    assert error(get_user(auth, first))[:2] == (403, "session_not_found")
    assert error(refresh(auth, first["refresh_token"]))[1] == "refresh_token_not_found"
    assert logout(second, "others").status_code == 204
    assert get_user(auth, second).status_code == 200
    assert get_user(auth, third).status_code == 403
    fourth = sign_in(auth).json()
    assert logout(second, "").status_code == 204
    assert {get_user(auth, each).status_code for each in (second, fourth)} == {403}
    assert auth.rows("select id from auth.sessions") == auth.rows("select id from auth.refresh_tokens") == []


def test_the_audit_log_tells_what_happened(auth: AuthServer) -> None:
    session = auth.sign_up()
    refresh(auth, session["refresh_token"])
    with auth.admin as admin:
        response = admin.get("/admin/audit")
        only = admin.get("/admin/audit", params={"query": "action:signed", "per_page": 1}).json()
        assert error(admin.get("/admin/audit?query=colour:red"))[:2] == (400, "validation_failed")
    actions = [entry["payload"]["action"] for entry in response.json()]
    assert sorted(actions) == ["login", "token_refreshed", "token_revoked", "user_signedup"]
    assert response.headers["x-total-count"] == "4"
    assert only[0]["payload"]["actor_username"] == "ada@example.test"
    assert only[0]["payload"]["log_type"] == "team"
    assert only[0]["ip_address"] == "127.0.0.1"


def test_a_session_remembers_from_where_it_is_used(auth: AuthServer) -> None:
    with auth.http(**{"User-Agent": "Ada's browser", "X-Forwarded-For": "203.0.113.9"}) as client:
        client.post("/signup", json={"email": "ada@example.test", "password": PASSWORD})
    (row,) = auth.rows("select host(ip) as ip, user_agent, aal::text from auth.sessions")
    # A caller's own X-Forwarded-For proves nothing.
    assert row == {"ip": "127.0.0.1", "user_agent": "Ada's browser", "aal": "aal1"}
