"""Signing up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from .harness import PASSWORD, AuthServer, StartAuth, error


def test_a_confirmed_sign_up_is_a_session_with_the_documented_claims(auth: AuthServer) -> None:
    body = auth.sign_up("Ada@Example.test", data={"full_name": "Ada"})
    user = body["user"]
    assert (body["token_type"], body["expires_in"]) == ("bearer", 3600)
    assert (user["email"], user["role"], user["aud"]) == (
        "ada@example.test",
        "authenticated",
        "authenticated",
    )
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert user["user_metadata"] == {
        "full_name": "Ada",
        "sub": user["id"],
        "email": "ada@example.test",
        "email_verified": True,
        "phone_verified": False,
    }
    (identity,) = user["identities"]
    assert (identity["id"], identity["provider"], identity["email"]) == (user["id"], "email", user["email"])
    claims = auth.context.verifier.verify(body["access_token"]).claims
    assert {**claims, "amr": claims["amr"][0]["method"]} == {
        "iss": f"{auth.url}/auth/v1",
        "sub": user["id"],
        "aud": "authenticated",
        "exp": body["expires_at"],
        "iat": body["expires_at"] - 3600,
        "email": "ada@example.test",
        "phone": "",
        "app_metadata": user["app_metadata"],
        "user_metadata": user["user_metadata"],
        "role": "authenticated",
        "aal": "aal1",
        "amr": "password",
        "session_id": claims["session_id"],
        "is_anonymous": False,
    }
    assert jwt.get_unverified_header(body["access_token"])["kid"] == auth.keys.signing_key.kid


def test_nothing_secret_is_kept_or_shown(confirming: AuthServer) -> None:
    confirming.sign_up()
    _, code = confirming.newest("ada@example.test")
    (row,) = confirming.rows("select * from auth.users")
    assert row["encrypted_password"].startswith("$argon2id$")
    (token,) = confirming.rows("select token_hash, relates_to from auth.one_time_tokens")
    assert code not in str(row)
    assert token == {"token_hash": row["confirmation_token"], "relates_to": "ada@example.test"}


def test_an_unconfirmed_sign_up_is_a_user_without_session(confirming: AuthServer) -> None:
    body = confirming.sign_up()
    assert "access_token" not in body
    assert "email_confirmed_at" not in body
    assert body["confirmation_sent_at"]
    assert confirming.newest("ada@example.test")[0].startswith(f"{confirming.url}/auth/v1/verify?token=")
    with confirming.http() as client:
        refused = client.post(
            "/token?grant_type=password", json={"email": "ada@example.test", "password": PASSWORD}
        )
    assert error(refused) == (400, "email_not_confirmed", "Email not confirmed")


def test_a_used_address_is_refused_or_hidden(auth: AuthServer, start_auth: StartAuth) -> None:
    auth.sign_up()
    with auth.http() as client:
        again = client.post("/signup", json={"email": "ADA@example.test", "password": "another one 2"})
    assert error(again) == (422, "user_already_exists", "User already registered")

    hiding = start_auth({"email": {"enable_confirmations": True}})
    fake, fresh = hiding.sign_up("ada@example.test"), hiding.sign_up("new@example.test")
    assert fake.keys() == fresh.keys()
    assert fake["identities"] == []
    assert fake["id"] not in {str(row["id"]) for row in hiding.rows("select id from auth.users")}
    assert hiding.mails("ada@example.test") == []


def test_signing_up_again_before_confirming_sends_another_mail_and_keeps_the_password(
    confirming: AuthServer,
) -> None:
    first = confirming.sign_up()
    second = confirming.sign_up(password="somebody else's 2")
    assert second["id"] == first["id"]
    assert len(confirming.mails("ada@example.test")) == 2
    link, _ = confirming.newest("ada@example.test")
    with confirming.http() as client:
        assert client.get(link).status_code == 303
        grant = "/token?grant_type=password"
        assert client.post(grant, json={"email": "ada@example.test", "password": PASSWORD}).status_code == 200


def test_two_sign_ups_at_once_make_one_user(auth: AuthServer) -> None:
    def attempt(_: int) -> tuple[int, str]:
        with auth.http() as client:
            response = client.post("/signup", json={"email": "ada@example.test", "password": PASSWORD})
        return response.status_code, response.json().get("code", "")

    with ThreadPoolExecutor(6) as threads:
        outcomes = sorted(threads.map(attempt, range(6)))
    assert outcomes == [(200, ""), *[(422, "user_already_exists")] * 5]
    assert len(auth.rows("select id from auth.identities")) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"email": "a@b.test"}, (400, "validation_failed", "Signup requires a valid password")),
        (
            {"email": "a@b.test", "password": "x" * 73},
            (400, "validation_failed", "Password cannot be longer than 72 characters"),
        ),
        (
            {"email": "a@b.test", "password": "short"},
            (422, "weak_password", "Password should be at least 6 characters."),
        ),
        (
            {"email": "no address", "password": PASSWORD},
            (400, "validation_failed", "Unable to validate email address: invalid format"),
        ),
        (
            {"email": f"{'a' * 250}@b.test", "password": PASSWORD},
            (400, "validation_failed", "An email address is too long"),
        ),
        (
            {"phone": "+491701234567", "password": PASSWORD},
            (400, "phone_provider_disabled", "Phone signups are disabled"),
        ),
        (
            {"email": "a@b.test", "phone": "1", "password": PASSWORD},
            (
                400,
                "validation_failed",
                "Only an email address or phone number should be provided on signup.",
            ),
        ),
        (
            {"email": "a@b.test", "password": PASSWORD, "code_challenge": "x" * 43},
            (400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge"),
        ),
        ({"email": 1, "password": PASSWORD}, (400, "validation_failed", "email must be a string")),
        (
            {"email": "a@b.test", "password": PASSWORD, "data": []},
            (400, "validation_failed", "data must be an object"),
        ),
        (
            {"email": "a@b.test", "password": PASSWORD, "data": {"x": ["\x00"]}},
            (400, "validation_failed", "data must not contain the character U+0000"),
        ),
    ],
)
def test_bad_wishes_are_refused_by_name(
    auth: AuthServer, body: object, expected: tuple[int, str, str]
) -> None:
    with auth.http() as client:
        assert error(client.post("/signup", json=body)) == expected
    assert auth.rows("select id from auth.users") == []


def test_a_weak_password_comes_with_reasons_in_both_shapes(start_auth: StartAuth) -> None:
    auth = start_auth({"minimum_password_length": 8, "password_requirements": "lower_upper_letters_digits"})
    body = {"email": "ada@example.test", "password": "abc"}
    with auth.http() as client:
        new = client.post("/signup", json=body).json()
        del client.headers["x-supabase-api-version"]
        old = client.post("/signup", json=body).json()
    assert new["weak_password"] == old["weak_password"] == {"reasons": ["length", "characters"]}
    assert (new["code"], old["code"], old["error_code"]) == ("weak_password", 422, "weak_password")
    assert "Password should be at least 8 characters." in old["msg"]


def test_switches_of_the_configuration(start_auth: StartAuth) -> None:
    wish = {"email": "ada@example.test", "password": PASSWORD}
    closed = start_auth({"enable_signup": False})
    with closed.http() as client:
        signed_up, anonymous = client.post("/signup", json=wish), client.post("/signup", json={})
        otp = client.post("/otp", json={"email": "new@example.test"})
    assert error(signed_up) == (422, "signup_disabled", "Signups not allowed for this instance")
    assert error(anonymous)[:2] == error(otp)[:2] == (422, "signup_disabled")
    without = start_auth({"enable_anonymous_sign_ins": False, "email": {"enable_signup": False}})
    with without.http() as client:
        assert error(client.post("/signup", json={})) == (
            422,
            "anonymous_provider_disabled",
            "Anonymous sign-ins are disabled",
        )
        assert error(client.post("/signup", json=wish))[:2] == (400, "email_provider_disabled")
        assert error(client.post("/token?grant_type=password", json=wish))[:2] == (
            422,
            "email_provider_disabled",
        )
        assert error(client.post("/recover", json=wish))[:2] == (400, "email_provider_disabled")


def test_an_anonymous_user_has_no_address_and_says_so(auth: AuthServer) -> None:
    with auth.http() as client:
        body = client.post("/signup", json={"data": {"theme": "dark"}}).json()
    user = body["user"]
    assert (user["is_anonymous"], user["email"], user["identities"]) == (True, "", [])
    assert (user["app_metadata"], user["user_metadata"]) == ({}, {"theme": "dark"})
    claims = auth.context.verifier.verify(body["access_token"]).claims
    assert claims["is_anonymous"] is True
    assert claims["amr"][0]["method"] == "anonymous"
    (row,) = auth.rows("select email, encrypted_password from auth.users")
    assert row == {"email": None, "encrypted_password": ""}


PROFILES = """
create table public.profiles (
  id uuid primary key references auth.users on delete cascade,
  name text not null
);
create function public.handle_new_user() returns trigger language plpgsql
security definer set search_path = '' as $$ begin
  insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'name');
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users
  for each row execute function public.handle_new_user();
"""


def test_an_apps_trigger_on_users_runs_in_the_sign_up(auth: AuthServer) -> None:
    auth.run_as_postgres(PROFILES)
    user = auth.sign_up(data={"name": "Ada"})["user"]
    assert auth.rows("select id::text, name from public.profiles") == [{"id": user["id"], "name": "Ada"}]
    with auth.admin as admin:
        assert admin.delete(f"/admin/users/{user['id']}").json() == {}
    assert auth.rows("select * from public.profiles") == []


def test_a_failing_trigger_fails_the_sign_up_and_leaves_nothing(auth: AuthServer) -> None:
    auth.run_as_postgres(PROFILES)
    wish = {"email": "ada@example.test", "password": PASSWORD}
    with auth.http() as client:
        refused = client.post("/signup", json=wish)
        anonymous = client.post("/signup", json={"data": {}})
        del client.headers["x-supabase-api-version"]
        old = client.post("/signup", json=wish)
    assert error(refused) == (500, "unexpected_failure", "Database error saving new user")
    assert error(anonymous) == (500, "unexpected_failure", "Database error saving new user")
    # Clients of the first version are shown a constraint's or a trigger's own words.
    assert (old.status_code, old.json()["code"]) == (500, "23502")
    assert auth.rows("select id from auth.users") == []
    assert auth.rows("select id from auth.audit_log_entries") == []


def test_a_trigger_may_choose_the_status_of_its_refusal(auth: AuthServer) -> None:
    auth.run_as_postgres("""
        create function public.refuse() returns trigger language plpgsql as $$ begin
          raise sqlstate 'PT403' using message = 'by invitation only', hint = 'ask us';
        end $$;
        create trigger refuse before insert on auth.users for each row execute function public.refuse();
    """)
    with auth.http() as client:
        wish = {"email": "ada@example.test", "password": PASSWORD}
        assert error(client.post("/signup", json=wish))[1] == "unexpected_failure"
        del client.headers["x-supabase-api-version"]
        old = client.post("/signup", json=wish)
    assert old.status_code == 403
    assert old.json() == {"code": "PT403", "message": "by invitation only", "hint": "ask us"}
