"""What servers and libraries say becomes an error of the tree that says what to do."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError, generate_default_error_message
from storage3.exceptions import StorageApiError
from supabase_auth.errors import AuthApiError, AuthRetryableError, AuthSessionMissingError

from headway.core.libraries import error_from_library
from headway.core.refusals import error_from_response
from headway.core.repetition import REPEATABLE_FUNCTIONS, may_repeat
from headway.core.transport import error_from_httpx
from headway.errors import (
    ApiError,
    BudgetExceeded,
    ConfigError,
    Conflict,
    ConnectFailed,
    Denied,
    HeadwayError,
    InvalidRequest,
    LeaseLost,
    NotFound,
    SchemaMismatch,
    TimedOut,
    TransportError,
)

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


def answered(status: int, body: Any = None, **headers: str) -> HeadwayError:
    content = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_from_response(status, content, named, now=NOW)


def said(code: str, message: str = "no", **rest: Any) -> dict[str, Any]:
    return {"code": code, "message": message, "details": None, "hint": None} | rest


def test_every_code_of_the_engine_is_the_error_that_its_documentation_names() -> None:
    page = (ROOT / "docs/engine.md").read_text()
    table = re.findall(r"^\| (HW\d{3}) \| .* \| (\w+) \|$", page, re.MULTILINE)
    assert len(table) == len(re.findall(r"^\| HW", page, re.MULTILINE)) > 0
    for code, name in table:
        error = answered(400, said(code, "priority: is wrong", details="priority", hint="Send 0 to 9."))
        assert type(error).__name__ == name
        assert (error.code, error.details, error.hint) == (code, "priority", "Send 0 to 9.")
        assert error.message == "priority: is wrong"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "PGRST000", TransportError),
        (503, "PGRST002", TransportError),
        (504, "PGRST003", TransportError),
        (400, "PGRST100", InvalidRequest),
        (406, "PGRST106", ConfigError),
        (406, "PGRST116", NotFound),
        (404, "PGRST125", ConfigError),
        (404, "PGRST202", SchemaMismatch),
        (404, "PGRST205", SchemaMismatch),
        (500, "PGRST300", ConfigError),
        (401, "PGRST301", Denied),
        (401, "PGRST302", Denied),
        (401, "PGRST303", Denied),
        (500, "PGRSTX00", TransportError),
        (403, "42501", Denied),
        (401, "42501", Denied),
        (404, "42883", SchemaMismatch),
        (404, "42P01", SchemaMismatch),
        (409, "23505", Conflict),
        (409, "23503", Conflict),
        (400, "23514", InvalidRequest),
        (400, "22P02", InvalidRequest),
        (500, "40001", TransportError),
        (500, "40P01", TransportError),
        (500, "57014", TimedOut),
        (503, "57P01", TransportError),
        (503, "53300", TransportError),
        (503, "08006", TransportError),
        (403, "28000", Denied),
        (500, "42P17", ApiError),
        (500, "XX000", ApiError),
        (400, "P0001", InvalidRequest),
        (400, "21000", InvalidRequest),
        (400, "HW999", ApiError),
    ],
)
def test_codes_of_postgrest_and_postgres(status: int, code: str, kind: type[HeadwayError]) -> None:
    error = answered(status, said(code))
    assert type(error) is kind
    assert error.code == code


def test_a_schema_that_is_not_exposed_says_where_to_expose_it() -> None:
    error = answered(
        406, said("PGRST106", "Invalid schema: headway", hint="Only the following schemas: public")
    )
    assert "exposed schemas" in str(error.hint)
    assert "migrations" in str(answered(404, said("PGRST202", hint="Perhaps you meant x")).hint)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (
            400,
            {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"},
            InvalidRequest,
            "invalid_credentials",
        ),
        (403, {"code": "not_admin", "message": "User not allowed"}, Denied, "not_admin"),
        (
            404,
            {"code": 404, "error_code": "user_not_found", "msg": "User not found"},
            NotFound,
            "user_not_found",
        ),
        (400, {"error": "invalid_grant", "error_description": "Bad code"}, InvalidRequest, "invalid_grant"),
        (
            400,
            {"statusCode": "404", "error": "not_found", "message": "Object not found", "code": "NoSuchKey"},
            NotFound,
            "NoSuchKey",
        ),
        (
            400,
            {"statusCode": "404", "error": "not_found", "message": "Object not found"},
            NotFound,
            "not_found",
        ),
        (
            400,
            {"statusCode": "403", "error": "Unauthorized", "message": "new row violates"},
            Denied,
            "Unauthorized",
        ),
        (400, {"statusCode": "409", "error": "Duplicate", "message": "exists"}, Conflict, "Duplicate"),
        (
            400,
            {"statusCode": "413", "error": "Payload too large", "message": "big"},
            InvalidRequest,
            "Payload too large",
        ),
        (
            429,
            {"statusCode": "429", "error": "too_many_connections", "message": "slow", "code": "SlowDown"},
            TransportError,
            "SlowDown",
        ),
        (
            544,
            {"statusCode": "544", "error": "DatabaseTimeout", "message": "slow"},
            TimedOut,
            "DatabaseTimeout",
        ),
        (401, {"message": "No API key found in request"}, ConfigError, "config_error"),
        (401, {"message": "Invalid API key", "hint": "Double check your key"}, ConfigError, "config_error"),
        (401, {"message": "Unauthorized"}, Denied, "denied"),
        (540, {"message": "project paused"}, TransportError, "transport_error"),
    ],
)
def test_auth_storage_and_the_gateway(status: int, body: Any, kind: type[HeadwayError], code: str) -> None:
    error = answered(status, body)
    assert (type(error), error.code) == (kind, code)
    assert error.message in body.values()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, Denied),
        (403, Denied),
        (404, NotFound),
        (408, TimedOut),
        (409, Conflict),
        (413, InvalidRequest),
        (418, ApiError),
        (423, Conflict),
        (429, TransportError),
        (500, TransportError),
        (501, ApiError),
        (502, TransportError),
        (503, TransportError),
        (504, TimedOut),
        (520, TransportError),
        (522, TimedOut),
        (530, TransportError),
    ],
)
@pytest.mark.parametrize(
    "body", [None, b"", b"<html>hush-secret</html>", b"\xff", b"[1]", b"{}", b"[" * 100_000]
)
def test_an_answer_without_an_explanation_is_judged_by_its_status(
    status: int, kind: type[HeadwayError], body: bytes | None
) -> None:
    error = answered(status, body)
    assert type(error) is kind
    assert error.message == f"the server answered HTTP {status} without saying why"


def test_how_long_to_wait_is_kept() -> None:
    error = answered(429, None, Retry_After="7")
    assert isinstance(error, TransportError)
    assert (error.retry_after, error.status, error.code) == (7.0, 429, "rate_limited")
    dated = answered(503, said("PGRST002"), retry_after="Sun, 22 Nov 2026 10:00:09 GMT")
    assert isinstance(dated, TransportError)
    assert dated.retry_after == 9.0


def test_a_long_message_is_cut() -> None:
    assert len(answered(400, said("22P02", "x" * 100_000)).message) == 1000


REQUEST = httpx.Request("POST", "https://ref.supabase.co/rest/v1/rpc/submit?apikey=hush-secret")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), ConnectFailed),
        (httpx.ConnectTimeout("slow"), ConnectFailed),
        (httpx.PoolTimeout("busy"), ConnectFailed),
        (httpx.ProxyError("403"), ConnectFailed),
        (httpx.ReadTimeout("slow"), TimedOut),
        (httpx.WriteTimeout("slow"), TimedOut),
        (httpx.ReadError("reset"), TransportError),
        (httpx.WriteError("reset"), TransportError),
        (httpx.CloseError("reset"), TransportError),
        (httpx.RemoteProtocolError("gone"), TransportError),
        (httpx.DecodingError("gzip"), TransportError),
        (httpx.UnsupportedProtocol("ftp"), ConfigError),
        (httpx.TooManyRedirects("loop"), ConfigError),
        (httpx.InvalidURL("hush-secret"), ConfigError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("with_request", [True, False])
def test_what_httpx_raises(error: Any, kind: type[HeadwayError], with_request: bool) -> None:
    if with_request and isinstance(error, httpx.RequestError):
        error.request = REQUEST
    found = error_from_httpx(error, now=NOW)
    assert type(found) is kind
    assert found.hint
    assert "hush-secret" not in str(found)
    if with_request and kind is TimedOut:
        assert "ref.supabase.co" in found.message


def test_a_status_that_httpx_raises_is_read_like_any_answer() -> None:
    response = httpx.Response(400, json=said("HW301", details="job_id"), request=REQUEST)
    found = error_from_httpx(httpx.HTTPStatusError("x", request=REQUEST, response=response), now=NOW)
    assert (type(found), found.details) == (NotFound, "job_id")


def test_a_streamed_answer_that_was_not_read_is_judged_by_its_status() -> None:
    response = httpx.Response(503, stream=httpx.ByteStream(b"{}"), request=REQUEST)
    found = error_from_httpx(httpx.HTTPStatusError("x", request=REQUEST, response=response), now=NOW)
    assert type(found) is TransportError


def page(status: int) -> APIError:
    return APIError(generate_default_error_message(httpx.Response(status, html="<p>hush-secret</p>")))


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (APIError(said("HW107", details="kind", hint="Did you mean cv.parse?")), InvalidRequest, "HW107"),
        (APIError(said("HW001")), LeaseLost, "HW001"),
        (APIError(said("HW501")), BudgetExceeded, "HW501"),
        (APIError(said("PGRST202")), SchemaMismatch, "PGRST202"),
        (APIError({}), ApiError, "api_error"),
        (page(502), TransportError, "transport_error"),
        (page(404), NotFound, "not_found"),
        (StorageApiError("Object not found", "not_found", "404"), NotFound, "not_found"),
        (StorageApiError("exists", "Duplicate", 409), Conflict, "Duplicate"),
        (
            StorageApiError("could not parse: hush-secret", "LibraryError", 500),
            TransportError,
            "transport_error",
        ),
        (
            AuthApiError("Invalid login credentials", 400, "invalid_credentials"),
            InvalidRequest,
            "invalid_credentials",
        ),
        (
            AuthApiError("slow down", 429, "over_request_rate_limit"),
            TransportError,
            "over_request_rate_limit",
        ),
        (AuthSessionMissingError(), InvalidRequest, "invalid_request"),
        (AuthRetryableError("[Errno 111] Connection refused", 0), TransportError, "transport_error"),
        (AuthRetryableError("Bad Gateway", 502), TransportError, "transport_error"),
        (httpx.ReadTimeout("x"), TimedOut, "timed_out"),
    ],
)
def test_what_the_official_libraries_raise(raised: Exception, kind: type[HeadwayError], code: str) -> None:
    found = error_from_library(raised, now=NOW)
    assert found is not None
    assert (type(found), found.code) == (kind, code)
    assert "hush-secret" not in f"{found} {found.details}"


def test_strangers_are_left_alone_and_own_errors_kept() -> None:
    own = Conflict("x")
    assert error_from_library(own, now=NOW) is own
    assert error_from_library(KeyError("x"), now=NOW) is None


def test_every_repeatable_function_exists() -> None:
    sql = "\n".join(path.read_text() for path in (ROOT / "supabase/migrations").glob("*.sql"))
    existing = set(re.findall(r"^create (?:or replace )?function headway\.(\w+)\(", sql, re.MULTILINE))
    assert existing >= REPEATABLE_FUNCTIONS
    assert {"retry", "emit"} <= existing - REPEATABLE_FUNCTIONS


@pytest.mark.parametrize(
    ("error", "method", "function", "again"),
    [
        (ConnectFailed(), "POST", None, True),
        (ConnectFailed(), "POST", "retry", True),
        (TimedOut(), "POST", "submit", True),
        (TimedOut(), "POST", "retry", False),
        (TimedOut(), "POST", None, False),
        (TimedOut(), "get", None, True),
        (TimedOut(), "PATCH", None, False),
        (TransportError(status=502), "POST", "retry", False),
        (TransportError(status=429), "POST", "retry", True),
        (TransportError(code="40001", status=500), "POST", "retry", True),
        (TimedOut(code="57014", status=500), "POST", "retry", True),
        (InvalidRequest(), "GET", "submit", False),
        (Denied(), "GET", None, False),
        (ConfigError(), "GET", None, False),
        (LeaseLost(), "POST", "finish", False),
        (KeyError(), "GET", None, False),
    ],
)
def test_what_may_be_sent_again(error: BaseException, method: str, function: str | None, again: bool) -> None:
    assert may_repeat(error, method=method, function=function) is again
