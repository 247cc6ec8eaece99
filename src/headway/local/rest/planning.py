"""From an HTTP request to the statements that answer it.

Source: PostgREST's documentation, "API"; the order of the checks decides which of several errors is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from headway.local.rest.database.settings import RestConfig
from headway.local.rest.errors import (
    max_affected_rpc_error,
    media_type_error,
    method_error,
    openapi_disabled_error,
    path_error,
    preferences_error,
    rpc_method_error,
    schema_error,
)
from headway.local.rest.identifiers import QName
from headway.local.rest.plan.call import find_routine, plan_call
from headway.local.rest.plan.hints import no_table
from headway.local.rest.plan.model import DeletePlan, ReadPlan, UpdatePlan
from headway.local.rest.plan.mutate import plan_mutation
from headway.local.rest.plan.negotiate import negotiate
from headway.local.rest.plan.outcome import Describe, Execute, Information, Kind, Planned
from headway.local.rest.plan.read import ReadOptions, plan_read, renamed_filters
from headway.local.rest.request.http import HttpRequest
from headway.local.rest.request.media_types import (
    ANY,
    JSON,
    OPENAPI,
    MediaType,
    parse_accept,
    parse_media_type,
)
from headway.local.rest.request.payload import Payload, parse_payload
from headway.local.rest.request.preferences import Preferences, parse_preferences
from headway.local.rest.request.query_string import (
    QueryParameters,
    parse_query_string,
    split_query_string,
)
from headway.local.rest.request.ranges import Range, top_level_range
from headway.local.rest.schema.model import Routine, SchemaCache
from headway.local.rest.sql.handlers import BodyFormat
from headway.local.rest.sql.statements import (
    call_statement,
    count_plan_statement,
    mutate_statement,
    read_statement,
)
from headway.local.rest.sql.writer import Statement

__all__ = ["plan_request"]


def plan_request(
    request: HttpRequest, body: bytes | Payload, config: RestConfig, cache: SchemaCache
) -> Planned:
    """What a request means.

    Args:
        request: The request line and headers.
        body: The request's body, or what was already made of it.
        config: The configuration.
        cache: The schema cache.

    Raises:
        RestError: it cannot be answered.
    """
    segments = request.path.split("/")[1:]
    is_function = len(segments) == 2 and segments[0] == "rpc"
    if len(segments) != 1 and not is_function:
        raise path_error()
    planner = _Planner(request, body, config, cache, *_schema(request, config))
    if is_function:
        return planner.function(segments[1])
    return planner.table(segments[0]) if segments[0] else planner.root()


def _schema(request: HttpRequest, config: RestConfig) -> tuple[str, str | None]:
    """The schema, and the same again if the response is to name it."""
    writes = request.method in ("POST", "PATCH", "PUT", "DELETE")
    wanted = request.header("content-profile" if writes else "accept-profile")
    if wanted is None:
        default = config.schemas[0]
        return default, default if len(config.schemas) > 1 else None
    wanted = wanted.encode("latin-1").decode("utf-8", "replace")
    if wanted not in config.schemas:
        raise schema_error(wanted, config.schemas)
    return wanted, wanted


@dataclass(frozen=True, slots=True)
class _Planner:
    request: HttpRequest
    body: bytes | Payload
    config: RestConfig
    cache: SchemaCache
    schema: str
    profile: str | None

    # resources

    def root(self) -> Planned:
        if self.config.openapi == "disabled":
            raise openapi_disabled_error()
        if self.config.root_function is not None:
            return self.function(self.config.root_function)
        if self.request.method == "OPTIONS":
            return Information("OPTIONS,GET,HEAD")
        if self.request.method not in ("GET", "HEAD"):
            raise method_error(self.request.method)
        accepted = parse_accept(self.request.header("accept"))
        if not any(wanted in (OPENAPI, JSON, ANY) for wanted in accepted):
            raise media_type_error(map(str, accepted))
        return Describe(self.schema, self.profile, self.request.method == "HEAD")

    def table(self, name: str) -> Planned:
        table = QName(self.schema, name)
        method = self.request.method
        if method == "OPTIONS":
            return self._table_methods(table)
        if method in ("GET", "HEAD"):
            return self._read(table)
        if method in ("POST", "PATCH", "PUT", "DELETE"):
            return self._mutate(table, method)
        raise method_error(method)

    def function(self, name: str) -> Planned:
        function = QName(self.schema, name)
        method = self.request.method
        if method not in ("GET", "HEAD", "POST", "OPTIONS"):
            raise rpc_method_error(method)
        pairs = split_query_string(self.request.query)
        query = parse_query_string(pairs, arguments=method != "POST")
        span = self._range(query)
        content_type = self._content_type()
        payload = None
        arguments = frozenset(argument for argument, _ in query.arguments)
        if method == "POST":
            payload = self._payload(content_type, query.columns, rpc=True)
            arguments = payload.keys
        routine = find_routine(self.cache, function, arguments, content_type.name, post=method == "POST")
        if method == "OPTIONS":
            return Information("OPTIONS,POST" if routine.volatility == "v" else "OPTIONS,GET,HEAD,POST")
        preferences = self._preferences()
        rows = QName(self.schema, routine.table_name or routine.name.name)
        plan = plan_read(self.cache, rows, query, self._options(span, from_source=True))
        call = plan_call(routine, plan, payload, query.arguments)
        body, media_type = self._negotiate(rows, plan)
        self._check_preferences(preferences)
        if preferences.strict and preferences.max_affected is not None and not routine.returns.is_set:
            raise max_affected_rpc_error()
        statement = call_statement(
            plan, call, preferences, self.config.max_rows, span, self._headless(body), media_type
        )
        applied = replace(preferences, resolution=None, returning=None, missing=None)
        return self._execute(
            "call",
            statement,
            plan,
            media_type,
            applied,
            span,
            routine.name.name,
            routine=routine,
            read_only=method != "POST" or routine.volatility != "v",
            refusal=routine.unqualified_write,
        )

    # tables

    def _table_methods(self, table: QName) -> Information:
        known = self.cache.tables.get(table)
        if known is None:
            raise no_table(self.cache, table)
        allowed = ["OPTIONS", "GET", "HEAD"]
        if known.insertable:
            allowed.append("POST")
        if known.insertable and known.updatable and known.primary_key:
            allowed.append("PUT")
        if known.updatable:
            allowed.append("PATCH")
        if known.deletable:
            allowed.append("DELETE")
        return Information(",".join(allowed))

    def _read(self, table: QName) -> Execute:
        pairs = split_query_string(self.request.query)
        query = parse_query_string(pairs, arguments=False)
        span = self._range(query)
        if table not in self.cache.tables:
            raise no_table(self.cache, table)
        preferences = self._preferences()
        plan = plan_read(self.cache, table, query, self._options(span))
        body, media_type = self._negotiate(table, plan)
        self._check_preferences(preferences)
        statement = read_statement(
            plan, preferences, self.config.max_rows, span, self._headless(body), media_type
        )
        return self._execute(
            "read",
            statement,
            plan,
            media_type,
            replace(preferences, resolution=None, returning=None, missing=None, max_affected=None),
            span,
            f"/{table.name}",
            count_plan=count_plan_statement(plan)
            if preferences.count in ("planned", "estimated") and media_type.plan is None
            else None,
        )

    def _mutate(self, table: QName, method: str) -> Execute:
        pairs = split_query_string(self.request.query)
        query = parse_query_string(pairs, arguments=False)
        span = self._range(query)
        payload = None
        if method != "DELETE":
            columns = query.columns if method in ("POST", "PATCH") else None
            payload = self._payload(self._content_type(), columns, rpc=False)
        if table not in self.cache.tables:
            raise no_table(self.cache, table)
        preferences = self._preferences()
        options = self._options(span, from_source=True, filters_at_root=False, ranges=False)
        plan = plan_read(self.cache, table, query, options)
        mutation = plan_mutation(self.cache, table, method, query, payload, preferences, plan)  # type: ignore[arg-type]
        self._check_preferences(preferences)
        body, media_type = self._negotiate(table, plan)
        if preferences.returning != "representation":
            body = BodyFormat("none")
        statement = mutate_statement(plan, mutation, preferences, body, media_type)
        primary_key = self.cache.tables[table].primary_key
        resolves = method == "POST" and (primary_key or query.on_conflict is not None)
        applied = replace(
            preferences,
            resolution=preferences.resolution if resolves else None,
            missing=preferences.missing if method in ("POST", "PATCH") else None,
            max_affected=preferences.max_affected if method in ("PATCH", "DELETE") else None,
        )
        refusal = None
        if isinstance(mutation, DeletePlan) and not mutation.where:
            refusal = "DELETE"
        elif isinstance(mutation, UpdatePlan) and not mutation.where and mutation.columns:
            # An update of no columns runs no UPDATE.
            refusal = "UPDATE"
        return self._execute(
            method,  # type: ignore[arg-type]
            statement,
            plan,
            media_type,
            applied,
            span,
            f"/{table.name}",
            read_only=False,
            refusal=refusal,
        )

    # parts

    def _range(self, query: QueryParameters) -> Range:
        return top_level_range(self.request.method, query.ranges, self.request.header("range"))

    def _payload(self, content_type: MediaType, columns: frozenset[str] | None, *, rpc: bool) -> Payload:
        if isinstance(self.body, Payload):
            return self.body
        return parse_payload(self.body, content_type, columns, rpc=rpc)

    def _content_type(self) -> MediaType:
        header = self.request.header("content-type")
        return JSON if header is None else parse_media_type(header)

    def _preferences(self) -> Preferences:
        return parse_preferences(
            self.request.all("prefer"), transaction_override=self.config.transaction_override
        )

    def _check_preferences(self, preferences: Preferences) -> None:
        if preferences.strict and preferences.invalid:
            raise preferences_error(preferences.invalid)

    def _options(
        self, span: Range, *, from_source: bool = False, filters_at_root: bool = True, ranges: bool = True
    ) -> ReadOptions:
        return ReadOptions(
            from_source=from_source,
            filters_at_root=filters_at_root,
            ranges=ranges,
            top_level_range=span,
            max_rows=self.config.max_rows,
            aggregates=self.config.aggregates_enabled,
            target_names=self.config.target_names,
        )

    def _negotiate(self, target: QName, plan: ReadPlan) -> tuple[BodyFormat, MediaType]:
        accepted = parse_accept(self.request.header("accept"))
        return negotiate(self.cache, target, accepted, plan, explain=self.config.plan_enabled)

    def _headless(self, body: BodyFormat) -> BodyFormat:
        return BodyFormat("none") if self.request.method == "HEAD" else body

    def _execute(
        self,
        kind: Kind,
        statement: Statement,
        plan: ReadPlan,
        media_type: MediaType,
        preferences: Preferences,
        span: Range,
        location: str,
        *,
        count_plan: Statement | None = None,
        read_only: bool = True,
        routine: Routine | None = None,
        refusal: str | None = None,
    ) -> Execute:
        return Execute(
            kind=kind,
            statement=statement,
            count_plan=count_plan,
            read_only=read_only,
            routine=routine,
            media_type=media_type,
            preferences=preferences,
            range=span,
            location=location,
            query=self.request.query,
            schema=self.profile,
            head=self.request.method == "HEAD",
            refusal=refusal,
            renamed=tuple(renamed_filters(plan)),
        )
