"""The worker's own routes: is it alive, does it take jobs, what are its figures."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from headway.worker.service import Condition

__all__ = ["health_routes"]

_NEVER_CACHED = {"cache-control": "no-store"}


def health_routes(
    condition: Callable[[], Condition], registry: CollectorRegistry, *, metrics_token: SecretStr | None
) -> list[Route]:
    """``/healthz``, ``/readyz`` and ``/metrics``.

    Args:
        condition: How the worker is now.
        registry: Its figures.
        metrics_token: What readers of the figures must send as bearer token; ``None`` for everybody.
    """

    async def healthz(_request: Request) -> Response:
        """200 while the worker works, 503 when its supervisor should start it anew."""
        now = condition()
        return _answer(now.live, now)

    async def readyz(_request: Request) -> Response:
        """200 while the worker takes jobs, 503 while it does not: starting, draining, no engine."""
        now = condition()
        return _answer(now.live and now.ready, now)

    async def metrics(request: Request) -> Response:
        """The figures in Prometheus' text format, or as OpenMetrics to those who ask for it."""
        if metrics_token is not None and not _has(request, metrics_token):
            return PlainTextResponse(
                "Send the token of HEADWAY_METRICS_TOKEN as a bearer token.\n",
                401,
                headers={"www-authenticate": "Bearer", **_NEVER_CACHED},
            )
        encoder, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(registry), media_type=content_type, headers=_NEVER_CACHED)

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def _answer(good: bool, now: Condition) -> Response:
    body = {
        "status": "ok" if good else "unavailable",
        "live": now.live,
        "ready": now.ready,
        "draining": now.draining,
        "link": now.link,
        "slots": now.slots,
        "running": sum(now.running.values()),
        "faults": list(now.faults),
    }
    return JSONResponse(body, 200 if good else 503, headers=_NEVER_CACHED)


def _has(request: Request, token: SecretStr) -> bool:
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    expected = token.get_secret_value().encode()
    return scheme.lower() == "bearer" and hmac.compare_digest(presented.strip().encode(), expected)
