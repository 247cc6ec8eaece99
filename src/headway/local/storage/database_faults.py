"""What a Postgres error means to a caller of Storage.

Source: supabase/storage ``src/storage/database/errors.ts``.
"""

from __future__ import annotations

import asyncpg

from headway.local.storage.faults import (
    StorageFault,
    access_denied,
    invalid_parameter,
    lock_timeout,
)

__all__ = ["fault_of", "outcome_is_unknown"]

_TOO_MANY_CONNECTIONS = StorageFault(
    429,
    "SlowDown",
    "Too many connections issued to the database",
    error="too_many_connections",
    http_status=429,
)


def outcome_is_unknown(error: BaseException) -> bool:
    """Whether a transaction that ended with this error may have been committed all the same.

    Args:
        error: What the transaction's block raised.
    """
    if not isinstance(error, StorageFault):
        return True
    cause = error.__cause__
    if isinstance(cause, StorageFault):
        return outcome_is_unknown(cause)
    if isinstance(cause, asyncpg.PostgresError):
        # Class 08 and 57P0x end the connection: the answer to a COMMIT may have been under way.
        return (cause.sqlstate or "").startswith(("08", "57P0"))
    return isinstance(cause, asyncpg.InterfaceError)


def fault_of(error: asyncpg.PostgresError | asyncpg.InterfaceError) -> StorageFault:
    """The answer to a request whose statement failed.

    Args:
        error: As asyncpg raised it.
    """
    if isinstance(error, asyncpg.InterfaceError):
        return StorageFault(500, "DatabaseError", "The connection to the database was lost")
    state = error.sqlstate or ""
    message = str(error)
    match state:
        case "42501":
            hidden = "row-level security" in message
            return access_denied("new row violates row-level security policy" if hidden else message)
        case "23505":
            return StorageFault(
                409, "ResourceAlreadyExists", "The resource already exists", error="Duplicate"
            )
        case "23503":
            if "is still referenced from table" in (getattr(error, "detail", "") or ""):
                return StorageFault(
                    409,
                    "ResourceReferenced",
                    "The resource could not be updated or removed due to a foreign key constraint",
                )
            return StorageFault(404, "InvalidRequest", "The related resource does not exist")
        case "55P03":
            return lock_timeout()
        case "57014":
            return StorageFault(
                544, "DatabaseTimeout", "The connection to the database timed out", http_status=544
            )
        case "25006":
            return StorageFault(
                503,
                "DatabaseReadOnly",
                "The database is currently in read-only mode. Please try again later.",
            )
        case "42P17":
            return StorageFault(
                503, "DatabaseInvalidObjectDefinition", "The database schema is invalid or incompatible."
            )
        case "22P02":
            return invalid_parameter("value", message)
        case "22021" | "22P05":
            # Text that JSON may hold but Postgres may not (U+0000); the real service answers 500.
            return invalid_parameter("value", "The text contains a character that cannot be stored")
        case "42703" | "42P01":
            return StorageFault(
                503,
                "DatabaseSchemaMismatch",
                "The database schema is out of sync. Please run migrations or contact support.",
            )
        case "53300":
            return _TOO_MANY_CONNECTIONS
        case _:
            return StorageFault(500, "DatabaseError", f"database error, code: {state}")
