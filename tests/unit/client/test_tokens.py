"""Which token is used when, and that it is always the same party's."""

from __future__ import annotations

import asyncio
import time
import uuid

import httpx
import jwt
import pytest

from headway.client.identity import Identity, Party, TokenSource, source_of_token
from headway.errors import ConfigError, ConnectFailed, Denied, TimedOut

KEY = "sb_publishable_key"
ME = str(uuid.uuid4())


def made(left_s: float, *, whole_s: float = 3600, sub: str = ME) -> str:
    expires = time.time() + left_s
    claims = {"sub": sub, "exp": int(expires), "iat": int(expires - whole_s), "jti": str(uuid.uuid4())}
    return jwt.encode(claims, "x" * 32, algorithm="HS256")


class Mint:
    """A function that makes tokens of given lives, one after the other."""

    def __init__(self, *lives: float, sub: str = ME) -> None:
        self.tokens = [made(life, sub=sub) for life in lives]
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        return self.tokens[min(self.calls, len(self.tokens)) - 1]


def identity(source: TokenSource, party: Party | None = None) -> Identity:
    return Identity(KEY, source, party or Party())


async def test_the_key_speaks_for_itself() -> None:
    nobody = identity(source_of_token(None))
    assert await nobody.token() is None
    assert await nobody.subject() is None
    assert await nobody.durable_token() == KEY
    assert await nobody.headers() == {"apikey": KEY, "Authorization": f"Bearer {KEY}"}


async def test_a_token_is_used_until_shortly_before_it_expires() -> None:
    mint = Mint(60, 5, 3600)
    who = identity(source_of_token(mint))
    assert [await who.token() for _ in range(3)] == [mint.tokens[0]] * 3
    assert await who.subject() == ME
    assert await who.token(refused=mint.tokens[0]) == mint.tokens[1]
    assert await who.token() == mint.tokens[2]
    assert mint.calls == 3


async def test_a_refused_token_is_renewed_once_for_all_that_were_refused() -> None:
    mint = Mint(3600, 3600)
    who = identity(source_of_token(mint))
    first = await who.token()
    fresh = await asyncio.gather(*(who.token(refused=first) for _ in range(10)))
    assert fresh == [mint.tokens[1]] * 10
    assert mint.calls == 2


@pytest.mark.parametrize(
    ("left_s", "renewed"), [(3600, False), (1800, False), (1500, True), (20, True), (-5, True)]
)
async def test_connections_that_stay_get_tokens_that_last(left_s: float, renewed: bool) -> None:
    mint = Mint(left_s, 3600)
    who = identity(source_of_token(mint))
    assert await who.durable_token() == mint.tokens[1 if renewed else 0]


async def test_a_given_token_cannot_be_renewed() -> None:
    token = made(-5)
    who = identity(source_of_token(token))
    assert await who.token(refused=token) == token
    assert await who.durable_token() == token


async def test_a_party_is_never_changed() -> None:
    party = Party()
    assert await identity(source_of_token(Mint(3600)), party).token()
    with pytest.raises(Denied) as refusal:
        await identity(source_of_token(Mint(3600, sub=str(uuid.uuid4()))), party).token()
    assert refusal.value.code == "identity_changed"
    with pytest.raises(Denied) as refusal:
        await identity(source_of_token(None), party).token()
    assert refusal.value.code == "signed_out"
    nobody = Party()
    await identity(source_of_token(None), nobody).token()
    with pytest.raises(Denied) as refusal:
        await identity(source_of_token(Mint(3600)), nobody).token()
    assert refusal.value.code == "identity_changed"


@pytest.mark.parametrize("wrong", ["", " ", "a\nb", "ü", 5, b"x"])
def test_what_is_no_token_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError):
        source_of_token(wrong)  # type: ignore[arg-type]


async def test_bearer_is_taken_off() -> None:
    token = made(60)
    assert await identity(source_of_token(f"Bearer {token}")).token() == token


class _Elsewhere(OSError):
    """As the errors of libraries that are built on sockets, with or without an answer."""

    def __init__(self, response: object = None) -> None:
        super().__init__("no route")
        self.response = response


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (httpx.ConnectError("x"), ConnectFailed),
        (httpx.ReadTimeout("x"), ConnectFailed),
        (ConnectionResetError(), ConnectFailed),
        (TimeoutError(), ConnectFailed),
        (_Elsewhere(), ConnectFailed),
        (_Elsewhere(response="401"), _Elsewhere),
        (FileNotFoundError(2, "gone", "/run/token"), FileNotFoundError),
        (KeyError("token"), KeyError),
        (StopIteration(), RuntimeError),
        (SystemExit(), RuntimeError),
    ],
)
async def test_what_a_function_for_tokens_raises(raised: BaseException, told: type[Exception]) -> None:
    def make() -> str:
        raise raised

    with pytest.raises(told) as error:
        await identity(source_of_token(make)).token()
    if told is ConnectFailed:
        assert "access_token" in str(error.value)
        assert error.value.__cause__ is raised


async def test_a_refusal_to_make_a_token_is_one() -> None:
    request = httpx.Request("POST", "http://issuer.example/token")

    async def make() -> str:
        raise httpx.HTTPStatusError("x", request=request, response=httpx.Response(401, request=request))

    with pytest.raises(Denied):
        await identity(source_of_token(make)).token()


async def test_a_token_that_never_comes_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.client.identity._LONGEST_S", 0.01)

    async def make() -> str:
        await asyncio.Event().wait()
        return ""

    with pytest.raises(TimedOut) as late:
        await identity(source_of_token(make)).token()
    assert late.value.code == "token_timeout"
