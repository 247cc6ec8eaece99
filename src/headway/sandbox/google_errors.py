"""Refusals in the shape that all of Google's APIs share.

Source: https://cloud.google.com/apis/design/errors (``google.rpc.Status``, ``google.rpc.RetryInfo``).
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headway.sandbox.disturbance import retry_after_headers
from headway.sandbox.faults import Fault

__all__ = ["GoogleError", "authenticate", "refusal"]

_STATUS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class GoogleError(Exception):
    """A refusal.

    Args:
        code: The HTTP status.
        message: For people.
        details: Typed additions, such as ``RetryInfo``.
        headers: Beside the usual ones.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        details: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "error": {
                "code": code,
                "message": message,
                "status": _STATUS[code],
                **({"details": details} if details else {}),
            }
        }
        self.headers = headers or {}

    def response(self) -> Response:
        """The answer that says so."""
        return JSONResponse(self.body, self.code, self.headers)


def authenticate(request: Request, key: str) -> None:
    """Admit callers with the sandbox's key only.

    Args:
        request: With the key as ``x-goog-api-key`` or ``?key=``.
        key: The only one that is taken.

    Raises:
        GoogleError: there is no key, or another one.
    """
    given = request.headers.get("x-goog-api-key") or request.query_params.get("key")
    if not given:
        raise GoogleError(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). Please use "
            "API Key or other form of API consumer identity to call this API.",
        )
    if given != key:
        raise GoogleError(
            400,
            "API key not valid. Please pass a valid API key. (This is the Headway sandbox, which takes only "
            "the key that `headway sandbox` prints.)",
            details=[
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                }
            ],
        )


def refusal(fault: Fault, request: Request) -> Response:
    """The answer for a fault that refuses a request outright.

    Args:
        fault: One of 429, quota, 500, 503.
        request: What is refused.
    """
    headers = retry_after_headers(fault)
    if fault.kind == "quota":
        details = [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaMetric": "requests", "quotaId": "RequestsPerDayPerProject-Sandbox"}],
            }
        ]
        message = "You exceeded your current quota, please check your plan and billing details."
        return GoogleError(429, message, details=details).response()
    if fault.kind == "429":
        info = [
            {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": f"{fault.retry_after or 1:g}s",
            }
        ]
        return GoogleError(
            429, "Resource has been exhausted (e.g. check quota).", details=info, headers=headers
        ).response()
    if fault.kind == "503":
        return GoogleError(
            503, "The service is overloaded. Please try again later.", headers=headers
        ).response()
    return GoogleError(500, "An internal error has occurred. Please retry.", headers=headers).response()
