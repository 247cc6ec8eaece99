"""The callback endpoint: forged, late, repeated, old, malformed and oversized callbacks harm nobody."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headway import InvalidRequest, NotFound, TransportError, sign_webhook
from headway.core.answers import Signalled
from workers.document.callback_urls import CALLBACK_PATH, CallbackTicket
from workers.document.callbacks import receive_callback
from workers.document.jobs import worker

SECRET = "whsec_c2VjcmV0"
OTHER = "whsec_b3RoZXI="
JOB = uuid.uuid4()
BODY = json.dumps({"html": "<p>x</p>", "title": "T"}).encode()
MINUTE = 60


class Engine:
    """Takes signals as the engine does: the first of a name counts."""

    def __init__(self) -> None:
        self.signals: dict[tuple[str, str], Any] = {}
        self.refusal: Exception | None = None

    async def signal(self, job_id: uuid.UUID, name: str, payload: Any = None) -> Signalled:
        if self.refusal is not None:
            raise self.refusal
        key = (str(job_id), name)
        state = "repeated" if key in self.signals else "delivered"
        self.signals.setdefault(key, payload)
        return Signalled.model_validate({"state": state})


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
async def http(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("N8N_WEBHOOK_URL", "https://n8n.test/hook")
    monkeypatch.setenv("N8N_WEBHOOK_SECRET", SECRET)

    async def endpoint(request: Request) -> Response:
        return await receive_callback(request, engine)  # type: ignore[arg-type]

    app = Starlette(routes=[Route(CALLBACK_PATH, endpoint, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker.test") as client:
        yield client


def address(number: int = 1, *, secret: str = SECRET, job: uuid.UUID = JOB, ago: float = -MINUTE) -> str:
    return CallbackTicket(job, number, int(time.time() - ago)).path(secret)


async def call(
    http: httpx.AsyncClient,
    path: str,
    body: bytes = BODY,
    *,
    secret: str = SECRET,
    ago: float = 0,
    **more: str,
) -> Any:
    headers = sign_webhook(body, secret, message_id="m", timestamp=int(time.time() - ago))
    return await http.post(
        path, content=body, headers={"content-type": "application/json", **headers, **more}
    )


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_route_is_the_workers() -> None:
    assert [(route.path, route.methods) for route in worker.routes] == [(CALLBACK_PATH, ("POST",))]


async def test_the_first_callback_of_a_call_counts(http: httpx.AsyncClient, engine: Engine) -> None:
    assert (await call(http, address())).json() == {"state": "delivered"}
    second = json.dumps({"html": "<p>other</p>"}).encode()
    repeated = await call(http, address(), second)
    assert (repeated.status_code, repeated.json()) == (200, {"state": "repeated"})
    assert engine.signals == {
        (str(JOB), "system.document_1"): {
            "html": "<p>x</p>",
            "title": "T",
            "retryable": False,
            "sandbox": False,
        }
    }


async def test_nothing_is_stored_before_it_is_harmless(http: httpx.AsyncClient, engine: Engine) -> None:
    hostile = json.dumps({"html": "<p onclick=x>x</p><script>alert(1)</script>"}).encode()
    assert (await call(http, address(), hostile)).status_code == 200
    assert engine.signals[(str(JOB), "system.document_1")]["html"] == "<p>x</p>"
    for html, code in (("<script>x</script>", "html_empty"), ("<div>" * 300 + "x", "html_too_deep")):
        answer = await call(http, address(2), json.dumps({"html": html}).encode())
        assert code_of(answer) == (422, code)
    assert len(engine.signals) == 1


async def test_a_reason_is_an_answer_without_a_document(http: httpx.AsyncClient, engine: Engine) -> None:
    said = json.dumps({"html": "<script>x</script>", "error": "No."}).encode()
    assert (await call(http, address(), said)).status_code == 200
    assert engine.signals[(str(JOB), "system.document_1")] == {
        "error": "No.",
        "retryable": False,
        "sandbox": False,
    }


async def test_html_alone_is_an_answer(http: httpx.AsyncClient, engine: Engine) -> None:
    assert (await call(http, address(2), b"<p>x</p>", **{"content-type": "text/html"})).status_code == 200
    assert engine.signals[(str(JOB), "system.document_2")]["html"] == "<p>x</p>"


async def test_nothing_is_delivered_that_nobody_has_signed(http: httpx.AsyncClient, engine: Engine) -> None:
    unsigned = await http.post(address(), content=BODY)
    assert code_of(unsigned) == (400, "webhook_header_missing")
    assert code_of(await call(http, address(), secret=OTHER)) == (401, "webhook_signature_invalid")
    assert code_of(await call(http, address(secret=OTHER))) == (401, "callback_forged")
    assert code_of(await call(http, address(), ago=10 * MINUTE)) == (401, "webhook_too_old")
    assert code_of(await call(http, address(), ago=-10 * MINUTE)) == (401, "webhook_too_old")
    assert code_of(await call(http, address(ago=MINUTE))) == (410, "callback_expired")
    assert code_of(await call(http, address().replace("call=1", "call=2"))) == (401, "callback_forged")
    assert code_of(await call(http, address().replace(str(JOB), str(uuid.uuid4())))) == (
        401,
        "callback_forged",
    )
    assert code_of(await call(http, f"/callbacks/documents/{JOB}")) == (401, "callback_forged")
    changed = sign_webhook(BODY, SECRET, message_id="m")
    assert (await http.post(address(), content=BODY + b" ", headers=changed)).status_code == 401
    assert (await http.get(address())).status_code == 405
    assert engine.signals == {}


async def test_an_address_alone_suffices_where_the_operator_says_so(
    http: httpx.AsyncClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_DOCUMENT_CALLBACK_SIGNATURE", "false")
    assert (await http.post(address(secret=OTHER), content=BODY)).status_code == 401
    assert (await http.post(address(), content=BODY)).json() == {"state": "delivered"}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"html": ""}', b"[]", b"\xff", b'{"html": 1}', b"{"])
async def test_what_is_malformed_does_not_use_up_the_call(
    http: httpx.AsyncClient, engine: Engine, body: bytes
) -> None:
    answer = await call(http, address(), body)
    assert code_of(answer) == (422, "answer_malformed")
    assert answer.json()["error"]["hint"]
    assert engine.signals == {}
    assert (await call(http, address())).json() == {"state": "delivered"}


async def test_a_body_is_read_to_the_limit_and_not_for_strangers(
    http: httpx.AsyncClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_DOCUMENT_MAX_BYTES", "1000")
    pulled = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal pulled
        for _ in range(10_000):
            pulled += 1
            yield b"x" * 100

    assert code_of(await http.post(address(), content=endless())) == (413, "answer_too_large")
    assert code_of(await http.post(address(secret=OTHER), content=endless())) == (401, "callback_forged")
    assert pulled < 200
    assert engine.signals == {}


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (NotFound("there is no such job", code="HW301"), 410),
        (InvalidRequest("has more than 1048576 bytes", code="HW104"), 413),
        (InvalidRequest("cannot be stored", code="HW105"), 422),
        (TransportError("not now"), 503),
    ],
)
async def test_what_the_engine_says(
    http: httpx.AsyncClient, engine: Engine, refusal: Exception, status: int
) -> None:
    engine.refusal = refusal
    answer = await call(http, address())
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) is (status == 503)
