"""``headway sql`` and ``headway psql``: SQL on the running stack."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from headway.cli.environment import print_json
from headway.cli.target import RunningTarget, load_settings, running_target
from headway.errors import ApiError, ConfigError, ConnectFailed
from headway.local.database import Database

__all__ = ["run_psql", "run_sql"]

# psycopg2 keeps no SQLSTATE of what fails before there is a session.
_ROLE_REFUSED = re.compile(r'role ".*" (?:does not exist|is not permitted to log in)')


def run_sql(
    command: str | None,
    file: Path | None,
    *,
    role: str,
    project: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Run statements in one transaction, and print what the last one returned.

    Args:
        command: The SQL, or ``None``.
        file: A file with it; standard input when this and ``command`` are ``None``, or for ``-``.
        role: The database role to connect as.
        project: The option ``--project``.
        data_dir: The option ``--data-dir``.
        as_json: Whether to print rows as a JSON array of objects.

    Raises:
        HeadwayError: no stack is running, or the database refused a statement; the code is its SQLSTATE.
    """
    import psycopg2

    target = running_target(project, data_dir)
    text = command if command is not None else _read(file)
    try:
        connection = psycopg2.connect(_database(target).conninfo(role))
        with closing(connection), connection, connection.cursor() as cursor:
            try:
                cursor.execute(text)
            finally:
                sys.stderr.writelines(connection.notices)
            columns = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall() if columns else []
            tag = cursor.statusmessage or ""
    except psycopg2.OperationalError as error:
        if (refused := _ROLE_REFUSED.search(str(error))) is not None:
            raise ApiError(
                refused[0],
                hint="Connect as postgres, and say `set role ...` to act as a role that does not log in.",
                code="28000",
            ) from None
        if error.pgcode is None:
            raise ConnectFailed(str(error).strip(), hint="See `headway logs postgres`.") from error
        raise _refusal(error) from error
    except psycopg2.Error as error:
        raise _refusal(error) from error
    _print(columns, rows, tag, as_json=as_json)


def run_psql(arguments: Sequence[str], *, role: str, project: Path | None, data_dir: Path | None) -> NoReturn:
    """Become psql, connected to the running stack.

    Args:
        arguments: psql's own arguments.
        role: The database role to connect as.
        project: The option ``--project``.
        data_dir: The option ``--data-dir``.

    Raises:
        HeadwayError: no stack is running.
        ConfigError: there is no psql.
    """
    from headway.local.postgres.binaries import resolve_binaries

    target = running_target(project, data_dir)
    program = resolve_binaries(load_settings({})).find("psql") or shutil.which("psql")
    if program is None:
        raise ConfigError(
            "There is no psql on this machine",
            hint="Use `headway sql -c '...'` instead.",
            code="psql_not_found",
        )
    database = _database(target)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
        **{name: value for name, value in os.environ.items() if name in ("PGOPTIONS", "PGCLIENTENCODING")},
        "PGHOST": database.socket_dir,
        "PGPORT": str(database.port),
        "PGUSER": role,
        "PGDATABASE": database.name,
    }
    sys.stdout.flush()
    os.execve(program, ["psql", *arguments], environment)  # noqa: S606


def _database(target: RunningTarget) -> Database:
    return Database(target.stack.socket_dir, target.stack.db_port)


def _read(file: Path | None) -> str:
    if file is None or str(file) == "-":
        return sys.stdin.read()
    return file.read_text("utf-8")


def _refusal(error: Any) -> ApiError:
    diagnosis = error.diag
    lines = [f"{error.pgcode}: {diagnosis.message_primary or str(error).strip()}"]
    if diagnosis.message_detail:
        lines.append(diagnosis.message_detail)
    return ApiError(" - ".join(lines), hint=diagnosis.message_hint, code=error.pgcode)


def _print(columns: Sequence[str], rows: Sequence[Sequence[Any]], tag: str, *, as_json: bool) -> None:
    if as_json:
        print_json([dict(zip(columns, map(_plain, row), strict=True)) for row in rows])
        return
    if not columns:
        sys.stdout.write(tag + "\n")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ASCII2 if not sys.stdout.isatty() else box.ROUNDED)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(value)) for value in row))
    # Wide enough for anything where there is no terminal to wrap for.
    width = None if sys.stdout.isatty() else 10_000
    Console(highlight=False, width=width).print(table)
    sys.stdout.write(f"({len(rows)} row{'' if len(rows) == 1 else 's'})\n")


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | dict | None) else _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, memoryview | bytes):
        return "\\x" + bytes(value).hex()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
