"""The sandbox: providers behind one port, what disturbs them, and what they would have cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from headway.sandbox.control import control_routes
from headway.sandbox.disturbance import Disturbance
from headway.sandbox.environment import sandbox_variables
from headway.sandbox.faults import Faults
from headway.sandbox.ledger import Ledger
from headway.sandbox.prices import Prices, load_prices
from headway.sandbox.providers import PROVIDERS, load_provider
from headway.sandbox.requests import RequestCounts
from headway.sandbox.vision import Images

__all__ = ["Sandbox"]


class Sandbox:
    """Stands in for the paid APIs.

    Args:
        providers: Their names; all of ``PROVIDERS`` when omitted.
        prices: What a call costs; the price list of the pipelines when omitted.

    Attributes:
        faults: What goes wrong, from now on.
        ledger: What the answered calls would have cost.
        requests: How often each path was asked for.
        images: What the models see in pictures.
        app: The ASGI application.
    """

    def __init__(self, *, providers: Iterable[str] | None = None, prices: Prices | None = None) -> None:
        self.faults = Faults()
        self.ledger = Ledger(load_prices() if prices is None else prices)
        self.requests = RequestCounts()
        self.images = Images()
        self._tasks: set[asyncio.Task[Any]] = set()
        modules = {name: load_provider(name) for name in (PROVIDERS if providers is None else providers)}
        routes: list[BaseRoute] = [Mount("/_sandbox", routes=control_routes(self))]
        routes += [Mount(f"/{name}", routes=module.routes(self)) for name, module in modules.items()]
        self.app: ASGIApp = Disturbance(
            Starlette(
                routes=routes, lifespan=self._lifespan, exception_handlers={404: _not_found, 500: _broken}
            ),
            self.faults,
            self.requests,
            refusals={name: getattr(module, "refusal", None) for name, module in modules.items()},
        )

    def environment(self, url: str) -> dict[str, str]:
        """The variables by which the providers' clients find this sandbox.

        Args:
            url: Where it is served, without a slash at the end.
        """
        return sandbox_variables(url)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something beside the answers, such as a call back; it is cancelled when the server stops.

        Args:
            work: Called on the server's event loop only.
        """
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(
        {
            "error": {
                "message": f"The Headway sandbox has no {request.method} {request.url.path}. It speaks only "
                "the parts of the APIs that Headway's pipelines use; docs/sandbox.md lists them.",
                "type": "invalid_request_error",
                "param": None,
                "code": "sandbox_unknown_path",
            }
        },
        404,
    )


async def _broken(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(
        {
            "error": {
                "message": "The Headway sandbox failed; its log says why.",
                "type": "server_error",
                "param": None,
                "code": "sandbox_internal_error",
            }
        },
        500,
    )
