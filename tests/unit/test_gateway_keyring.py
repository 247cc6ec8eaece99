"""Which keys open the gateway, and what the services see of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.gateway.access_log import redact_query
from headway.local.gateway.keyring import KeyRefused, KeyRing
from headway.local.gateway.routes import find_route
from headway.local.keys import StackKeys

KEYS = StackKeys.generate()
RING = KeyRing(KEYS)


@pytest.mark.parametrize(
    ("key", "token"),
    [
        (KEYS.publishable_key, KEYS.anon_key),
        (KEYS.secret_key, KEYS.service_role_key),
        (KEYS.anon_key, KEYS.anon_key),
        (KEYS.service_role_key, KEYS.service_role_key),
    ],
    # Keys are random, and test processes must agree on the tests' names.
    ids=["publishable", "secret", "anon", "service_role"],
)
def test_each_key_stands_for_its_roles_jwt_with_or_without_itself_as_bearer(key: str, token: str) -> None:
    assert RING.authorization("", key) == f"Bearer {token}"
    assert RING.authorization(f"Bearer {key}", key) == f"Bearer {token}"
    assert RING.authorization(f"bearer {key}", key) == f"Bearer {token}"


def test_a_users_token_is_kept_whatever_the_key() -> None:
    for key in (KEYS.publishable_key, KEYS.anon_key, KEYS.secret_key):
        assert RING.authorization("Bearer a.b.c", key) == "Bearer a.b.c"


def test_another_scheme_is_no_users_token() -> None:
    assert RING.authorization("Basic dXNlcjpwdw==", KEYS.publishable_key) == f"Bearer {KEYS.anon_key}"


@pytest.mark.parametrize(
    ("authorization", "key", "message"),
    [
        ("", "", "No API key found in request"),
        ("Bearer a.b.c", "", "No API key found in request"),
        ("", "sb_secret_guess", "Invalid API key"),
        ("", KEYS.anon_key[:-2], "Invalid API key"),
        (f"Bearer {KEYS.secret_key}", KEYS.publishable_key, "Invalid API key"),
        ("Bearer sb_secret_guess", KEYS.publishable_key, "Invalid API key"),
    ],
    ids=["nothing", "only a bearer", "a guess", "a cut key", "another key as bearer", "a guess as bearer"],
)
def test_what_is_no_key_of_the_stack_is_refused(authorization: str, key: str, message: str) -> None:
    with pytest.raises(KeyRefused) as refusal:
        RING.authorization(authorization, key)
    assert refusal.value.message == message
    assert KEYS.secret_key not in refusal.value.hint


def test_a_secret_key_is_refused_to_browsers() -> None:
    browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
    with pytest.raises(KeyRefused, match="browser"):
        RING.jwt_for(KEYS.secret_key, user_agent=browser)
    assert RING.jwt_for(KEYS.publishable_key, user_agent=browser) == KEYS.anon_key
    assert RING.jwt_for(KEYS.secret_key, user_agent="python-httpx/0.28") == KEYS.service_role_key


@given(st.text())
def test_no_text_opens_the_gateway(text: str) -> None:
    with pytest.raises(KeyRefused):
        RING.jwt_for(text)


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/rest/v1", "rest"),
        ("/rest/v1/", "rest"),
        ("/rest/v1/jobs", "rest"),
        ("/auth/v1/user", "auth"),
        ("/storage/v1/object/a/b", "storage"),
        ("/realtime/v1/websocket", "realtime"),
        ("/rest/v10", None),
        ("/rest/v1x/jobs", None),
        ("/REST/v1/jobs", None),
        ("//rest/v1/jobs", None),
        ("/", None),
        ("", None),
    ],
)
def test_a_prefix_belongs_to_one_service(path: str, service: str | None) -> None:
    route = find_route(path)
    assert (route.service if route else None) == service


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("select=id&apikey=sb_secret_x&order=id", "select=id&apikey=***&order=id"),
        ("token=abc.def", "token=***"),
        ("token_hash=abc&type=email", "token_hash=***&type=email"),
        ("access_token=a&refresh_token=b", "access_token=***&refresh_token=***"),
        ("APIKEY=x", "APIKEY=***"),
        ("code=123", "code=***"),
        ("name=eq.token", "name=eq.token"),
        ("", ""),
    ],
)
def test_the_access_log_hides_credentials_in_urls(query: str, shown: str) -> None:
    assert redact_query(query) == shown
