"""The official Python client, asynchronous and synchronous, against Auth: every feature that is on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from supabase import AsyncClient, Client, create_async_client, create_client
from supabase.lib.client_options import AsyncClientOptions, SyncClientOptions
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from .harness import PASSWORD, AuthServer

ADA = "ada@example.test"
Credentials = dict[str, str]
WISH: Any = {"email": ADA, "password": PASSWORD}


def follow(link: str) -> str:
    """Where a mail's link leads the browser."""
    return httpx.get(link, follow_redirects=False).headers["location"]


async def connect(auth: AuthServer, key: str | None = None, flow: str = "pkce") -> AsyncClient:
    options = AsyncClientOptions(auto_refresh_token=False, flow_type=flow)  # type: ignore[arg-type]
    return await create_async_client(auth.url, key or auth.keys.anon_key, options)


@pytest.fixture
async def client(auth: AuthServer) -> AsyncIterator[AsyncClient]:
    client = await connect(auth)
    yield client
    await client.auth.close()


@pytest.fixture
async def careful(confirming: AuthServer) -> AsyncIterator[AsyncClient]:
    client = await connect(confirming)
    yield client
    await client.auth.close()


@pytest.fixture
async def admin(auth: AuthServer) -> AsyncIterator[AsyncClient]:
    client = await connect(auth, auth.keys.service_role_key)
    yield client
    await client.auth.close()


async def refused(call: Any) -> tuple[int, str | None]:
    with pytest.raises(AuthApiError) as caught:
        await call
    return caught.value.status, caught.value.code


async def test_sign_up_in_and_out(client: AsyncClient) -> None:
    events: list[str] = []
    client.auth.on_auth_state_change(lambda event, _: events.append(event))
    signed_up = await client.auth.sign_up({**WISH, "options": {"data": {"name": "Ada"}}})
    assert signed_up.user is not None
    assert signed_up.session is not None
    assert signed_up.user.user_metadata["name"] == "Ada"
    await client.auth.sign_out()
    assert await client.auth.get_session() is None
    signed_in = await client.auth.sign_in_with_password(WISH)
    assert signed_in.user is not None
    assert signed_in.user.id == signed_up.user.id
    assert events == ["SIGNED_IN", "SIGNED_OUT", "SIGNED_IN"]
    assert await refused(client.auth.sign_up(WISH)) == (422, "user_already_exists")
    wrong: Any = {**WISH, "password": "wrong"}
    assert await refused(client.auth.sign_in_with_password(wrong)) == (400, "invalid_credentials")


async def test_a_weak_password_is_its_own_error(client: AsyncClient) -> None:
    weak: Any = {"email": ADA, "password": "abc"}
    with pytest.raises(AuthWeakPasswordError) as caught:
        await client.auth.sign_up(weak)
    assert caught.value.reasons == ["length"]


async def test_claims_are_verified_with_the_published_keys(client: AsyncClient) -> None:
    session = (await client.auth.sign_up(WISH)).session
    claims = await client.auth.get_claims()
    assert session is not None
    assert claims is not None
    assert claims["claims"]["email"] == ADA
    assert claims["headers"]["alg"] == "ES256"


async def test_sessions_are_refreshed_and_restored(client: AsyncClient, auth: AuthServer) -> None:
    session = (await client.auth.sign_up(WISH)).session
    assert session is not None
    renewed = (await client.auth.refresh_session()).session
    assert renewed is not None
    assert renewed.refresh_token != session.refresh_token
    other = await connect(auth)
    restored = await other.auth.set_session(renewed.access_token, renewed.refresh_token)
    assert restored.user is not None
    assert restored.user.email == ADA
    await other.auth.sign_out({"scope": "others"})
    await other.auth.sign_out({"scope": "local"})
    assert await refused(client.auth.get_user()) == (403, "session_not_found")
    await other.auth.close()


async def test_anonymous_users_become_real(client: AsyncClient) -> None:
    anonymous = (await client.auth.sign_in_anonymously({"options": {"data": {"cart": 1}}})).user
    assert anonymous is not None
    assert anonymous.is_anonymous
    real = (await client.auth.update_user({"email": ADA, "password": PASSWORD})).user
    assert (real.id, real.is_anonymous, real.email) == (anonymous.id, False, ADA)
    await client.auth.sign_out()
    again = await client.auth.sign_in_with_password(WISH)
    assert again.user is not None
    assert again.user.user_metadata["cart"] == 1
    identities = await client.auth.get_user_identities()
    assert [identity.provider for identity in identities.identities] == ["email"]


async def test_a_confirmation_by_pkce_and_by_code(careful: AsyncClient, confirming: AuthServer) -> None:
    pending = await careful.auth.sign_up(
        {**WISH, "options": {"email_redirect_to": "http://127.0.0.1:3000/welcome"}}
    )
    assert pending.session is None
    assert await refused(careful.auth.sign_in_with_password(WISH)) == (400, "email_not_confirmed")
    location = urlsplit(follow(confirming.newest(ADA)[0]))
    assert location.path == "/welcome"
    code = parse_qs(location.query)["code"][0]
    exchange: Any = {"auth_code": code}
    session = await careful.auth.exchange_code_for_session(exchange)
    assert session.user is not None
    assert session.user.email_confirmed_at is not None

    bob: Any = {"email": "bob@example.test", "password": PASSWORD}
    await careful.auth.sign_up(bob)
    await careful.auth.resend({"type": "signup", "email": "bob@example.test"})
    token = confirming.newest("bob@example.test")[1]
    verified = await careful.auth.verify_otp({"email": "bob@example.test", "token": token, "type": "email"})
    assert verified.session is not None
    hidden = await careful.auth.sign_up(bob)
    assert hidden.user is not None
    assert hidden.user.identities == []


async def test_magic_links_recovery_and_token_hashes(confirming: AuthServer) -> None:
    client = await connect(confirming, flow="implicit")
    await client.auth.sign_in_with_otp({"email": ADA, "options": {"data": {"name": "Ada"}}})
    await client.auth.initialize(url=follow(confirming.newest(ADA)[0]))
    user = await client.auth.get_user()
    assert user is not None
    assert user.user.user_metadata["name"] == "Ada"
    await client.auth.reset_password_for_email(ADA)
    token_hash = parse_qs(urlsplit(confirming.newest(ADA)[0]).query)["token"][0]
    recovered = await client.auth.verify_otp({"token_hash": token_hash, "type": "recovery"})
    assert recovered.session is not None
    await client.auth.update_user({"password": "a brand new 2"})
    await client.auth.sign_out()
    new: Any = {"email": ADA, "password": "a brand new 2"}
    assert (await client.auth.sign_in_with_password(new)).session is not None
    unknown: Any = {"email": "nobody@example.test", "options": {"should_create_user": False}}
    assert await refused(client.auth.sign_in_with_otp(unknown)) == (422, "otp_disabled")
    await client.auth.close()


async def test_a_recovery_by_pkce(client: AsyncClient, auth: AuthServer) -> None:
    await client.auth.sign_up(WISH)
    await client.auth.sign_out()
    await client.auth.reset_password_for_email(ADA, {"redirect_to": "http://127.0.0.1:3000/reset"})
    code = parse_qs(urlsplit(follow(auth.newest(ADA)[0])).query)["code"][0]
    exchange: Any = {"auth_code": code}
    assert (await client.auth.exchange_code_for_session(exchange)).session is not None


async def test_a_change_of_address(careful: AsyncClient, confirming: AuthServer) -> None:
    await careful.auth.sign_up(WISH)
    follow(confirming.newest(ADA)[0])
    await careful.auth.sign_in_with_password(WISH)
    await careful.auth.update_user({"email": "new@example.test"})
    half = await careful.auth.verify_otp(
        {"email": ADA, "token": confirming.newest(ADA)[1], "type": "email_change"}
    )
    assert half.session is None
    token = confirming.newest("new@example.test")[1]
    done = await careful.auth.verify_otp(
        {"email": "new@example.test", "token": token, "type": "email_change"}
    )
    assert done.user is not None
    assert done.user.email == "new@example.test"
    await careful.auth.reauthenticate()
    assert confirming.mails("new@example.test")[0].subject == "Your verification code"


async def test_what_is_off_is_an_api_error(client: AsyncClient) -> None:
    await client.auth.sign_up(WISH)
    phone: Any = {"phone": "+491701234567", "password": PASSWORD}
    assert await refused(client.auth.sign_up(phone)) == (400, "phone_provider_disabled")
    enroll: Any = {"factor_type": "totp"}
    assert await refused(client.auth.mfa.enroll(enroll)) == (422, "mfa_totp_enroll_not_enabled")
    sso: Any = {"domain": "example.test"}
    assert await refused(client.auth.sign_in_with_sso(sso)) == (404, "saml_provider_disabled")
    id_token: Any = {"provider": "google", "token": "x"}
    assert await refused(client.auth.sign_in_with_id_token(id_token)) == (400, "provider_disabled")
    assert await refused(client.auth.link_identity({"provider": "github"})) == (
        404,
        "manual_linking_disabled",
    )
    oauth = await client.auth.sign_in_with_oauth({"provider": "github"})
    assert httpx.get(oauth.url).json()["msg"] == "Unsupported provider: provider is not enabled"


async def test_administration(admin: AsyncClient, auth: AuthServer) -> None:
    api = admin.auth.admin
    user_id = str(uuid4())
    created = await api.create_user(
        {"id": user_id, "email": ADA, "password": PASSWORD, "email_confirm": True, "app_metadata": {"a": 1}}
    )
    assert created.user.id == user_id
    invited = await api.invite_user_by_email("bob@example.test", {"data": {"team": "x"}})
    assert invited.user.invited_at is not None
    assert {user.email for user in await api.list_users()} == {ADA, "bob@example.test"}
    assert len(await api.list_users(page=2, per_page=1)) == 1
    updated = await api.update_user_by_id(user_id, {"user_metadata": {"b": 2}, "ban_duration": "1h"})
    assert updated.user.user_metadata["b"] == 2
    assert (await api.get_user_by_id(user_id)).user.banned_until is not None
    factors = await api.mfa.list_factors({"user_id": user_id})
    assert factors == []
    link = await api.generate_link({"type": "magiclink", "email": "bob@example.test"})
    assert link.properties.verification_type == "magiclink"
    await api.update_user_by_id(user_id, {"ban_duration": "none"})
    client = await connect(auth)
    session = (await client.auth.sign_in_with_password(WISH)).session
    assert session is not None
    await api.sign_out(session.access_token)
    assert await refused(client.auth.get_user()) == (403, "session_not_found")
    await api.delete_user(user_id, should_soft_delete=True)
    assert (await api.get_user_by_id(user_id)).user.deleted_at is not None
    await api.delete_user(user_id)
    assert await refused(api.get_user_by_id(user_id)) == (404, "user_not_found")
    assert await refused(client.auth.admin.list_users()) == (403, "not_admin")
    await client.auth.close()


@pytest.fixture
def sync_client(auth: AuthServer) -> Iterator[Callable[[str], Client]]:
    opened: list[Client] = []

    def connect(key: str) -> Client:
        opened.append(create_client(auth.url, key, SyncClientOptions(auto_refresh_token=False)))
        return opened[-1]

    yield connect
    for client in opened:
        client.auth.close()


def test_the_synchronous_client_does_the_same(sync_client: Callable[[str], Client], auth: AuthServer) -> None:
    client, admin = sync_client(auth.keys.anon_key), sync_client(auth.keys.service_role_key)
    anonymous = client.auth.sign_in_anonymously().user
    assert anonymous is not None
    assert client.auth.update_user({"email": ADA, "password": PASSWORD}).user.id == anonymous.id
    client.auth.sign_out()
    assert client.auth.sign_in_with_password(WISH).session is not None
    assert client.auth.refresh_session().session is not None
    claims = client.auth.get_claims()
    assert claims is not None
    assert claims["claims"]["sub"] == anonymous.id
    client.auth.sign_in_with_otp({"email": ADA})
    code = parse_qs(urlsplit(follow(auth.newest(ADA)[0])).query)["code"][0]
    exchange: Any = {"auth_code": code}
    assert client.auth.exchange_code_for_session(exchange).session is not None
    created = admin.auth.admin.create_user({"email": "bob@example.test", "password": PASSWORD})
    assert len(admin.auth.admin.list_users()) == 2
    admin.auth.admin.delete_user(created.user.id)
    with pytest.raises(AuthApiError) as caught:
        admin.auth.admin.get_user_by_id(created.user.id)
    assert caught.value.code == "user_not_found"
    client.auth.sign_out({"scope": "global"})
    assert client.auth.get_user() is None
