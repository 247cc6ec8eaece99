"""What can be wrong with a project's SQL files."""

from __future__ import annotations

from pathlib import Path

from headway.errors import HeadwayError

__all__ = ["HistoryMismatch", "MigrationError", "MigrationFailed"]


class MigrationError(HeadwayError):
    """The project's migrations cannot be applied."""

    default_code = "migration_error"


class HistoryMismatch(MigrationError):
    """The database's migration history and the files contradict each other."""

    default_code = "migration_history_mismatch"


class MigrationFailed(MigrationError):
    """A statement of a migration or seed failed; nothing of its file was applied.

    Args:
        reason: The database's own message.
        file: The file.
        line: The line in it, from 1; ``None`` when the fault has no place.
        statement: The statement's first line, ``None`` when the fault is the whole file's.
        sqlstate: The database's code.
        detail: The database's detail, or ``None``.
        hint: What to do, the database's hint or our own, or ``None``.
    """

    default_code = "migration_failed"

    def __init__(
        self,
        reason: str,
        *,
        file: Path,
        line: int | None = None,
        statement: str | None = None,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        place = file.name if line is None else f"{file.name}:{line}"
        code = f" (SQLSTATE {sqlstate})" if sqlstate else ""
        extra = "".join(
            f"\n  {label}: {text}" for label, text in (("Detail", detail), ("Statement", statement)) if text
        )
        super().__init__(f"{place}: {reason}{code}{extra}", hint=hint, code=sqlstate)
        self.reason = reason
        self.file = file
        self.line = line
        self.statement = statement
        self.sqlstate = sqlstate
        self.detail = detail
