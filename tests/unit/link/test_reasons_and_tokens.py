"""What the server's words mean, and what a token says of itself."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.link.reasons import Ended, connection_error, read_reason
from headway.link.resume import ResumeWatch, clock_that_counts_sleep
from headway.link.tokens import TokenFacts, is_secret_key, read_token


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"reason": "Unauthorized: You do not have permissions to read from"}', "Unauthorized"),
        ('{"reason": "InvalidJWTToken: Token has expired 4 seconds ago"}', "InvalidJWTToken"),
        ('{"reason": "ClientJoinRateLimitReached: Too many joins per second"}', "ClientJoinRateLimitReached"),
        ('{"reason": "Realtime was unable to connect to the project database"}', "Unknown"),
        ('{"reason": "unmatched topic"}', "Unknown"),
        ('{"reason": "channel_crash"}', "ChannelCrashed"),
        ("{}", "ChannelCrashed"),
        ('{"extension":"system","message":"Token has expired 2 seconds ago"}', "TokenExpired"),
        ('{"extension":"system","message":"You no longer have permission to read"}', "PermissionRevoked"),
        ('{"extension":"system","message":"Too many messages per second"}', "TooManyMessages"),
        ('{"extension":"postgres_changes","message":"Unable to subscribe to changes."}', "ChangesRefused"),
        ('{"extension":"system","message":"Server requested disconnect"}', "SystemError"),
        ('{"extension":"system"}', "SystemError"),
        ("mismatch between server and client bindings for postgres changes", "Unknown"),
        ("[1]", "Unknown"),
        ("null", "Unknown"),
        ('{"reason": 5}', "ChannelCrashed"),
    ],
)  # fmt: skip
def test_reasons(text: str, code: str) -> None:
    assert read_reason(text).code == code


def test_what_follows_from_a_reason() -> None:
    assert Ended("InvalidJWTToken", "").needs_fresh_token
    assert Ended("TokenExpired", "").needs_fresh_token
    assert not Ended("Unauthorized", "").needs_fresh_token
    assert Ended("TooManyMessages", "").is_about_rates
    assert not Ended("TopicNameRequired", "").can_be_retried
    assert Ended("Unauthorized", "").can_be_retried


@given(st.text())
def test_whatever_the_server_says_it_is_read(text: str) -> None:
    assert isinstance(read_reason(text), Ended)
    assert isinstance(read_reason(json.dumps({"reason": text})), Ended)


def test_reasons_are_short_and_keep_no_secret() -> None:
    assert len(read_reason(json.dumps({"reason": "x" * 100_000})).reason) < 1000
    ended = read_reason('{"reason": "MalformedJWT: sb_secret_abcdefgh is not a valid JWT"}')
    assert "sb_secret_" not in str(ended)


class _Response:
    def __init__(self, status_code: int, body: bytes) -> None:
        self.status_code = status_code
        self.body = body


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": "Token has expired"}', "HTTP 401: Token has expired"),
        (b'{"message": "No API key found in request"}', "HTTP 401: No API key found in request"),
        (b"<html>", "HTTP 401"),
        (b"[]", "HTTP 401"),
        (b"", "HTTP 401"),
    ],
)
def test_a_refused_handshake_is_told_in_the_servers_words(body: bytes, text: str) -> None:
    error = Exception("server rejected WebSocket connection: HTTP 401")
    error.response = _Response(401, body)  # type: ignore[attr-defined]
    assert connection_error(error) == f"the handshake was refused with {text}"


def test_errors_of_connections_are_one_line_without_secrets() -> None:
    assert connection_error(TimeoutError()) == "no answer to the handshake in time"
    assert connection_error(OSError(111, "Connect call failed")).startswith("ConnectionRefusedError")
    assert "sb_secret" not in connection_error(ValueError("ws://a?apikey=sb_secret_abcdef&vsn=1"))
    assert connection_error(EOFError()) == "EOFError"


def token(claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{body}.c2ln"


@pytest.mark.parametrize(
    ("claims", "facts"),
    [
        ({"sub": "u", "exp": 1_600, "iat": 1_000}, TokenFacts("u", 600, 600)),
        ({"sub": "u", "exp": 1_600, "iat": 400}, TokenFacts("u", 600, 1_200)),
        ({"sub": "u", "exp": 1_600}, TokenFacts("u", 600)),
        # The machine's clock is an hour behind: no token lives longer than it was made for.
        ({"sub": "u", "exp": 8_200, "iat": 4_600}, TokenFacts("u", 3_600, 3_600)),
        # The machine's clock is far ahead: every token looks expired, and is not.
        ({"sub": "u", "exp": 900, "iat": 300}, TokenFacts("u", 600, 600, expired=True)),
        ({"sub": "u", "exp": 900}, TokenFacts("u", 0, None, expired=True)),
        ({"role": "anon", "exp": 1_600}, TokenFacts(None, 600)),
        ({"sub": ""}, TokenFacts()),
        ({"sub": 5, "exp": "soon"}, TokenFacts()),
        ({"sub": "u", "exp": 10**400}, TokenFacts("u")),
        ([], TokenFacts()),
        ("text", TokenFacts()),
    ],
    ids=str,
)
def test_what_a_token_says(claims: Any, facts: TokenFacts) -> None:
    assert read_token(token(claims), lambda: 1_000.0) == facts


@given(st.one_of(st.text(), st.text(alphabet="eyJ.-_ab"), st.binary().map(lambda b: f"a.{b.hex()}.c")))
def test_anything_else_says_nothing(text: str) -> None:
    assert read_token(text) == TokenFacts()


def test_secret_keys_are_known() -> None:
    assert is_secret_key("sb_secret_abc")
    assert is_secret_key(token({"role": "service_role"}))
    assert not is_secret_key("sb_publishable_abc")
    assert not is_secret_key(token({"role": "anon"}))


def test_a_sleep_is_noticed_once() -> None:
    awake, always = [0.0], [1_000.0]
    watch = ResumeWatch(5, 15, lambda: awake[0], lambda: always[0])
    for clock in (awake, always):
        clock[0] += 60
    assert watch.slept() == 0
    always[0] += 3600
    assert watch.slept() == 3600
    assert watch.slept() == 0
    always[0] += 14
    assert watch.slept() == 0


async def test_a_sleep_is_told_at_the_next_look() -> None:
    import asyncio

    always, told = [0.0], asyncio.get_running_loop().create_future()
    watch = ResumeWatch(0.001, 15, lambda: 0.0, lambda: always[0])
    running = asyncio.create_task(watch.run(told.set_result))
    always[0] += 100
    assert await asyncio.wait_for(told, 5) == 100
    running.cancel()
    await asyncio.wait({running})


def test_the_clock_that_counts_sleep_goes_forward() -> None:
    first = clock_that_counts_sleep()
    assert clock_that_counts_sleep() >= first
