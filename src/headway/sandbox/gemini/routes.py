"""Which path does what, and who may ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.gemini.files import Files
from headway.sandbox.gemini.generate import MODELS, Answer, Question, answer_to
from headway.sandbox.google_errors import GoogleError, authenticate

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["routes"]

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """The provider's routes.

    Args:
        sandbox: Its faults and its ledger are used.
    """
    files = Files()

    async def upload(request: Request) -> Response:
        if "upload_id" in request.query_params:
            return await files.receive(request, _base(request))
        if not files.kept:
            sandbox.spawn(files.keep())
        return await files.start(request)

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if request.method == "DELETE":
            files.delete(name)
            return JSONResponse({})
        found = files.find(name)
        shown = found.as_dict(_base(request))
        if found.state == "PROCESSING":
            # Whoever asks first is told to wait, as by the real one, however fast the looking is.
            await files.look(found)
        return JSONResponse(shown)

    async def listing(request: Request) -> Response:
        return JSONResponse({"files": [files.find(name).as_dict(_base(request)) for name in files.names]})

    async def generate(request: Request) -> Response:
        model, _, method = request.path_params["call"].partition(":")
        if method not in ("generateContent", "streamGenerateContent", "countTokens"):
            raise GoogleError(404, f"The sandbox does not know the method {method!r}.")
        if model not in MODELS:
            raise GoogleError(
                404,
                f"models/{model} is not found for API version v1beta, or is not supported for "
                "generateContent.",
            )
        try:
            body = json.loads(await request.body())
        except ValueError as error:
            raise GoogleError(400, f"Invalid JSON payload received. {error}") from error
        if method == "countTokens":
            question = Question.read(body.get("generateContentRequest") or body, files, sandbox.images)
            return JSONResponse({"totalTokens": sum(question.tokens.values())})
        question = Question.read(body, files, sandbox.images)
        answer = answer_to(question, model, sandbox.faults.wanted(request))
        _count(sandbox, answer)
        if method == "generateContent":
            return JSONResponse(answer.whole())
        return StreamingResponse(_events(answer), media_type="text/event-stream")

    async def models(request: Request) -> Response:
        return JSONResponse({"models": [{"name": f"models/{name}", "displayName": name} for name in MODELS]})

    return [
        Route("/upload/v1beta/files", _guarded(upload), methods=["POST"]),
        Route("/v1beta/files", _guarded(listing)),
        Route("/v1beta/files/{name}", _guarded(file), methods=["GET", "DELETE"]),
        Route("/v1beta/models", _guarded(models)),
        Route("/v1beta/models/{call}", _guarded(generate), methods=["POST"]),
    ]


async def _events(answer: Answer) -> AsyncIterator[bytes]:
    for piece in answer.pieces():
        yield b"data: " + json.dumps(piece).encode() + b"\r\n\r\n"


def _count(sandbox: Sandbox, answer: Answer) -> None:
    """As Google bills: sound at its own price, everything else of a prompt alike."""
    sound = answer.prompt.get("AUDIO", 0)
    parts: dict[str, Any] = {
        "input_token": sum(answer.prompt.values()) - sound,
        "audio_input_token": sound,
        "output_token": answer.output_tokens,
    }
    for unit, quantity in parts.items():
        if quantity:
            sandbox.ledger.count("gemini", model=answer.model, unit=unit, quantity=quantity)


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"


def _guarded(endpoint: Endpoint) -> Endpoint:
    """The endpoint for callers with the sandbox's key, every refusal in Google's shape."""

    async def guarded(request: Request) -> Response:
        try:
            # The address of an upload is its own key, as with the real one.
            if "upload_id" not in request.query_params:
                authenticate(request, SANDBOX_KEYS["GEMINI_API_KEY"])
            return await endpoint(request)
        except GoogleError as error:
            return error.response()

    return guarded
