"""The limits of config.toml, when they are switched on."""

from __future__ import annotations

from .harness import PASSWORD, AuthServer, StartAuth, error

LIMITS = {
    "rate_limit": {
        "email_sent": 1,
        "anonymous_users": 1,
        "token_refresh": 2,
        "sign_in_sign_ups": 3,
        "token_verifications": 1,
    },
    "email": {"max_frequency": "0s"},
}
TOO_MANY = (429, "over_request_rate_limit", "Request rate limit reached")


def test_they_are_off_by_default(start_auth: StartAuth) -> None:
    auth = start_auth(LIMITS)
    with auth.http() as client:
        assert {client.post("/signup", json={}).status_code for _ in range(4)} == {200}


def test_each_limit_is_kept_and_recovers(start_auth: StartAuth) -> None:
    auth = start_auth(LIMITS, settings={"rate_limits": True})
    auth.sign_up()
    sign_in = {"email": "ada@example.test", "password": PASSWORD}
    with auth.http() as client:
        assert client.post("/signup", json={}).status_code == 200
        assert error(client.post("/signup", json={})) == TOO_MANY
        for expected in (200, 200, 429):
            assert client.post("/token?grant_type=password", json=sign_in).status_code == expected
        assert error(client.get("/verify?type=signup"))[0] == 400
        assert error(client.get("/verify?type=signup")) == TOO_MANY
        assert client.post("/recover", json=sign_in).status_code == 200
        assert error(client.post("/recover", json=sign_in)) == (
            429,
            "over_email_send_rate_limit",
            "email rate limit exceeded",
        )
        assert error(client.post("/recover", json=sign_in)) == TOO_MANY
        # An address that is spelled into a header is not another caller.
        spoofed = client.post("/recover", json=sign_in, headers={"X-Forwarded-For": "203.0.113.7"})
        assert error(spoofed) == TOO_MANY
        auth.clock.move(minutes=3)
        assert client.post("/token?grant_type=password", json=sign_in).status_code == 200
        auth.clock.move(hours=1)
        assert client.post("/signup", json={}).status_code == 200
        assert client.post("/recover", json=sign_in).status_code == 200


def test_a_mail_over_the_limit_leaves_no_user(start_auth: StartAuth) -> None:
    auth: AuthServer = start_auth(
        {**LIMITS, "email": {"enable_confirmations": True}}, settings={"rate_limits": True}
    )
    auth.sign_up()
    with auth.http() as client:
        refused = client.post("/signup", json={"email": "bob@example.test", "password": PASSWORD})
    assert error(refused)[1] == "over_email_send_rate_limit"
    assert [row["email"] for row in auth.rows("select email from auth.users")] == ["ada@example.test"]
