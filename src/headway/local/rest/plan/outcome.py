"""What is to be done for a request, once it is understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headway.local.rest.request.media_types import MediaType
from headway.local.rest.request.preferences import Preferences
from headway.local.rest.request.ranges import Range
from headway.local.rest.schema.model import Routine
from headway.local.rest.sql.writer import Statement

__all__ = ["Describe", "Execute", "Information", "Kind", "Planned"]

Kind = Literal["read", "POST", "PATCH", "PUT", "DELETE", "call"]


@dataclass
class Execute:
    """A statement to run and how to answer with what it gives.

    Args:
        kind: What is done.
        statement: The statement.
        count_plan: The statement that asks the planner for the number of rows.
        read_only: Whether the transaction refuses writes.
        routine: The function that is called.
        media_type: The type of the body.
        preferences: Those that were applied.
        range: The rows asked for.
        location: The path that ``Location`` and ``Content-Location`` name.
        query: The raw query string.
        schema: The schema, where it is to be named in the response.
        head: Whether the body is left out.
        refusal: What ``safeupdate`` would refuse in it.
        renamed: Embeds that filters name by table although they have an alias: table and alias.
        content_type: The value of ``Content-Type``.
        applied: The value of ``Preference-Applied``.
    """

    kind: Kind
    statement: Statement
    count_plan: Statement | None
    read_only: bool
    routine: Routine | None
    media_type: MediaType
    preferences: Preferences
    range: Range
    location: str
    query: bytes
    schema: str | None
    head: bool
    refusal: str | None
    renamed: tuple[tuple[str, str], ...]
    content_type: str = ""
    applied: str | None = None

    def __post_init__(self) -> None:
        self.content_type = self.media_type.content_type
        self.applied = self.preferences.applied()

    def with_values(self, statement: Statement, count_plan: Statement | None, query: bytes) -> Execute:
        """The same with other parameters.

        Args:
            statement: Instead of the statement.
            count_plan: Instead of the planner's question.
            query: Instead of the query string.
        """
        # copy.copy and dataclasses.replace take several times as long.
        other = object.__new__(Execute)
        other.__dict__.update(self.__dict__)
        other.statement, other.count_plan, other.query = statement, count_plan, query
        return other


@dataclass(frozen=True, slots=True)
class Information:
    """An OPTIONS request: which methods are allowed."""

    allow: str


@dataclass(frozen=True, slots=True)
class Describe:
    """The root: a description of a schema."""

    schema: str
    profile: str | None
    head: bool


Planned = Execute | Information | Describe
