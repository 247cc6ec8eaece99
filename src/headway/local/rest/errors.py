"""Refusals of requests, with PostgREST's codes, statuses and texts.

Source: PostgREST's documentation, "Errors"; the texts are those of version 16.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["RestError", "body_error", "query_error"]


class RestError(Exception):
    """A request is answered with an error.

    Args:
        status: The HTTP status.
        code: A PostgREST code or an SQLSTATE.
        message: What is wrong.
        details: More about it; any JSON value.
        hint: What to do about it.
        headers: Further response headers.
        reason: The status line's reason phrase, where the database chose one.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Any = None,
        hint: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        reason: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint
        self.headers = list(headers)
        self.reason = reason

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {"code": self.code, "details": self.details, "hint": self.hint, "message": self.message}


def query_error(position: str, details: str) -> RestError:
    """The query string cannot be parsed."""
    return RestError(400, "PGRST100", position, details)


def rpc_method_error(method: str) -> RestError:
    """A function is called with a method other than GET, HEAD and POST."""
    return RestError(405, "PGRST101", f"Cannot use the {method} method on RPC")


def body_error(message: str) -> RestError:
    """The request's body is not usable."""
    return RestError(400, "PGRST102", message)


def negative_limit_error() -> RestError:
    """``limit`` is negative."""
    return _range_error("Limit should be greater than or equal to zero.")


def inverted_range_error() -> RestError:
    """The ``Range`` header ends before it begins."""
    return _range_error(
        "The lower boundary must be lower than or equal to the upper boundary in the Range header."
    )


def out_of_range_error(offset: int, total: int) -> RestError:
    """The page begins behind the last row."""
    return _range_error(f"An offset of {offset} was requested, but there are only {total} rows.")


def _range_error(details: str) -> RestError:
    return RestError(416, "PGRST103", "Requested range not satisfiable", details)


def put_filters_error() -> RestError:
    """A PUT's filters are not exactly the primary key."""
    return RestError(
        405, "PGRST105", "Filters must include all and only primary key columns with 'eq' operators"
    )


def schema_error(schema: str, exposed: Sequence[str]) -> RestError:
    """The schema asked for is not exposed."""
    return RestError(
        406,
        "PGRST106",
        f"Invalid schema: {schema}",
        hint=f"Only the following schemas are exposed: {', '.join(exposed)}",
    )


def media_type_error(accepted: Iterable[str]) -> RestError:
    """None of the accepted media types can be produced."""
    return RestError(406, "PGRST107", f"None of these media types are available: {', '.join(accepted)}")


def not_embedded_error(relation: str) -> RestError:
    """A filter, order or limit names a relation that is not embedded."""
    return RestError(
        400,
        "PGRST108",
        f"'{relation}' is not an embedded resource in this request",
        hint=f"Verify that '{relation}' is included in the 'select' query parameter.",
    )


def target_name_error(relation: str, alias: str) -> RestError:
    """A filter names an aliased embed by its table, and that is switched off."""
    return RestError(
        400,
        "PGRST108",
        f"'{relation}' is not an embedded resource in this request",
        "Target names are not allowed in filters if they have an alias",
        f"Change '{relation}' to '{alias}' in filters, orders or limits.",
    )


def response_headers_error() -> RestError:
    """The function left something unusable in ``response.headers``."""
    return RestError(
        500,
        "PGRST111",
        "response.headers guc must be a JSON array composed of objects with a single key and a string value",
    )


def response_status_error() -> RestError:
    """The function left something unusable in ``response.status``."""
    return RestError(500, "PGRST112", "response.status guc must be a valid status code")


def put_limit_error() -> RestError:
    """A PUT carries limit or offset."""
    return RestError(400, "PGRST114", "limit/offset querystring parameters are not allowed for PUT")


def put_mismatch_error() -> RestError:
    """A PUT's body has another primary key than its URL."""
    return RestError(400, "PGRST115", "Payload values do not match URL in primary key column(s)")


def singular_error(rows: int) -> RestError:
    """One object was asked for, and there is not exactly one."""
    return RestError(
        406,
        "PGRST116",
        "Cannot coerce the result to a single JSON object",
        f"The result contains {rows} rows",
    )


def method_error(method: str) -> RestError:
    """No resource knows this method."""
    return RestError(405, "PGRST117", f"Unsupported HTTP method: {method}")


def related_order_error(origin: str, target: str) -> RestError:
    """Ordering by an embed that has many rows."""
    return RestError(
        400,
        "PGRST118",
        f"A related order on '{target}' is not possible",
        f"'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship",
    )


def raised_error_error(details: str, *, in_message: bool) -> RestError:
    """A function raised SQLSTATE ``PGRST`` without the JSON that it needs."""
    if in_message:
        keys = "'code', 'message' and optional keys: 'details', 'hint'"
        hint = f"MESSAGE must be a JSON object with obligatory keys: {keys}."
    else:
        hint = (
            "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: "
            "'status_text'."
        )
    message = "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"
    return RestError(500, "PGRST121", message, details, hint)


def preferences_error(invalid: Iterable[str]) -> RestError:
    """Unknown preferences, and the client asked to be told."""
    return RestError(
        400,
        "PGRST122",
        "Invalid preferences given with handling=strict",
        f"Invalid preferences: {', '.join(invalid)}",
    )


def aggregates_error() -> RestError:
    """Aggregates are switched off."""
    return RestError(400, "PGRST123", "Use of aggregate functions is not allowed")


def max_affected_error(rows: int) -> RestError:
    """More rows are affected than the client allows."""
    return RestError(
        400,
        "PGRST124",
        "Query result exceeds max-affected preference constraint",
        f"The query affects {rows} rows",
    )


def path_error() -> RestError:
    """There is no such path."""
    return RestError(404, "PGRST125", "Invalid path specified in request URL")


def openapi_disabled_error() -> RestError:
    """The root document is switched off."""
    return RestError(404, "PGRST126", "Root endpoint metadata is disabled")


def not_implemented_error(details: str) -> RestError:
    """PostgREST does not do this either."""
    return RestError(400, "PGRST127", "Feature not implemented", details)


def max_affected_rpc_error() -> RestError:
    """``max-affected`` on a function that returns one thing."""
    return RestError(
        400,
        "PGRST128",
        "Function must return SETOF or TABLE when max-affected preference is used with handling=strict",
    )


def column_error(table: str, column: str) -> RestError:
    """The table has no such column."""
    return RestError(
        400, "PGRST204", f"Could not find the '{column}' column of '{table}' in the schema cache"
    )


def unauthenticated(code: str, message: str, details: str | None = None) -> RestError:
    """A token is refused."""
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    return RestError(401, code, message, details, headers=[("WWW-Authenticate", challenge)])


def no_schema_cache_error() -> RestError:
    """The database cannot be described yet."""
    return RestError(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")


def connection_error() -> RestError:
    """No connection to the database can be made."""
    return RestError(503, "PGRST000", "Database connection error.")


def client_error() -> RestError:
    """A connection to the database broke."""
    return RestError(503, "PGRST001", "Database client error. Retrying the connection.")


def pool_timeout_error() -> RestError:
    """Every connection is busy, for too long."""
    return RestError(504, "PGRST003", "Timed out acquiring connection from connection pool.")


def internal_error() -> RestError:
    """A fault of this service; its cause is in the log and never in the answer."""
    return RestError(500, "PGRSTX00", "An unexpected error occurred.")
