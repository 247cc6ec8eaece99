"""OpenAI's refusals, in its own shapes.

Source: https://platform.openai.com/docs/guides/error-codes and answers of the real API.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headway.sandbox.disturbance import retry_after_headers
from headway.sandbox.faults import Fault

__all__ = ["OpenAIError", "refusal", "request_headers"]


class OpenAIError(Exception):
    """A refusal.

    Args:
        status: The HTTP status.
        message: For people.
        type_: The class of the error.
        param: The parameter at fault.
        code: The machine-readable code.
        headers: Beside the usual ones.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": type_, "param": param, "code": code}}
        self.headers = headers

    def response(self) -> Response:
        """The answer that says so."""
        return JSONResponse(self.body, self.status, {**request_headers(), **(self.headers or {})})


def request_headers() -> dict[str, str]:
    """The headers of every answer."""
    return {"x-request-id": f"req_sandbox_{secrets.token_hex(12)}", "openai-version": "2020-10-01"}


def refusal(fault: Fault, request: Request) -> Response:
    """The answer for a fault that refuses a request outright.

    Args:
        fault: One of 429, quota, 500, 503.
        request: What is refused.
    """
    headers = retry_after_headers(fault)
    if fault.kind == "429":
        wait = f" Please try again in {fault.retry_after:g}s." if fault.retry_after is not None else ""
        error = OpenAIError(
            429,
            "Rate limit reached for requests per min (RPM) in organization org-sandbox: Limit 500, Used 500, "
            f"Requested 1.{wait}",
            type_="requests",
            code="rate_limit_exceeded",
            headers={
                **headers,
                "x-ratelimit-limit-requests": "500",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": f"{fault.retry_after or 1:g}s",
            },
        )
    elif fault.kind == "quota":
        error = OpenAIError(
            429,
            "You exceeded your current quota, please check your plan and billing details. For more "
            "information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
            type_="insufficient_quota",
            code="insufficient_quota",
        )
    elif fault.kind == "503":
        error = OpenAIError(
            503,
            "The engine is currently overloaded, please try again later.",
            type_="service_unavailable_error",
            code="service_unavailable",
            headers=headers,
        )
    else:
        error = OpenAIError(
            500,
            "The server had an error while processing your request. Sorry about that!",
            type_="server_error",
            headers=headers,
        )
    return error.response()
