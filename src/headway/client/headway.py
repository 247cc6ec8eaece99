"""``AsyncHeadway``: everything that an app does with jobs, on the event loop that it runs on."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

import httpx
from supabase import AsyncClient, Client

from headway.client.connection import Connection
from headway.client.files import DEFAULT_BUCKET, Attachable, OnProgress
from headway.client.filters import Id, id_of
from headway.client.handles import BatchHandle, JobHandle
from headway.client.identity import AccessToken
from headway.client.policy import ClientPolicy
from headway.client.questions import Questions
from headway.client.recipe import Recipe
from headway.client.submitting import Job, submit_many, submit_one
from headway.client.transfers import Transfers
from headway.client.watches import Watches
from headway.core.submission import Notify
from headway.errors import ConfigError
from headway.link import LinkPolicy
from headway.link.tokens import is_secret_key
from headway.settings import ClientSettings

__all__ = ["AsyncHeadway"]


class AsyncHeadway(Watches, Questions, Transfers):
    """Submits jobs, watches them, and fetches what they have made.

    ::

        async with AsyncHeadway(supabase) as hw:
            job = await hw.submit("cv.parse", {"language": "en"}, files={"cv": Path("cv.pdf")})
            async for update in job.watch():
                print(update.percent, update.stage)
            profile = await job.result(into=Profile)

    It speaks for one party for its whole life: the session of the client that it is given, the user whose
    ``access_token`` it is given, or the key itself. Tokens are refreshed before they expire; should the
    session end or become somebody else's, every call raises ``Denied`` rather than ask as another.

    Nothing is sent before the first call. One object serves any number of tasks of one event loop; all its
    watches share one Realtime connection. ``close`` (or the ``async with`` block) lets go of everything.

    Args:
        client: An official supabase client, async or sync. Its URL, key, session and ``httpx_client`` are
            used; it is never closed or changed but for refreshing its session.
        url: The project's URL, instead of a client.
        key: The project's publishable key; a secret key acts past row level security.
        access_token: The user's access token, or a function that makes a fresh one whenever it is needed.
        http_client: What to send requests by; it is not closed. One of its own when omitted.
        policy: Time limits.
        link_policy: Time limits of the Realtime connection.

    Raises:
        ConfigError: the URL or the key cannot be right, or they come both ways.
    """

    def __init__(
        self,
        client: AsyncClient | Client | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        access_token: AccessToken | None = None,
        http_client: httpx.AsyncClient | None = None,
        policy: ClientPolicy = ClientPolicy(),  # noqa: B008 - frozen
        link_policy: LinkPolicy = LinkPolicy(),  # noqa: B008 - frozen
    ) -> None:
        self._begin(Recipe.of(client, url, key, access_token, http_client, policy, link_policy))

    @classmethod
    def from_settings(
        cls,
        settings: ClientSettings | None = None,
        *,
        access_token: AccessToken | None = None,
        policy: ClientPolicy = ClientPolicy(),  # noqa: B008 - frozen
        link_policy: LinkPolicy = LinkPolicy(),  # noqa: B008 - frozen
    ) -> Self:
        """A client for the project that the environment names (``SUPABASE_URL`` and its publishable key).

        Args:
            settings: Read already; from the environment when omitted.
            access_token: As in the constructor.
            policy: As in the constructor.
            link_policy: As in the constructor.

        Raises:
            ConfigError: a variable is missing or wrong, or holds a secret key.
        """
        chosen = settings or ClientSettings.load()
        key = chosen.key.get_secret_value()
        if is_secret_key(key):
            # Where an app expects its users' rights to be checked, nothing would be.
            raise ConfigError(
                "SUPABASE_PUBLISHABLE_KEY: holds a secret key, which acts past row level security",
                hint="Put the publishable key there; who means it passes AsyncHeadway(url=…, key=secret).",
                code="key_is_secret",
            )
        return cls(
            url=str(chosen.url),
            key=key,
            access_token=access_token,
            policy=policy,
            link_policy=link_policy,
        )

    def as_user(self, access_token: AccessToken) -> AsyncHeadway:
        """A client for another user of the same project, which shares the HTTP connections of this one.

        For servers: one client for the process, and one of these for each request. It is closed with the one
        that it was made of, or when nobody has it any more; ``async with`` closes it sooner.

        Args:
            access_token: The user's access token, or a function that makes a fresh one.
        """
        return type(self)._of(self._recipe.as_user(access_token, lambda: self.connection.http, self._lent))

    @classmethod
    def _of(cls, recipe: Recipe) -> Self:
        made = cls.__new__(cls)
        made._begin(recipe)
        return made

    def _begin(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._current: Connection | None = None
        self._closed = False
        self._others: weakref.WeakSet[Connection] = weakref.WeakSet()

    def _lent(self, other: Connection) -> None:
        """A client that was made of this one sends by what is this one's: it must not outlive it."""
        self._others.add(other)
        if self._recipe.lent is not None:
            self._recipe.lent(other)

    # Life ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every watch and let go of every task and socket; safe to call twice.

        Clients that ``as_user`` has made of this one are closed with it.
        """
        self._closed = True
        for other in tuple(self._others):
            if other.is_here:
                await other.close()
        current, self._current = self._current, None
        if current is not None and current.is_here:
            await current.close()

    @property
    def close_timeout(self) -> float:
        """Seconds that ``close`` may take, for whoever must not wait for ever."""
        return self._recipe.policy.close_timeout

    def leave_behind(self) -> Connection | None:
        """Forget the connection without closing it: it is the parent's, this process was forked.

        Returns:
            The connection, to be kept from being collected.
        """
        current, self._current = self._current, None
        return current

    @property
    def connection(self) -> Connection:
        """The way to the project that everything goes; for Headway's own parts.

        Raises:
            TransportError: the client was closed.
            ConfigError: it is in use on another event loop.
        """
        if self._current is None or not self._current.is_here:
            if self._closed:
                raise Connection.closed_error()
            if self._current is not None:
                self._current.refuse_if_elsewhere()
            self._current = self._recipe.connection()
        return self._current

    # Submitting ---------------------------------------------------------------------------------------------

    async def submit(
        self,
        kind: str,
        payload: Any = None,
        *,
        files: Mapping[str, Attachable] | None = None,
        bucket: str = DEFAULT_BUCKET,
        id: UUID | None = None,  # noqa: A002 - the engine's word
        queue: str | None = None,
        priority: int | None = None,
        run_at: datetime | None = None,
        delay: float | timedelta | None = None,
        idempotency_key: str | None = None,
        idempotency_seconds: int | None = None,
        unique_key: str | None = None,
        debounce_key: str | None = None,
        debounce_seconds: float | None = None,
        organization_id: UUID | None = None,
        project_id: UUID | None = None,
        owner_id: UUID | None = None,
        parent_id: UUID | None = None,
        batch_id: UUID | None = None,
        tags: Iterable[str] = (),
        retention: int | timedelta | None = None,
        max_attempts: int | None = None,
        cost_budget: Decimal | None = None,
        notify: Notify | Mapping[str, Any] | None = None,
        on_upload: OnProgress | None = None,
    ) -> JobHandle:
        """Submit a job, and have its handle at once.

        Sending it again changes nothing: the job's id is made here, so a lost answer is asked for again.

        Args:
            kind: Its kind, such as ``cv.parse``.
            payload: A pydantic model, a dataclass, or plain JSON; ``{}`` when omitted.
            files: Input files by the name that the handler knows them by: a path, bytes, an open file, an
                async iterator, an ``Upload``, or a ``FileRef`` of what is in Storage already. They are
                uploaded first, and removed again when the job is refused or an earlier one was found.
            bucket: Where the files go.
            id: The job's id; a new one when omitted.
            queue: Its queue; the kind's when omitted.
            priority: 0 to 9, 9 is the most urgent; the kind's when omitted.
            run_at: Not before this moment.
            delay: Not before so many seconds.
            idempotency_key: The same key of the same tenant finds the same job.
            idempotency_seconds: For how long it does; a day when omitted.
            unique_key: While a job of this kind and key has not ended, it is found instead.
            debounce_key: A job of this key that has not started gets this payload and waits anew.
            debounce_seconds: For how long it waits; 5 s when omitted.
            organization_id: The organisation that it belongs to, rather than the user.
            project_id: The project that it belongs to.
            owner_id: On whose behalf; secret keys only.
            parent_id: The job that it is a part of.
            batch_id: The batch that it is put into.
            tags: Up to 32 words to find it by.
            retention: How long it stays after its end, in seconds; the kind's when omitted.
            max_attempts: How often it may be tried; the kind's when omitted.
            cost_budget: What its paid calls may cost; the kind's when omitted.
            notify: Whom to tell of its end: ``webhook``, ``email``, ``on``.
            on_upload: Called as the files' bytes arrive.

        Raises:
            InvalidRequest: a field is wrong; the message names it.
            Denied: the caller may not submit this, or not there.
            Conflict: the id or a key is another job's.
            TransportError: the project could not be asked; nothing is left behind, unless the answer to the
                last of several tries was lost.
        """
        fields = {
            "kind": kind,
            "payload": payload,
            "id": id,
            "queue": queue,
            "priority": priority,
            "run_at": run_at,
            "delay": delay,
            "idempotency_key": idempotency_key,
            "idempotency_seconds": idempotency_seconds,
            "unique_key": unique_key,
            "debounce_key": debounce_key,
            "debounce_seconds": debounce_seconds,
            "organization_id": organization_id,
            "project_id": project_id,
            "owner_id": owner_id,
            "parent_id": parent_id,
            "batch_id": batch_id,
            "tags": _tags(tags),
            "retention": retention,
            "max_attempts": max_attempts,
            "cost_budget": cost_budget,
            "notify": notify,
        }
        submitted = await submit_one(self.connection, fields, files, bucket, on_upload)
        return JobHandle(self, submitted.id, submitted)

    async def submit_many(
        self, jobs: Iterable[Job], *, batch_name: str | None = None, batch_id: UUID | None = None
    ) -> BatchHandle:
        """Submit up to 10,000 jobs in one request: all of them, or none.

        Args:
            jobs: Mappings with the fields of ``submit``, ``kind`` among them; their files must be in Storage.
            batch_name: Puts them into one batch of this name, which has a progress of its own.
            batch_id: The batch's id; a new one when omitted.

        Raises:
            InvalidRequest: a job is refused; the message names its place, and none was submitted.
            HeadwayError: as ``submit`` does.
        """
        answer = await submit_many(self.connection, jobs, batch_id, batch_name)
        handles = tuple(JobHandle(self, job.id, job) for job in answer.jobs)
        return BatchHandle(self, answer.batch_id, handles)

    def job(self, job_id: Id) -> JobHandle:
        """A handle for a job that was submitted elsewhere; asks nobody.

        Raises:
            InvalidRequest: it is no id.
        """
        return JobHandle(self, id_of(job_id, "job_id"))

    def batch(self, batch_id: Id) -> BatchHandle:
        """A handle for a batch that was submitted elsewhere, without its jobs; asks nobody.

        Raises:
            InvalidRequest: it is no id.
        """
        return BatchHandle(self, id_of(batch_id, "batch_id"), ())


def _tags(tags: Any) -> Any:
    # A single word would be taken for its letters; what is no list of words is refused with all other fields.
    if isinstance(tags, str):
        return (tags,)
    return tuple(tags) if isinstance(tags, Iterable) else tags
