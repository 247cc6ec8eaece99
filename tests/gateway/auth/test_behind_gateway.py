"""Auth as part of the whole stack: keys, sizes, open paths and the inbox's port."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from supabase import Client, create_client
from supabase.lib.client_options import SyncClientOptions

from support.stack import TestStack

from .harness import PASSWORD, VERSIONED


def address() -> str:
    return f"{secrets.token_hex(6)}@example.test"


@contextmanager
def connected(stack: TestStack, key: str, flow: Any = "pkce") -> Iterator[Client]:
    client = create_client(stack.url, key, SyncClientOptions(auto_refresh_token=False, flow_type=flow))
    try:
        yield client
    finally:
        client.auth.close()


def test_new_and_legacy_keys_serve_the_official_client(stack: TestStack) -> None:
    keys = stack.keys
    for public, secret in ((keys.publishable_key, keys.secret_key), (keys.anon_key, keys.service_role_key)):
        with connected(stack, public) as client, connected(stack, secret) as admin:
            wish: Any = {"email": address(), "password": PASSWORD}
            user = client.auth.sign_up(wish).user
            assert user is not None
            assert admin.auth.admin.get_user_by_id(user.id).user.email == wish["email"]
            claims = client.auth.get_claims()
            assert claims is not None
            assert claims["claims"]["iss"] == f"{stack.url}/auth/v1"
            client.auth.sign_out()
            admin.auth.admin.delete_user(user.id)


def test_a_link_of_a_mail_needs_no_key(stack: TestStack) -> None:
    email = address()
    with connected(stack, stack.keys.publishable_key, "implicit") as client:
        client.auth.sign_in_with_otp({"email": email})
    inbox = httpx.get(f"{stack.inbox_url}/api/v1/search", params={"query": f"to:{email}"}).json()
    message = httpx.get(f"{stack.inbox_url}/api/v1/message/{inbox['messages'][0]['ID']}").json()
    link = next(word for word in message["Text"].split() if word.startswith(stack.url))
    response = httpx.get(link)
    assert response.status_code == 303
    assert parse_qs(urlsplit(response.headers["location"]).fragment)["access_token"]


def test_the_secret_key_is_nobody(stack: TestStack) -> None:
    headers = {"apikey": stack.keys.secret_key, **VERSIONED}
    response = httpx.get(f"{stack.url}/auth/v1/user", headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "bad_jwt")
    assert response.json()["message"] == "invalid claim: missing sub claim"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused_before_it_is_read(stack: TestStack, chunked: bool) -> None:
    body = b"x" * (2 << 20)
    content: Any = iter([body]) if chunked else body
    headers = {"apikey": stack.keys.publishable_key}
    response = httpx.post(f"{stack.url}/auth/v1/signup", content=content, headers=headers)
    assert response.status_code == 413
