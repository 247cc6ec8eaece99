"""Middleware that counts every request to a provider and lets the faults in force strike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway.sandbox.faults import Fault, Faults
from headway.sandbox.requests import RequestCounts

__all__ = ["LABEL_HEADER", "Disturbance", "retry_after_headers"]

LABEL_HEADER = "x-headway-sandbox"
"""On every answer: nobody shall take one for the real provider's."""

Refusal: TypeAlias = Callable[[Fault, Request], Response]

_STATUS = {"429": 429, "quota": 429, "500": 500, "503": 503}
_TEXT = {
    "429": "Rate limit reached (Headway sandbox fault).",
    "quota": "The quota is exhausted (Headway sandbox fault).",
    "500": "The server had an error (Headway sandbox fault).",
    "503": "The service is unavailable (Headway sandbox fault).",
}


class _Cut(Exception):
    """Ends the connection: the server closes it when an answer is left unfinished."""


class Disturbance:
    """Wraps the sandbox's routes.

    Args:
        app: The routes.
        faults: What goes wrong.
        requests: Where requests are counted.
        refusals: By provider: what gives a refusal the provider's own shape, if it has such a thing.
    """

    def __init__(
        self,
        app: ASGIApp,
        faults: Faults,
        requests: RequestCounts,
        *,
        refusals: Mapping[str, Refusal | None],
    ) -> None:
        self._app = app
        self._faults = faults
        self._requests = requests
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sending = _labelled(send)
        provider = scope["path"].split("/", 2)[1]
        if provider == "_sandbox":
            await self._app(scope, receive, sending)
            return
        request = Request(scope, receive)
        fault = self._faults.draw(request, provider)
        self._requests.count(scope["method"], scope["path"], fault.kind if fault else None)
        if fault is None:
            await self._app(scope, receive, sending)
        elif fault.kind in _STATUS:
            # Read first: a client that is still sending takes an early answer for a broken connection.
            await request.body()
            refusal = self._refusals.get(provider)
            response = refusal(fault, request) if refusal else _plain_refusal(fault)
            await response(scope, receive, sending)
        else:
            await self._disturb(fault, request, sending)

    async def _disturb(self, fault: Fault, request: Request, send: Send) -> None:
        receive = request.receive
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "timeout":
            await request.body()
            await _until_gone(receive, fault.seconds)
            # The server answers for an application that is silent, but not for one that stops half-way.
            await send({"type": "http.response.start", "status": 504, "headers": []})
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            return
        elif fault.kind == "cut":
            try:
                await self._app(request.scope, receive, _cutting(send, fault.after))
            except _Cut:
                pass  # the answer stays unfinished, and the server closes the connection
            return
        await self._app(request.scope, receive, send)


def retry_after_headers(fault: Fault) -> dict[str, str]:
    """The headers by which an answer asks to wait, in whole seconds and in OpenAI's finer form.

    Args:
        fault: Its ``retry_after`` counts.
    """
    if fault.retry_after is None:
        return {}
    return {
        "retry-after": str(-int(-fault.retry_after // 1)),
        "retry-after-ms": str(round(fault.retry_after * 1000)),
    }


def _plain_refusal(fault: Fault) -> Response:
    return JSONResponse(
        {"error": {"code": _STATUS[fault.kind], "message": _TEXT[fault.kind]}},
        _STATUS[fault.kind],
        retry_after_headers(fault),
    )


def _labelled(send: Send) -> Send:
    async def labelling(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (LABEL_HEADER.encode(), b"true")]
        await send(message)

    return labelling


def _cutting(send: Send, pieces: int) -> Send:
    """Pass on some pieces of a streamed answer, or half of a whole one, and then break off."""
    sent = 0

    async def cutting(message: Message) -> None:
        nonlocal sent
        if message["type"] != "http.response.body":
            await send(message)
            return
        body: bytes = message.get("body", b"")
        if sent == 0 and not message.get("more_body", False):
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            raise _Cut
        if sent >= pieces or not message.get("more_body", False):
            raise _Cut
        sent += 1
        await send(message)

    return cutting


async def _until_gone(receive: Receive, seconds: float) -> None:
    """Wait until the client gives up, or for some seconds."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), seconds)
    except TimeoutError:
        pass  # it is more patient than the fault
