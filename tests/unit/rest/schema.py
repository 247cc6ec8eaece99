"""A schema cache made by hand."""

from __future__ import annotations

from collections.abc import Callable

from headway.local.rest.database.settings import RestConfig
from headway.local.rest.errors import RestError
from headway.local.rest.identifiers import QName
from headway.local.rest.request.http import HttpRequest
from headway.local.rest.schema.model import (
    Column,
    ForeignKey,
    Parameter,
    ReturnType,
    Routine,
    SchemaCache,
    Table,
)
from headway.local.rest.schema.relationships import derive_relationships


def column(name: str, kind: str = "text") -> Column:
    return Column(name, None, True, kind, kind, None, None, ())


def table(title: str, key: tuple[str, ...], /, **columns: str) -> Table:
    described = {n: column(n, kind) for n, kind in columns.items()}
    return Table(QName("public", title), None, False, True, True, True, key, described)


def foreign_key(source: str, target: str, *pairs: tuple[str, str], unique: bool = False) -> ForeignKey:
    name = f"{source}_{'_'.join(here for here, _ in pairs)}_fkey"
    return ForeignKey(QName("public", source), QName("public", target), source == target, name, pairs, unique)


def routine(name: str, *parameters: str, returns: str = "int4", volatility: str = "s") -> Routine:
    return Routine(
        QName("public", name),
        None,
        tuple(Parameter(p, "integer", "integer", True, False) for p in parameters),
        ReturnType(QName("pg_catalog", returns), False, False),
        volatility,  # type: ignore[arg-type]
        False,
        None,
        (),
    )


TABLES = {
    found.name: found
    for found in (
        table("clients", ("id",), id="integer", name="text"),
        table("projects", ("id",), id="integer", name="text", client_id="integer", data="jsonb"),
        table("tasks", ("id",), id="integer", name="text", project_id="integer", search="tsvector"),
        table("users", ("id",), id="integer", name="text"),
        table("users_tasks", ("task_id", "user_id"), user_id="integer", task_id="integer"),
    )
}
FOREIGN_KEYS = [
    foreign_key("projects", "clients", ("client_id", "id")),
    foreign_key("tasks", "projects", ("project_id", "id")),
    foreign_key("users_tasks", "users", ("user_id", "id")),
    foreign_key("users_tasks", "tasks", ("task_id", "id")),
]
CACHE = SchemaCache(
    schemas=("public",),
    tables=TABLES,
    relationships=derive_relationships(
        FOREIGN_KEYS, [], {name: t.primary_key for name, t in TABLES.items()}, [], ["public"]
    ),
    routines={
        QName("public", "add"): [routine("add", "a", "b")],
        QName("public", "touch"): [routine("touch", "id", volatility="v")],
    },
    representations={},
    media_handlers={},
)
CONFIG = RestConfig(schemas=("public",), extra_search_path=(), max_rows=1000, aggregates_enabled=True)


def request(method: str, path: str, query: bytes | str = b"", **headers: str) -> HttpRequest:
    raw = query if isinstance(query, bytes) else query.encode()
    return HttpRequest(method, path, raw, [(k.replace("_", "-"), v) for k, v in headers.items()])


def refusal(call: Callable[[], object]) -> RestError | None:
    """The error that a call is refused with, if it is."""
    try:
        call()
    except RestError as error:
        return error
    return None
