"""Follows the jobs of a person, an organisation or a project, those that appear later among them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from headway.client.cadence import Cadence
from headway.client.connection import Connection
from headway.client.filters import MOST_ROWS, narrow_to_scope
from headway.client.updates import Updates
from headway.core.listing import JobUpdate, Listing
from headway.core.message import organization_topic, project_topic, user_topic
from headway.errors import InvalidRequest, SchemaMismatch, TransportError
from headway.link import Gap, Listener, Listening, Message, Refused

__all__ = ["ListWatcher", "Scope", "scope_of"]

_log = logging.getLogger("headway.client")

_COLUMNS = (
    "id",
    "kind",
    "status",
    "percent",
    "stage",
    "message",
    "attempt",
    "run",
    "seq",
    "revision",
    "batch_id",
    "parent_id",
    "updated_at",
)
# A transaction that began earlier may commit later, with the moment of its beginning.
_SLOW_TRANSACTION = timedelta(seconds=20)
# A job's end is noted with two looks at the clock.
_SAME_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose jobs; exactly one is not ``None``."""

    user: UUID | None = None
    organization: UUID | None = None
    project: UUID | None = None

    @property
    def topic(self) -> str:
        """Where their changes are told."""
        if self.project is not None:
            return project_topic(self.project)
        if self.organization is not None:
            return organization_topic(self.organization)
        assert self.user is not None
        return user_topic(self.user)


async def scope_of(
    connection: Connection, user: UUID | None, organization: UUID | None, project: UUID | None
) -> Scope:
    """The scope that is meant; the signed-in user's own jobs when nothing is said.

    Raises:
        InvalidRequest: more than one is named, or none and nobody is signed in.
    """
    given = [value for value in (user, organization, project) if value is not None]
    if len(given) > 1:
        raise InvalidRequest(
            "user, organization, project: more than one is named",
            hint="Name one of them, and watch the others by watches of their own.",
            code="HW100",
            details="user",
        )
    if given:
        return Scope(user, organization, project)
    subject = await connection.owner()
    if subject is None:
        raise InvalidRequest(
            "user: is missing, and nobody is signed in",
            hint="Name a user, an organization or a project, or sign in.",
            code="HW102",
            details="user",
        )
    try:
        return Scope(user=UUID(subject))
    except ValueError:
        raise InvalidRequest(
            "user: the token speaks for somebody whose id is no UUID",
            hint="Sign people in with Supabase Auth: the ids of other issuers own no jobs.",
            code="HW100",
            details="user",
        ) from None


class ListWatcher:
    """Hears of a list's jobs, for ever.

    Args:
        user: Whose jobs, outside organisations.
        organization: Or an organisation's.
        project: Or a project's.
        active_only: Begin with the jobs that have not ended, and tell of no job that has ended before it
            could be told of.
        recent: How many ended jobs to begin with.
    """

    def __init__(
        self,
        user: UUID | None,
        organization: UUID | None,
        project: UUID | None,
        *,
        active_only: bool,
        recent: int,
    ) -> None:
        self._wanted = (user, organization, project)
        if isinstance(recent, bool) or not 0 <= recent <= MOST_ROWS:
            raise InvalidRequest(
                f"recent: must be 0 to {MOST_ROWS}",
                hint="Page through older jobs with list().",
                code="HW103",
                details="recent",
            )
        self._active_only = active_only
        self._recent = 0 if active_only else recent
        self._listing = Listing()
        self._began = False

    async def __call__(self, connection: Connection, updates: Updates[JobUpdate]) -> None:
        """Fill a queue.

        Raises:
            HeadwayError: the list may not be read.
        """
        scope = await scope_of(connection, *self._wanted)
        cadence = Cadence(connection.policy, first=0)
        async with connection.hearing.listening(scope.topic) as listener:
            connection.leases.add(scope.topic)
            try:
                while True:
                    await updates.room()
                    await self._step(connection, updates, listener, cadence, scope)
            finally:
                connection.leases.drop(scope.topic)

    async def _step(
        self,
        connection: Connection,
        updates: Updates[JobUpdate],
        listener: Listener,
        cadence: Cadence,
        scope: Scope,
    ) -> None:
        try:
            async with asyncio.timeout_at(cadence.due):
                event = await anext(listener)
        except TimeoutError:
            await self._read(connection, updates, cadence, scope)
            return
        except StopAsyncIteration:
            raise connection.closed_error() from None
        match event:
            case Message(event="jobs", payload=payload):
                cadence.heard()
                self._take(payload, updates)
                if self._listing.needs_reading:
                    # Many statements at once are read about once, in a moment.
                    cadence.soon()
            case Listening():
                cadence.hears()
                self._listing.miss()
                await self._read(connection, updates, cadence, scope)
            case Gap() | Refused():
                cadence.deaf()
            case _:
                pass

    def _take(self, payload: dict[str, Any], updates: Updates[JobUpdate]) -> None:
        try:
            self._tell(updates, self._listing.take_message(payload))
        except SchemaMismatch as error:
            _log.warning("a message about jobs was not understood: %s", error)
            self._listing.miss()

    async def _read(
        self, connection: Connection, updates: Updates[JobUpdate], cadence: Cadence, scope: Scope
    ) -> None:
        ticket = self._listing.begin_reading()
        told = 0
        try:
            await connection.leases.renew(scope.topic)
            if not self._began:
                rows = await self._first(connection, scope)
                news = self._listing.take_rows(rows, ticket)
                told += self._tell(updates, (update for update in news if self._recent or not update.ended))
                self._began = True
            else:
                told += await self._since(connection, updates, scope, ticket)
        except TransportError as error:
            connection.refuse_if_closed()
            _log.info("the list %s could not be read; trying again: %s", scope.topic, error)
            cadence.failed(error.retry_after)
            return
        cadence.read(missed=told > 0)

    async def _first(self, connection: Connection, scope: Scope) -> list[dict[str, Any]]:
        """What is active, and what has ended lately: at least one, as later readings begin from there."""
        rows: list[dict[str, Any]] = await connection.select(
            lambda rest: (
                _in_scope(rest, scope)
                .not_.is_("finished_at", "null")
                .order("finished_at", desc=True)
                .limit(max(self._recent, 1))
            )
        )
        last: str | None = None
        while True:
            # By id rather than by time, which changes while the pages are read.
            page = await connection.select(partial(_active_after, scope, last))
            rows += page
            if len(page) < MOST_ROWS:
                return rows
            last = page[-1]["id"]

    async def _since(
        self, connection: Connection, updates: Updates[JobUpdate], scope: Scope, ticket: int
    ) -> int:
        """Read what has changed since the latest change that was told; how many jobs were news."""
        changed_at = self._listing.changed_at
        since = None if changed_at is None else changed_at - _SLOW_TRANSACTION
        mark: tuple[datetime, str] | None = None
        told = 0
        while True:
            page = await connection.select(partial(_changed, scope, since, mark))
            done = len(page) < MOST_ROWS
            # The list counts as read only with the last page.
            told += self._tell(updates, self._listing.take_rows(page, ticket if done else 0))
            await updates.room()
            if done:
                return told
            mark = datetime.fromisoformat(page[-1]["updated_at"]), page[-1]["id"]

    def _tell(self, updates: Updates[JobUpdate], news: Iterable[JobUpdate]) -> int:
        count = 0
        for update in news:
            if self._active_only and update.appeared and update.ended:
                continue
            updates.put(update)
            count += 1
        return count


def _in_scope(rest: Any, scope: Scope) -> Any:
    query = rest.from_("jobs").select(*_COLUMNS)
    return narrow_to_scope(query, user=scope.user, organization=scope.organization, project=scope.project)


def _active_after(scope: Scope, last: str | None, rest: Any) -> Any:
    # By the end rather than by the status: there is an index on it.
    query = _in_scope(rest, scope).is_("finished_at", "null")
    if last is not None:
        query = query.gt("id", last)
    return query.order("id").limit(MOST_ROWS)


def _changed(scope: Scope, since: datetime | None, mark: tuple[datetime, str] | None, rest: Any) -> Any:
    """What has changed since a moment, one page after the job that the page before has ended with."""
    query = _in_scope(rest, scope)
    if since is not None:
        # The index knows what is active and when everything else has ended; progress, which changes all the
        # time, is in no index.
        ended = (since - _SAME_MOMENT).isoformat()
        query = query.or_(f'finished_at.is.null,finished_at.gte."{ended}"')
        query = query.gte("updated_at", since.isoformat())
    if mark is not None:
        moment, last = mark[0].isoformat(), mark[1]
        query = query.or_(f'updated_at.gt."{moment}",and(updated_at.eq."{moment}",id.gt.{last})')
    return query.order("updated_at").order("id").limit(MOST_ROWS)
