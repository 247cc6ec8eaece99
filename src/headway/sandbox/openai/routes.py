"""Which path does what, who may ask, and how refusals are answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.openai.chat import chat_completion
from headway.sandbox.openai.client_secrets import create_client_secret
from headway.sandbox.openai.errors import OpenAIError, request_headers
from headway.sandbox.openai.models import MODELS, find_model
from headway.sandbox.openai.responses import create_response

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["routes"]

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(sandbox: Sandbox) -> list[BaseRoute]:
    """The provider's routes.

    Args:
        sandbox: Its faults and its ledger are used.
    """

    async def models(request: Request) -> Response:
        return JSONResponse(
            {"object": "list", "data": [model.as_dict() for model in MODELS.values()]},
            headers=request_headers(),
        )

    async def model(request: Request) -> Response:
        return JSONResponse(find_model(request.path_params["model"]).as_dict(), headers=request_headers())

    def of(endpoint: Callable[[Sandbox, Request], Awaitable[Response]]) -> Endpoint:
        return _guarded(lambda request: endpoint(sandbox, request))

    return [
        Route("/v1/chat/completions", of(chat_completion), methods=["POST"]),
        Route("/v1/responses", of(create_response), methods=["POST"]),
        Route("/v1/realtime/client_secrets", of(create_client_secret), methods=["POST"]),
        Route("/v1/models", _guarded(models)),
        Route("/v1/models/{model}", _guarded(model)),
    ]


def _guarded(endpoint: Endpoint) -> Endpoint:
    """The endpoint for callers with the sandbox's key, every refusal in OpenAI's shape."""

    async def guarded(request: Request) -> Response:
        try:
            _authenticate(request)
            return await endpoint(request)
        except OpenAIError as error:
            return error.response()

    return guarded


def _authenticate(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise OpenAIError(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header "
            "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    if key != SANDBOX_KEYS["OPENAI_API_KEY"]:
        shown = f"{key[:3]}***{key[-4:]}" if len(key) > 12 else "***"
        raise OpenAIError(
            401,
            f"Incorrect API key provided: {shown}. This is the Headway sandbox, which takes only the key "
            "that `headway sandbox` prints.",
            code="invalid_api_key",
        )
