"""Whatever is sent, the answer is a clear one and never a failure of ours."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.local.auth.app import _ROUTES

from .harness import VERSIONED, AuthServer

KNOWN = "00000000-0000-0000-0000-00000000000a"
NAMES = [
    "email",
    "phone",
    "password",
    "data",
    "type",
    "token",
    "token_hash",
    "redirect_to",
    "refresh_token",
    "auth_code",
    "code_verifier",
    "code_challenge",
    "code_challenge_method",
    "create_user",
    "channel",
    "nonce",
    "app_metadata",
    "user_metadata",
    "role",
    "ban_duration",
    "email_confirm",
    "phone_confirm",
    "password_hash",
    "id",
    "aud",
    "new_email",
    "should_soft_delete",
    "provider",
    "id_token",
    "issuer",
    "chain",
    "factor_type",
]
TELLING = [
    "", "signup", "invite", "recovery", "magiclink", "email_change", "email", "ada@example.test", "a@b.test",
    "correct horse 1", "123456", "plain", "s256", "a" * 43, "1h", "none", "service_role", "\x00", "é",
    "'; --", KNOWN, "pkce_" + "0" * 56, "abcdefghijkl", "$2b$04$" + "a" * 53,
]  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(TELLING),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ROUTES = [(method, path) for methods, path, _ in _ROUTES for method in methods.split("|")]


@pytest.fixture
def tokens(auth: AuthServer) -> list[str]:
    """Everybody who might ask; the admin's wishes are the deepest."""
    user = auth.sign_up()["access_token"]
    with auth.admin as admin:
        admin.post(
            "/admin/users", json={"id": KNOWN, "email": "bob@example.test", "password": "correct horse 1"}
        )
    return ["", auth.keys.anon_key, user, auth.keys.service_role_key, auth.keys.service_role_key]


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    route=st.sampled_from(ROUTES),
    fields=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6),
    query=st.dictionaries(
        st.sampled_from(["grant_type", "scope", "page", "per_page", "sort", "filter", "query", *NAMES]),
        st.sampled_from(["password", "refresh_token", "pkce", "global", "1", "-1", *TELLING]) | st.text(),
        max_size=4,
    ),
    who=st.integers(0, 4),
    segment=st.sampled_from([KNOWN, "me", "%00", "..", "a b"]),
)
def test_no_request_makes_it_fail(
    auth: AuthServer,
    tokens: list[str],
    route: tuple[str, str],
    fields: dict[str, Any],
    query: dict[str, str],
    who: int,
    segment: str,
) -> None:
    method, path = route
    for parameter in ("{user_id}", "{factor_id}", "{identity_id}", "{idp_id}", "{action}"):
        path = path.replace(parameter, segment)
    path = path.replace("{rest:path}", "/x")
    headers = {**VERSIONED, **({"Authorization": f"Bearer {tokens[who]}"} if tokens[who] else {})}

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(auth.service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://auth") as client:
            return await client.request(
                method,
                path,
                params={name: value.encode("utf-8", "replace") for name, value in query.items()},
                content=json.dumps(fields),
                headers=headers,
            )

    response: httpx.Response = auth.run(ask())
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        body = response.json()
        assert response.headers["x-sb-error-code"]
        assert "error" in body or (body["code"] and body["message"])
