"""The sandbox's own endpoints, for tests and tools in other processes.

::

    GET    /_sandbox/health     it answers
    GET    /_sandbox/faults     the faults in force
    POST   /_sandbox/faults     add one, or a list of them; see Fault
    DELETE /_sandbox/faults     be healthy again
    GET    /_sandbox/ledger     quantities and cost by provider, model and unit;  DELETE: begin at zero
    POST   /_sandbox/images     {"image": base64, "text": ...}: what a picture shows
    GET    /_sandbox/requests   requests by path, and faults by kind;             DELETE: begin at zero
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from headway.sandbox.faults import FaultInvalid
from headway.sandbox.vision import ImageInvalid

if TYPE_CHECKING:
    from headway.sandbox.app import Sandbox

__all__ = ["control_routes"]


def control_routes(sandbox: Sandbox) -> list[BaseRoute]:
    """The routes below ``/_sandbox``.

    Args:
        sandbox: What is controlled.
    """

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "sandbox": True})

    async def faults(request: Request) -> JSONResponse:
        if request.method == "DELETE":
            sandbox.faults.clear()
        elif request.method == "POST":
            try:
                for values in _objects(await request.body()):
                    sandbox.faults.add_fault(values)
            except FaultInvalid as invalid:
                return JSONResponse({"message": str(invalid)}, 400)
        return JSONResponse(sandbox.faults.as_list())

    async def ledger(request: Request) -> JSONResponse:
        if request.method == "DELETE":
            sandbox.ledger.clear()
        return JSONResponse(sandbox.ledger.as_dict())

    async def requests(request: Request) -> JSONResponse:
        if request.method == "DELETE":
            sandbox.requests.clear()
        return JSONResponse(sandbox.requests.as_dict())

    async def images(request: Request) -> JSONResponse:
        try:
            for values in _objects(await request.body()):
                sandbox.images.describe(base64.b64decode(values["image"], validate=True), str(values["text"]))
        except (FaultInvalid, ImageInvalid, KeyError, TypeError, ValueError) as invalid:
            return JSONResponse({"message": f"expected image (base64) and text: {invalid!r}"}, 400)
        return JSONResponse({})

    return [
        Route("/health", health),
        Route("/images", images, methods=["POST"]),
        Route("/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route("/ledger", ledger, methods=["GET", "DELETE"]),
        Route("/requests", requests, methods=["GET", "DELETE"]),
    ]


def _objects(body: bytes) -> list[dict[str, Any]]:
    try:
        value = json.loads(body)
    except ValueError:
        raise FaultInvalid("the body is not JSON") from None
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in values):
        raise FaultInvalid("expected a JSON object, or a list of them")
    return values
