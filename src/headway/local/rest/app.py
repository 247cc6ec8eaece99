"""The ASGI application.

Source: PostgREST's documentation, "API", "Transactions" and "Authentication".
"""

from __future__ import annotations

import logging
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from headway.local.identity import Identity, TokenVerifier
from headway.local.rest.authentication import authenticate, check_audience
from headway.local.rest.database.schema_watch import SchemaWatch, State
from headway.local.rest.database.transaction import DatabasePool, Transaction, UnknownTypeError
from headway.local.rest.errors import RestError, internal_error, no_schema_cache_error
from headway.local.rest.identifiers import quote_list
from headway.local.rest.openapi.service import describe
from headway.local.rest.plan.outcome import Describe, Execute, Information, Planned
from headway.local.rest.request.http import HttpRequest, read_body
from headway.local.rest.response import Response, answer, check_rows, error_response, render
from headway.local.rest.safeupdate import unqualified_write_error

__all__ = ["RestApp"]

_log = logging.getLogger(__name__)
_MISSING = frozenset({"PGRST200", "PGRST202", "PGRST204", "PGRST205", "PGRST106"})
"""Refusals that a newer schema cache might lift."""


class RestApp:
    """Answers requests for tables and functions.

    Args:
        verifier: Verifies tokens.
        watch: Knows the schema.
        pool: Runs statements.
        public_url: Where clients reach this service.
    """

    def __init__(
        self, verifier: TokenVerifier, watch: SchemaWatch, pool: DatabasePool, public_url: str
    ) -> None:
        self._verifier = verifier
        self._watch = watch
        self._pool = pool
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise ValueError(f"the scope type {scope['type']} is not served here")
        request = HttpRequest.from_scope(scope)
        try:
            identity = authenticate(self._verifier, request.bearer)
            # Whatever receiving raises belongs to whoever passed the channel on, such as the gateway.
            body = await read_body(receive)
        except RestError as error:
            response = self._refusal(error)
        else:
            response = await self._guarded(request, body, identity)
        start, message = render(response)
        if request.method == "HEAD":
            message["body"] = b""
        await send(start)
        await send(message)

    def _refusal(self, error: RestError) -> Response:
        state = self._watch.state
        return error_response(error, verbose=state is None or state.config.verbose_errors)

    async def _guarded(self, request: HttpRequest, body: bytes, identity: Identity) -> Response:
        try:
            return await self._answer(request, body, identity)
        except RestError as error:
            return self._refusal(error)
        except Exception:  # noqa: BLE001 - the last resort: whatever it is, no trace of it reaches the caller
            _log.exception("%s %s failed", request.method, request.path)
            return error_response(internal_error())

    async def _answer(self, request: HttpRequest, body: bytes, identity: Identity) -> Response:
        state = self._current()
        try:
            return await self._respond(request, body, identity, state)
        except RestError as error:
            # It may have been made a moment ago.
            if error.code not in _MISSING or not await self._watch.is_behind():
                raise
            await self._watch.settled()
        except UnknownTypeError:
            await self._watch.reload()
        return await self._respond(request, body, identity, self._current())

    def _current(self) -> State:
        state = self._watch.state
        if state is None:
            raise no_schema_cache_error()
        return state

    async def _respond(self, request: HttpRequest, body: bytes, identity: Identity, state: State) -> Response:
        check_audience(identity, state.config.audience)
        planned = state.plans.plan(request, body)
        if isinstance(planned, Information):
            return _allowed(planned)
        transaction = self._transaction(request, planned, identity, state)
        if isinstance(planned, Describe):
            return await describe(planned, self._pool, transaction, identity, state, self._public_url)
        if planned.refusal is not None:
            raise unqualified_write_error(planned.refusal)
        statements = [planned.statement]
        if planned.count_plan is not None:
            statements.append(planned.count_plan)
        results = await self._pool.run(transaction, statements, lambda rows: check_rows(planned, rows))
        return answer(planned, results, state.config.max_rows)

    def _transaction(
        self, request: HttpRequest, planned: Planned, identity: Identity, state: State
    ) -> Transaction:
        config = state.config
        role = config.anonymous_role if identity.token is None else identity.role
        role_settings = config.roles.get(role)
        routine = planned.routine if isinstance(planned, Execute) else None
        preferences = planned.preferences if isinstance(planned, Execute) else None
        schema = _schema_of(request, planned, config.schemas)
        settings: list[tuple[str, str | bytes]] = [
            ("search_path", quote_list((schema, *config.extra_search_path))),
        ]
        if role_settings is not None:
            # Before the role changes: the login role may be allowed to set what the other may not.
            settings += role_settings.values
        settings += [
            ("role", role),
            ("request.jwt.claims", _claims(identity, role)),
            ("request.method", request.method),
            ("request.path", request.path),
            ("request.headers", _headers_json(request)),
            ("request.cookies", _cookies_json(request)),
        ]
        if preferences is not None and preferences.timezone is not None:
            settings.append(("timezone", preferences.timezone))
        if routine is not None:
            settings += routine.settings
        rollback = config.rollback
        if preferences is not None and preferences.transaction is not None:
            rollback = preferences.transaction == "rollback"
        isolation = (routine.isolation if routine else None) or (
            role_settings.isolation if role_settings else None
        )
        return Transaction(
            settings=settings,
            read_only=not isinstance(planned, Execute) or planned.read_only,
            isolation=isolation,
            pre_request=config.pre_request,
            rollback=rollback,
            anonymous=role == config.anonymous_role,
        )


def _schema_of(request: HttpRequest, planned: Planned, schemas: tuple[str, ...]) -> str:
    named = planned.schema if isinstance(planned, Describe | Execute) else None
    return named or schemas[0]


def _claims(identity: Identity, role: str) -> str:
    if identity.claims.get("role") == role:
        return identity.claims_json
    return orjson.dumps({**identity.claims, "role": role}).decode()


def _headers_json(request: HttpRequest) -> bytes:
    return orjson.dumps({name: _utf8(value) for name, value in request.headers if name != "cookie"})


def _cookies_json(request: HttpRequest) -> bytes:
    return orjson.dumps({_utf8(name): _utf8(value) for name, value in request.cookies().items()})


def _utf8(text: str) -> str:
    """A header's value, which came as Latin-1, read as the UTF-8 it most likely is."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


def _allowed(information: Information) -> Response:
    headers: list[tuple[str, Any]] = [
        ("Content-Length", "0"),
        ("Access-Control-Allow-Origin", "*"),
        ("Allow", information.allow),
    ]
    return Response(200, headers, b"")
