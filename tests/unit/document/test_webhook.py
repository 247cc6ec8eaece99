"""The call to the automation, over real sockets: signed, bounded, and never led to where it must not go."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from headway import (
    ConfigError,
    ConnectFailed,
    Denied,
    GuardedTransport,
    HeadwayError,
    TimedOut,
    TransportError,
    check_webhook_signature,
)
from workers.document.settings import DocumentSettings
from workers.document.webhook import Automation, Reply

SECRET = "whsec_c2VjcmV0"
FORMER = "whsec_Zm9ybWVy"
# The same bytes in every process: they name a test.
ZIPPED = gzip.compress(b"{}", mtime=0)

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Receiver:
    """An HTTP server of one's own, which answers with whatever bytes it likes."""

    def __init__(self, *answers: bytes | Answer) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append((line, headers, body))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if callable(answer):
                await answer(writer)
            else:
                writer.write(answer.replace(b"$ORIGIN", self.origin.encode()))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    given = {
        "content-length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


@asynccontextmanager
async def calling(
    *answers: bytes | Answer, path: str = "/hook", also: tuple[str, ...] = (), **settings: object
) -> AsyncIterator[tuple[Automation, Receiver]]:
    receiver = Receiver(*answers)
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    chosen = DocumentSettings(
        **{
            "webhook_url": receiver.origin + path,
            "webhook_secret": SECRET,
            "origins": (receiver.origin, *also),
            **settings,
        }  # type: ignore[arg-type]
    )
    try:
        async with httpx.AsyncClient(transport=GuardedTransport(chosen.origins), timeout=None) as client:
            yield Automation(chosen, client), receiver
    finally:
        server.close()
        await server.wait_closed()


async def test_a_call_is_signed_over_time_and_body_with_every_secret() -> None:
    async with calling(
        http(200, b"{}", content_type="application/json"), webhook_secret=f"{SECRET}, {FORMER}"
    ) as (
        automation,
        receiver,
    ):
        reply = await automation.call("job:1", {"prompt": "Grüße"})
    assert reply == Reply(200, "application/json", b"{}")
    ((line, headers, body),) = receiver.requests
    assert line == "POST /hook HTTP/1.1"
    assert json.loads(body) == {"prompt": "Grüße"}
    assert headers["accept-encoding"] == "identity"
    for secret in (SECRET, FORMER):
        assert check_webhook_signature(body, headers, secret) == "job:1"
    with pytest.raises(Denied):
        check_webhook_signature(body + b" ", headers, SECRET)
    with pytest.raises(Denied):
        check_webhook_signature(body, headers | {"webhook-timestamp": "1"}, SECRET)


@pytest.mark.parametrize(
    ("answer", "error", "code", "after"),
    [
        (http(429, retry_after="7"), TransportError, "automation_rate_limited", 7.0),
        (http(500), TransportError, "automation_failing", None),
        (http(503, b"secret", retry_after="2"), TransportError, "automation_failing", 2.0),
        (http(408), TransportError, "automation_failing", None),
        (http(400), ConfigError, "automation_refused", None),
        (http(401, b"secret"), ConfigError, "automation_refused", None),
        (http(402), ConfigError, "automation_refused", None),
        (http(404), ConfigError, "automation_refused", None),
        (http(302, location="https://example.com/"), ConfigError, "webhook_redirects", None),
        (http(301, location="$ORIGIN/again"), ConfigError, "webhook_redirects", None),
        (http(303, location="/elsewhere"), ConfigError, "webhook_redirects", None),
        (http(304), ConfigError, "automation_refused", None),
        (http(307), ConfigError, "webhook_redirects", None),
        (http(308, location="https://example.com:port/"), TransportError, "automation_broke_off", None),
        (http(307, location="$ORIGIN/again"), ConfigError, "webhook_redirects", None),
        (http(307, location="http://127.0.0.1:1/"), Denied, "address_not_encrypted", None),
        (http(307, location="https://127.0.0.1:1/"), Denied, "address_not_public", None),
        (http(308, location="https://169.254.169.254/latest/meta-data"), Denied, "address_not_public", None),
        (http(308, location="https://[::ffff:10.0.0.1]/"), Denied, "address_not_public", None),
        (http(308, location="https://localhost/"), Denied, "address_not_public", None),
        (http(308, location="file:///etc/passwd"), HeadwayError, "address_not_encrypted", None),
        (http(200, ZIPPED, content_encoding="gzip"), ConfigError, "answer_compressed", None),
        (http(200, b"x" * 1_001), ConfigError, "answer_too_large", None),
        (b"HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\nshort", TransportError, "automation_broke_off", None),
        (b"nonsense\r\n\r\n", TransportError, "automation_broke_off", None),
        (b"", TransportError, "automation_broke_off", None),
    ],
)
async def test_what_can_go_wrong(
    answer: bytes, error: type[HeadwayError], code: str, after: float | None
) -> None:
    async with calling(answer, max_bytes=1_000) as (automation, _):
        with pytest.raises(error) as raised:
            await automation.call("job:1", {})
    assert raised.value.code == code
    assert getattr(raised.value, "retry_after", None) == after
    assert "secret" not in str(raised.value)


async def test_a_redirect_keeps_the_body_and_its_signature() -> None:
    answers = http(307, location="/moved"), http(308, location="$ORIGIN/again"), http(202)
    async with calling(*answers) as (automation, receiver):
        assert (await automation.call("job:1", {"prompt": "x"})).status == 202
    assert [line for line, _, _ in receiver.requests] == [
        f"POST {path} HTTP/1.1" for path in ("/hook", "/moved", "/again")
    ]
    for _, headers, body in receiver.requests:
        assert check_webhook_signature(body, headers, SECRET) == "job:1"


async def test_an_endless_answer_ends_at_the_limit() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with calling(endless, max_bytes=10_000) as (automation, _):
        with pytest.raises(ConfigError) as raised:
            await automation.call("job:1", {})
    assert raised.value.code == "answer_too_large"


async def test_an_answer_that_trickles_ends_at_its_time() -> None:
    gone = asyncio.Event()

    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 100000\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        gone.set()

    async with calling(trickle, answer_seconds=0.2) as (automation, _):
        with pytest.raises(TimedOut) as raised:
            await automation.call("job:1", {})
        await asyncio.wait_for(gone.wait(), 10)
    assert raised.value.code == "automation_timeout"


async def test_a_call_that_is_cancelled_lets_go_of_the_connection() -> None:
    heard, gone = asyncio.Event(), asyncio.Event()

    async def until_closed(writer: asyncio.StreamWriter) -> None:
        heard.set()
        try:
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            gone.set()
            raise

    async with calling(until_closed) as (automation, _):
        call = asyncio.ensure_future(automation.call("job:1", {}))
        await asyncio.wait_for(heard.wait(), 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(gone.wait(), 10)


async def test_nobody_there() -> None:
    async with calling(http(200)) as (automation, receiver):
        settings = automation.settings.model_copy(
            update={"webhook_url": f"http://127.0.0.1:{receiver.port}/"}
        )
    async with httpx.AsyncClient(transport=GuardedTransport([receiver.origin])) as client:
        with pytest.raises(ConnectFailed) as raised:
            await Automation(settings, client).call("job:1", {})
    assert raised.value.code == "automation_unreachable"


async def test_the_webhook_itself_must_be_public_unless_its_origin_is_named() -> None:
    async with calling(http(200), origins=()) as (automation, receiver):
        with pytest.raises(Denied):
            await automation.call("job:1", {})
    assert receiver.requests == []


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="N8N_WEBHOOK_URL"):
        DocumentSettings.load()
    monkeypatch.setenv("N8N_WEBHOOK_URL", "https://n8n.example.com/webhook/x")
    monkeypatch.setenv("N8N_WEBHOOK_SECRET", f"{SECRET},{FORMER}")
    monkeypatch.setenv("HEADWAY_DOCUMENT_ORIGINS", "http://n8n:5678, http://other:1")
    settings = DocumentSettings.load()
    assert settings.secrets == (SECRET, FORMER)
    assert settings.origins == ("http://n8n:5678", "http://other:1")
    assert SECRET not in repr(settings)
