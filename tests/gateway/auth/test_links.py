"""Mails, the links in them, and the codes beside those."""

from __future__ import annotations

import base64
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from .harness import PASSWORD, AuthServer, StartAuth, error

ADA = "ada@example.test"
SITE = "http://127.0.0.1:3000"
EXPIRED_LINK = (403, "otp_expired", "Email link is invalid or has expired")
EXPIRED_CODE = (403, "otp_expired", "Token has expired or is invalid")
VERIFIER = "a" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "s256"}


def click(auth: AuthServer, link: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Where a link leads: the address, its query and its fragment."""
    with auth.http() as client:
        response = client.get(link)
    assert response.status_code == 303, response.text
    location = urlsplit(response.headers["location"])

    def flat(encoded: str) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(encoded, keep_blank_values=True).items()}

    address = location._replace(query="", fragment="").geturl()
    return address, flat(location.query), flat(location.fragment)


def post(auth: AuthServer, path: str, **body: Any) -> httpx.Response:
    with auth.http() as client:
        return client.post(path, json=body)


def test_the_link_of_a_sign_up_confirms_and_signs_in_once(confirming: AuthServer) -> None:
    confirming.sign_up()
    link, _ = confirming.newest(ADA)
    address, query, fragment = click(confirming, link)
    assert (address, query) == (SITE, {})
    assert fragment.keys() == {
        "access_token", "expires_at", "expires_in", "refresh_token", "token_type", "type", "sb",
    }  # fmt: skip
    assert (fragment["type"], fragment["token_type"]) == ("signup", "bearer")
    with confirming.http(fragment["access_token"]) as client:
        user = client.get("/user").json()
    assert user["email_confirmed_at"]
    assert user["user_metadata"]["email_verified"] is True
    assert user["identities"][0]["identity_data"]["email_verified"] is True
    claims = confirming.context.verifier.verify(fragment["access_token"]).claims
    assert claims["amr"][0]["method"] == "otp"
    _, query, fragment = click(confirming, link)
    assert (query, fragment) == (
        {},
        {
            "error": "access_denied",
            "error_code": "otp_expired",
            "error_description": EXPIRED_LINK[2],
            "sb": "",
        },
    )


def test_a_mail_scanner_does_not_use_the_link_up(confirming: AuthServer) -> None:
    confirming.sign_up()
    link, _ = confirming.newest(ADA)
    with confirming.http() as client:
        assert client.head(link).status_code == 405
    assert "access_token" in click(confirming, link)[2]


def test_a_link_that_is_clicked_twice_at_once_works_once(confirming: AuthServer) -> None:
    confirming.sign_up()
    link, _ = confirming.newest(ADA)
    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(lambda _: click(confirming, link)[2], range(6)))
    assert sum("access_token" in outcome for outcome in outcomes) == 1
    assert len(confirming.rows("select id from auth.sessions")) == 1


def test_a_pkce_link_brings_a_code_for_the_client_that_asked(confirming: AuthServer) -> None:
    confirming.sign_up(**PKCE)
    link, _ = confirming.newest(ADA)
    address, query, fragment = click(confirming, link)
    assert (address, fragment) == (SITE, {})
    grant = "/token?grant_type=pkce"
    thief = post(confirming, grant, auth_code=query["code"], code_verifier="b" * 64)
    assert error(thief)[:2] == (400, "bad_code_verifier")
    session = post(confirming, grant, auth_code=query["code"], code_verifier=VERIFIER)
    assert session.status_code == 200, session.text
    claims = confirming.context.verifier.verify(session.json()["access_token"]).claims
    assert claims["amr"][0]["method"] == "email/signup"
    again = post(confirming, grant, auth_code=query["code"], code_verifier=VERIFIER)
    assert error(again)[:2] == (404, "flow_state_not_found")


def test_a_pkce_code_expires_and_errors_are_in_the_query_too(confirming: AuthServer) -> None:
    confirming.sign_up(**PKCE)
    link, _ = confirming.newest(ADA)
    _, query, _ = click(confirming, link)
    confirming.clock.move(minutes=6)
    late = post(confirming, "/token?grant_type=pkce", auth_code=query["code"], code_verifier=VERIFIER)
    assert error(late)[:2] == (422, "flow_state_expired")
    _, query, fragment = click(confirming, link)
    assert query["error_code"] == fragment["error_code"] == "otp_expired"


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_challenge": "short", "code_challenge_method": "s256"},
        {"code_challenge": "ü" * 43, "code_challenge_method": "s256"},
        {"code_challenge": CHALLENGE, "code_challenge_method": "md5"},
        {"code_challenge_method": "s256"},
    ],
)
def test_challenges_that_cannot_be(confirming: AuthServer, wrong: dict[str, str]) -> None:
    assert error(post(confirming, "/otp", email=ADA, **wrong))[:2] == (400, "validation_failed")
    assert error(post(confirming, "/recover", email=ADA, **wrong))[:2] == (400, "validation_failed")


def test_the_code_of_a_mail_does_what_its_link_does(confirming: AuthServer) -> None:
    confirming.sign_up(**PKCE)
    _, code = confirming.newest(ADA)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert error(post(confirming, "/verify", type="signup", email=ADA, token=wrong)) == EXPIRED_CODE
    assert (
        error(post(confirming, "/verify", type="signup", email="x@example.test", token=code)) == EXPIRED_CODE
    )
    assert error(post(confirming, "/verify", type="recovery", email=ADA, token=code)) == EXPIRED_CODE
    session = post(confirming, "/verify", type="email", email=ADA.upper(), token=code)
    assert session.json()["user"]["email_confirmed_at"]
    assert error(post(confirming, "/verify", type="email", email=ADA, token=code)) == EXPIRED_CODE


def test_a_token_hash_from_an_own_template_can_be_posted(confirming: AuthServer) -> None:
    confirming.sign_up()
    hashed = parse_qs(urlsplit(confirming.newest(ADA)[0]).query)["token"][0]
    assert error(post(confirming, "/verify", type="email", token_hash=hashed, email=ADA))[:2] == (
        400,
        "validation_failed",
    )
    assert post(confirming, "/verify", type="email", token_hash=hashed).json()["access_token"]
    assert error(post(confirming, "/verify", type="email", token_hash=hashed)) == EXPIRED_LINK


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"token": "123456", "email": ADA}, 400, "validation_failed"),
        ({"type": "signup"}, 400, "validation_failed"),
        ({"type": "signup", "token": "1", "token_hash": "2"}, 400, "validation_failed"),
        ({"type": "nonsense", "token": "123456", "email": ADA}, 400, "validation_failed"),
        ({"type": "nonsense", "token_hash": "123456"}, 400, "validation_failed"),
        ({"type": "signup", "token": "123456", "email": "no address"}, 422, "validation_failed"),
        ({"type": "signup", "token": "123456"}, 400, "validation_failed"),
        ({"type": "sms", "token": "123456", "phone": "+491701234567"}, 403, "otp_expired"),
        ({"type": "signup", "token": "123456", "email": ADA}, 403, "otp_expired"),
        ({"type": "signup", "token_hash": "x" * 1000}, 403, "otp_expired"),
    ],
)
def test_verifications_that_cannot_be(auth: AuthServer, body: Any, status: int, code: str) -> None:
    assert error(post(auth, "/verify", **body))[:2] == (status, code)


def test_codes_and_links_expire(confirming: AuthServer) -> None:
    confirming.sign_up()
    link, code = confirming.newest(ADA)
    confirming.clock.move(seconds=3601)
    assert error(post(confirming, "/verify", type="signup", email=ADA, token=code)) == EXPIRED_CODE
    assert click(confirming, link)[2]["error_code"] == "otp_expired"


def test_a_magic_link_signs_in_and_makes_new_users_unless_told_not_to(start_auth: StartAuth) -> None:
    auth = start_auth({"email": {"max_frequency": "0s"}})
    body = {"email": "new@example.test", "create_user": False}
    assert error(post(auth, "/otp", **body)) == (422, "otp_disabled", "Signups not allowed for otp")
    assert post(auth, "/otp", email="new@example.test", data={"from": "otp"}).json() == {}
    link, code = auth.newest("new@example.test")
    assert click(auth, link)[2]["type"] == "magiclink"
    assert post(auth, "/otp", **body).json() == {}
    session = post(
        auth, "/verify", type="email", email="new@example.test", token=auth.newest("new@example.test")[1]
    )
    assert session.json()["user"]["user_metadata"]["from"] == "otp"
    assert code not in str(auth.rows("select * from auth.one_time_tokens"))


def test_a_magic_link_for_an_unconfirmed_user_is_a_confirmation(confirming: AuthServer) -> None:
    assert post(confirming, "/otp", email=ADA).json() == {}
    assert click(confirming, confirming.newest(ADA)[0])[2]["type"] == "signup"
    assert post(confirming, "/magiclink", email=ADA, **PKCE).json() == {}
    _, query, _ = click(confirming, confirming.newest(ADA)[0])
    session = post(
        confirming, "/token?grant_type=pkce", auth_code=query["code"], code_verifier=VERIFIER
    ).json()
    assert (
        confirming.context.verifier.verify(session["access_token"]).claims["amr"][0]["method"] == "magiclink"
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/otp", {"phone": "+491701234567"}),
        ("/resend", {"type": "sms", "phone": "+491701234567"}),
        ("/resend", {"type": "phone_change", "phone": "+491701234567"}),
    ],
)
def test_phones_are_off(auth: AuthServer, path: str, body: dict[str, str]) -> None:
    assert error(post(auth, path, **body))[:2] == (400, "phone_provider_disabled")


def test_recovery_ends_in_a_new_password(auth: AuthServer) -> None:
    auth.sign_up()
    assert post(auth, "/recover", email=ADA).json() == {}
    _, _, fragment = click(auth, auth.newest(ADA)[0])
    assert fragment["type"] == "recovery"
    with auth.http(fragment["access_token"]) as client:
        assert client.put("/user", json={"password": "a brand new 2"}).status_code == 200
    grant = "/token?grant_type=password"
    assert post(auth, grant, email=ADA, password="a brand new 2").status_code == 200
    assert error(post(auth, grant, email=ADA, password=PASSWORD))[1] == "invalid_credentials"


def test_nobody_learns_who_is_registered(confirming: AuthServer) -> None:
    confirming.sign_up()
    for path, more in (
        ("/recover", {}),
        ("/resend", {"type": "signup"}),
        ("/resend", {"type": "email_change"}),
    ):
        known, unknown = (
            post(confirming, path, email=email, **more) for email in (ADA, "nobody@example.test")
        )
        assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (200, {})
    assert confirming.mails("nobody@example.test") == []


def test_resend_sends_another_mail_and_the_older_one_is_void(confirming: AuthServer) -> None:
    confirming.sign_up()
    old, _ = confirming.newest(ADA)
    assert post(confirming, "/resend", type="signup", email=ADA).json() == {}
    assert click(confirming, old)[2]["error_code"] == "otp_expired"
    assert "access_token" in click(confirming, confirming.newest(ADA)[0])[2]
    post(confirming, "/resend", type="signup", email=ADA)
    assert len(confirming.mails(ADA)) == 2
    assert error(post(confirming, "/resend", type="invite", email=ADA))[:2] == (400, "validation_failed")


def test_mails_keep_their_distance(start_auth: StartAuth) -> None:
    auth = start_auth({"email": {"max_frequency": "1m"}})
    auth.sign_up()
    assert post(auth, "/recover", email=ADA).status_code == 200
    status, code, message = error(post(auth, "/recover", email=ADA))
    assert (status, code) == (429, "over_email_send_rate_limit")
    waited = re.fullmatch(r"For security purposes, you can only request this after (\d+) seconds\.", message)
    assert waited is not None
    assert 1 <= int(waited[1]) <= 60
    assert len(auth.mails(ADA)) == 1
    auth.clock.move(seconds=61)
    assert post(auth, "/recover", email=ADA).status_code == 200


def test_a_mail_is_only_sent_when_its_token_was_kept(auth: AuthServer) -> None:
    auth.sign_up()
    auth.run_as_postgres("""
        create function public.refuse() returns trigger language plpgsql as $$ begin
          raise 'no'; end $$;
        create trigger refuse before update on auth.users for each row
          when (new.recovery_token <> '') execute function public.refuse();
    """)
    assert error(post(auth, "/recover", email=ADA))[:2] == (500, "unexpected_failure")
    assert auth.mails(ADA) == []
    assert auth.rows("select * from auth.one_time_tokens") == []


def test_links_lead_only_where_the_configuration_allows(start_auth: StartAuth) -> None:
    auth = start_auth(
        {
            "site_url": "https://app.example.test",
            "additional_redirect_urls": ["https://*.preview.example.test/**", "myapp://callback"],
            "email": {"max_frequency": "0s"},
        }
    )
    auth.sign_up()

    def target(redirect_to: str, **headers: str) -> str:
        with auth.http(**headers) as client:
            client.post("/recover", params={"redirect_to": redirect_to}, json={"email": ADA})
        return click(auth, auth.newest(ADA)[0])[0]

    assert target("https://app.example.test/welcome") == "https://app.example.test/welcome"
    assert target("https://pr-7.preview.example.test/a/b") == "https://pr-7.preview.example.test/a/b"
    assert target("myapp://callback") == "myapp://callback"
    for evil in (
        "https://evil.test/",
        "https://app.example.test@evil.test/",
        "https://evil.test\\@app.example.test/",
        "//evil.test",
        "javascript:alert(1)",
    ):
        assert target(evil) == "https://app.example.test"
    assert target("", Referer="https://app.example.test/from") == "https://app.example.test/from"
    # The link itself cannot be bent either.
    with auth.http() as client:
        client.post("/recover", json={"email": ADA})
    link, _ = auth.newest(ADA)
    bent = link.partition("&redirect_to=")[0] + "&redirect_to=https%3A%2F%2Fevil.test%2F"
    assert click(auth, bent)[0] == "https://app.example.test"


def test_a_link_without_type_or_token_is_refused(auth: AuthServer) -> None:
    with auth.http() as client:
        assert error(client.get("/verify?token=x"))[:2] == (400, "validation_failed")
        assert error(client.get("/verify?type=signup"))[:2] == (400, "validation_failed")
        assert client.get("/verify?type=nonsense&token=x").headers["location"].startswith(SITE)


def test_a_projects_own_templates_are_used(start_auth: StartAuth, tmp_path: Any) -> None:
    own = tmp_path / "recovery.html"
    own.write_text(
        "<p>Hi {{ .Data.name }}</p>"
        '<a href="{{ .SiteURL }}/confirm?hash={{ .TokenHash }}&type=recovery">Go</a>'
        "{{ if .NewEmail }}no{{ else }}<b>{{ .Token }}</b>{{ end }}"
    )
    broken = tmp_path / "magic.html"
    broken.write_text("{{ range .Data }}x{{ end }}")
    templates = {
        "recovery": {"subject": "Reset {{ .Email }}", "content_path": str(own)},
        "magic_link": {"content_path": str(broken)},
    }
    auth = start_auth({"email": {"template": templates, "max_frequency": "0s"}})
    auth.sign_up(data={"name": "<Ada>"})
    post(auth, "/recover", email=ADA)
    letter = auth.mails(ADA)[0]
    (row,) = auth.rows("select token_hash from auth.one_time_tokens")
    assert letter.subject == f"Reset {ADA}"
    assert "Hi &lt;Ada&gt;" in letter.html
    assert f"{SITE}/confirm?hash={row['token_hash']}&type=recovery" in letter.html
    assert "Hi <Ada>" in letter.text
    # What is not understood falls back to the default words.
    post(auth, "/otp", email=ADA)
    assert auth.mails(ADA)[0].subject == "Your sign-in link"
    assert auth.newest(ADA)[0].startswith(auth.url)
