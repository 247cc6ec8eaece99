"""Where an automation calls back: a signed address, a signed body, and nothing to change by a second call."""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headway import (
    Denied,
    HeadwayError,
    InvalidRequest,
    NotFound,
    TransportError,
    WorkerApi,
    check_webhook_signature,
)
from workers.document.answers import read_answer
from workers.document.callback_urls import CallbackTicket, signal_name
from workers.document.sanitise import Sanitiser
from workers.document.settings import DocumentSettings

__all__ = ["receive_callback"]

_log = logging.getLogger("workers.document")
# How far the automation's clock may be off, in seconds: what is older may be somebody's recording.
_TOLERANCE = 300


class _TooLarge(Exception):
    """The body has more bytes than are taken."""


async def receive_callback(request: Request, api: WorkerApi) -> Response:
    """Take the answer to one call of one job; the first counts.

    Answers 200 with the state ``delivered``, ``stored`` (the job has not begun to wait), ``repeated`` or
    ``late``: all of them tell the automation that it need not call again. 401 is forged or old, 400 and 422
    are malformed, 410 is over, 413 is too large, 503 may be tried again.
    """
    settings = DocumentSettings.load()
    try:
        # The address first: whoever has none makes nobody read a body.
        ticket = CallbackTicket.read(
            request.path_params["job_id"], request.query_params, settings.secrets, now=time.time()
        )
        body = await _read(request, settings.max_bytes)
        if settings.callback_signature:
            check_webhook_signature(body, request.headers, settings.secrets, tolerance=_TOLERANCE)
    except _TooLarge:
        return _refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            InvalidRequest(
                f"the body has more than {settings.max_bytes:,} bytes",
                hint="Write less, or several documents.",
                code="answer_too_large",
            ),
        )
    except Denied as error:
        _log.warning("a callback for a document was refused: %s", error.code)
        over = error.code == "callback_expired"
        return _refusal(HTTPStatus.GONE if over else HTTPStatus.UNAUTHORIZED, error)
    except InvalidRequest as error:
        return _refusal(HTTPStatus.BAD_REQUEST, error)
    try:
        # Nothing malformed is delivered: the first answer counts, so it has to be one. And nothing is stored,
        # not even as a signal, before it is harmless.
        answer = read_answer(body, request.headers.get("content-type", ""))
        if answer.html is not None:
            clean = Sanitiser(settings.image_hosts).clean
            answer = answer.model_copy(update={"html": await asyncio.to_thread(clean, answer.html)})
        signalled = await api.signal(
            ticket.job_id, signal_name(ticket.number), answer.model_dump(exclude_none=True)
        )
    except NotFound as error:
        return _refusal(HTTPStatus.GONE, error)
    except InvalidRequest as error:
        too_large = error.code == "HW104"
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_large else HTTPStatus.UNPROCESSABLE_ENTITY
        return _refusal(status, error)
    except TransportError as error:
        return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, error, {"retry-after": "5"})
    return JSONResponse({"state": signalled.state})


async def _read(request: Request, most: int) -> bytes:
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > most:
            raise _TooLarge
    return bytes(received)


def _refusal(status: HTTPStatus, error: HeadwayError, headers: dict[str, str] | None = None) -> JSONResponse:
    said = {"code": error.code, "message": error.message, "hint": error.hint}
    return JSONResponse({"error": said}, int(status), headers)
