"""A signed-in user's own account."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headway.local.keys import SigningKey, StackKeys

from .harness import PASSWORD, AuthServer, StartAuth, error

ADA = "ada@example.test"


def put(auth: AuthServer, session: dict[str, Any], **body: Any) -> httpx.Response:
    with auth.http(session["access_token"]) as client:
        return client.put("/user", json=body)


def sign_in(auth: AuthServer, email: str = ADA, password: str = PASSWORD) -> httpx.Response:
    with auth.http() as client:
        return client.post("/token?grant_type=password", json={"email": email, "password": password})


def anonymous(auth: AuthServer, **data: Any) -> Any:
    with auth.http() as client:
        return client.post("/signup", json={"data": data}).json()


def click(auth: AuthServer, to: str) -> httpx.Response:
    with auth.http() as client:
        return client.get(auth.newest(to)[0])


def test_metadata_is_merged_by_key_and_null_removes(auth: AuthServer) -> None:
    session = auth.sign_up(data={"theme": "dark", "keep": {"a": 1}})
    assert put(auth, session, data={"theme": None, "lang": "de"}).status_code == 200
    with auth.http(session["access_token"]) as client:
        metadata = client.get("/user").json()["user_metadata"]
    assert {key: metadata.get(key) for key in ("theme", "lang", "keep")} == {
        "theme": None,
        "lang": "de",
        "keep": {"a": 1},
    }


def test_app_metadata_is_the_administrators(auth: AuthServer) -> None:
    refused = put(auth, auth.sign_up(), app_metadata={"role": "admin"})
    assert error(refused) == (403, "not_admin", "Updating app_metadata requires admin privileges")


def test_a_new_password_ends_the_other_sessions(auth: AuthServer) -> None:
    session = auth.sign_up()
    other = sign_in(auth).json()
    assert error(put(auth, session, password=PASSWORD)) == (
        422,
        "same_password",
        "New password should be different from the old password.",
    )
    assert error(put(auth, session, password="abc"))[:2] == (422, "weak_password")
    assert put(auth, session, password="another one 2").status_code == 200
    assert put(auth, session, data={"still": "here"}).status_code == 200
    assert error(put(auth, other, data={}))[:2] == (403, "session_not_found")
    assert sign_in(auth).status_code == 400
    assert sign_in(auth, password="another one 2").status_code == 200


def test_an_anonymous_user_becomes_a_real_one_at_once_when_addresses_need_no_confirmation(
    auth: AuthServer,
) -> None:
    session = anonymous(auth, theme="dark")
    refused = put(auth, session, password=PASSWORD)
    assert error(refused)[:2] == (422, "validation_failed")
    user = put(auth, session, email="Ada@example.test", password=PASSWORD).json()
    assert user["id"] == session["user"]["id"]
    assert (user["email"], user["is_anonymous"]) == (ADA, False)
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert user["user_metadata"] == {"theme": "dark", "email_verified": True}
    assert user["identities"][0]["identity_data"]["email_verified"] is True
    assert sign_in(auth).json()["user"]["id"] == user["id"]
    with auth.http() as client:
        renewed = client.post(
            "/token?grant_type=refresh_token", json={"refresh_token": session["refresh_token"]}
        ).json()
    assert auth.context.verifier.verify(renewed["access_token"]).claims["is_anonymous"] is False


def test_an_anonymous_user_becomes_a_real_one_by_a_mail_otherwise(confirming: AuthServer) -> None:
    session = anonymous(confirming)
    pending = put(confirming, session, email=ADA).json()
    assert (pending["is_anonymous"], pending["email"], pending["new_email"]) == (True, "", ADA)
    assert "access_token" in click(confirming, ADA).headers["location"]
    with confirming.http(session["access_token"]) as client:
        user = client.get("/user").json()
    assert (user["is_anonymous"], user["email"]) == (False, ADA)
    assert put(confirming, session, password=PASSWORD).status_code == 200
    assert sign_in(confirming).status_code == 200


def test_somebody_elses_address_is_refused(auth: AuthServer) -> None:
    auth.sign_up()
    for session in (auth.sign_up("bob@example.test"), anonymous(auth)):
        assert error(put(auth, session, email=ADA)) == (
            422,
            "email_exists",
            "A user with this email address has already been registered",
        )


def test_an_address_that_was_taken_meanwhile_cannot_be_confirmed(confirming: AuthServer) -> None:
    put(confirming, anonymous(confirming), email=ADA)
    with confirming.admin as admin:
        admin.post("/admin/users", json={"email": ADA, "email_confirm": True})
    assert "error_code=email_exists" in click(confirming, ADA).headers["location"]
    _, code = confirming.newest(ADA)
    with confirming.http() as client:
        posted = client.post("/verify", json={"type": "email_change", "email": ADA, "token": code})
    assert error(posted)[:2] == (422, "email_exists")


def signed_in_confirmed(auth: AuthServer) -> Any:
    auth.sign_up()
    click(auth, ADA)
    return sign_in(auth).json()


def test_a_change_of_address_needs_both_addresses(confirming: AuthServer) -> None:
    session = signed_in_confirmed(confirming)
    pending = put(confirming, session, email="new@example.test").json()
    assert (pending["email"], pending["new_email"]) == (ADA, "new@example.test")
    first = click(confirming, "new@example.test").headers["location"]
    assert "message=Confirmation+link+accepted" in first
    assert "access_token" not in first
    with confirming.http(session["access_token"]) as client:
        assert client.get("/user").json()["email"] == ADA
    second = click(confirming, ADA).headers["location"]
    assert "type=email_change" in second
    with confirming.http(session["access_token"]) as client:
        user = client.get("/user").json()
    assert (user["email"], "new_email" in user) == ("new@example.test", False)
    assert user["identities"][0]["email"] == "new@example.test"
    assert sign_in(confirming, "new@example.test").status_code == 200


def test_a_change_of_address_by_codes(confirming: AuthServer) -> None:
    session = signed_in_confirmed(confirming)
    put(confirming, session, email="new@example.test")
    _, old_code = confirming.newest(ADA)
    _, new_code = confirming.newest("new@example.test")
    with confirming.http() as client:
        half = client.post("/verify", json={"type": "email_change", "email": ADA, "token": old_code})
        assert half.json()["code"] == "200"
        again = client.post("/verify", json={"type": "email_change", "email": ADA, "token": old_code})
        assert error(again)[1] == "otp_expired"
        done = client.post(
            "/verify", json={"type": "email_change", "email": "new@example.test", "token": new_code}
        )
    assert done.json()["user"]["email"] == "new@example.test"


def test_a_change_of_address_by_one_mail_if_so_configured(start_auth: StartAuth) -> None:
    auth = start_auth({"email": {"double_confirm_changes": False}})
    session = auth.sign_up()
    put(auth, session, email="new@example.test")
    assert auth.mails(ADA) == []
    click(auth, "new@example.test")
    assert sign_in(auth, "new@example.test").status_code == 200


def test_a_new_password_may_ask_for_proof_of_presence(start_auth: StartAuth) -> None:
    auth = start_auth({"email": {"secure_password_change": True}, "jwt_expiry": 604800})
    session = auth.sign_up()
    assert put(auth, session, password="fresh session 1").status_code == 200
    auth.clock.move(hours=25)
    assert error(put(auth, session, password="another one 2"))[:2] == (400, "reauthentication_needed")
    with auth.http(session["access_token"]) as client:
        assert client.get("/reauthenticate").json() == {}
    _, code = auth.newest(ADA)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert error(put(auth, session, password="another one 2", nonce=wrong)) == (
        422,
        "reauthentication_not_valid",
        "Nonce has expired or is invalid",
    )
    assert put(auth, session, password="another one 2", nonce=code).status_code == 200
    again = put(auth, session, password="and another 3", nonce=code)
    assert error(again)[1] == "reauthentication_not_valid"


def test_reauthentication_needs_a_confirmed_address(confirming: AuthServer) -> None:
    with confirming.http(anonymous(confirming)["access_token"]) as client:
        assert error(client.get("/reauthenticate"))[:2] == (400, "validation_failed")


def test_a_way_to_sign_in_can_be_taken_away_while_another_is_left(start_auth: StartAuth) -> None:
    auth = start_auth({"enable_manual_linking": True})
    session = auth.sign_up()
    identity = session["user"]["identities"][0]["identity_id"]
    auth.rows(
        "insert into auth.identities (provider_id, user_id, identity_data, provider) values"
        """ ('gh1', %s, '{"sub": "gh1", "email": "hub@example.test", "email_verified": true}', 'github')""",
        session["user"]["id"],
    )
    with auth.http(session["access_token"]) as client:
        assert error(client.delete("/user/identities/not-a-uuid"))[:2] == (404, "validation_failed")
        assert error(client.delete(f"/user/identities/{session['user']['id']}"))[:2] == (
            422,
            "identity_not_found",
        )
        assert client.delete(f"/user/identities/{identity}").json() == {}
        user = client.get("/user").json()
        (left,) = user["identities"]
        last = client.delete(f"/user/identities/{left['identity_id']}")
    assert (user["email"], user["app_metadata"]["providers"]) == ("hub@example.test", ["github"])
    assert error(last)[:2] == (422, "single_identity_not_deletable")


def test_a_phone_number_cannot_be_set(auth: AuthServer) -> None:
    assert error(put(auth, auth.sign_up(), phone="+491701234567"))[:2] == (400, "phone_provider_disabled")


def signed_with_the_public_key(claims: dict[str, Any], key: SigningKey) -> str:
    """The classic confusion of algorithms; by hand, since PyJWT will not make such a token."""
    pem = key.private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def encoded(part: bytes) -> bytes:
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    header = json.dumps({"alg": "HS256", "typ": "JWT", "kid": key.kid}).encode()
    signing_input = encoded(header) + b"." + encoded(json.dumps(claims).encode())
    signature = hmac.new(pem, signing_input, "sha256").digest()
    return (signing_input + b"." + encoded(signature)).decode()


def test_tokens_that_prove_nothing(auth: AuthServer) -> None:
    session = auth.sign_up()
    claims = dict(auth.context.verifier.verify(session["access_token"]).claims)
    own, secret = auth.keys.signing_key, auth.keys.jwt_secret
    now = int(time.time())

    def signed(changes: dict[str, Any], key: Any = secret, algorithm: str = "HS256", **headers: Any) -> str:
        body = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(body, key, algorithm=algorithm, headers=headers or None)

    stranger = StackKeys.generate().signing_key
    bad_jwt = {
        "none": jwt.encode(claims, None, algorithm="none"),
        "other secret": signed({}, "x" * 40),
        "public key as secret": signed_with_the_public_key(claims, own),
        "stranger's key": signed({}, stranger.private_key(), "ES256", kid=own.kid),
        "unknown key": signed({}, stranger.private_key(), "ES256", kid=stranger.kid),
        "expired": signed({"exp": now - 1}),
        "from the future": signed({"iat": now + 3600}),
        "tampered": session["access_token"][:-4] + "AAAA",
        "not a token": "abc",
        "subject": signed({"sub": None}),
        "session id": signed({"session_id": "1"}),
        "service role": auth.keys.service_role_key,
        "anon": auth.keys.anon_key,
    }
    with auth.http() as client:
        for name, token in bad_jwt.items():
            client.headers["authorization"] = f"Bearer {token}"
            status, code, message = error(client.get("/user"))
            assert (status, code) == (403, "bad_jwt"), name
            assert token not in message
        for header in ("", "Basic YTpi", "Bearer", "Bearer a b"):
            client.headers["authorization"] = header
            assert error(client.get("/user")) == (
                401,
                "no_authorization",
                "This endpoint requires a valid Bearer token",
            )
        client.headers["authorization"] = f"Bearer {signed({'aud': 'somebody-else'})}"
        assert error(client.get("/user"))[:2] == (400, "validation_failed")
        client.headers["authorization"] = f"Bearer {signed({'sub': 'x'})}"
        assert error(client.get("/user"))[:2] == (400, "bad_jwt")
        # The control: the same claims under the right secret are fine.
        client.headers["authorization"] = f"Bearer {signed({})}"
        assert client.get("/user").status_code == 200
        assert error(client.get("/user", headers={"X-JWT-AUD": "other"}))[:2] == (400, "validation_failed")


def test_the_service_key_has_no_user(auth: AuthServer) -> None:
    with auth.admin as client:
        assert error(client.get("/user")) == (403, "bad_jwt", "invalid claim: missing sub claim")


@pytest.mark.parametrize("gone", ["user", "session"])
def test_a_token_outlives_neither_user_nor_session(auth: AuthServer, gone: str) -> None:
    session = auth.sign_up()
    auth.rows("delete from auth.users" if gone == "user" else "delete from auth.sessions")
    with auth.http(session["access_token"]) as client:
        assert error(client.get("/user"))[:2] == (403, f"{gone}_not_found")


def test_a_session_of_somebody_else_is_no_session(auth: AuthServer) -> None:
    ada, bob = auth.sign_up(), auth.sign_up("bob@example.test")
    claims = dict(auth.context.verifier.verify(ada["access_token"]).claims)
    claims["session_id"] = auth.context.verifier.verify(bob["access_token"]).claims["session_id"]
    with auth.http(jwt.encode(claims, auth.keys.jwt_secret)) as client:
        assert error(client.get("/user"))[:2] == (403, "session_not_found")
