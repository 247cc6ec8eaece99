"""``AsyncHeadway``: everything that an app does with jobs, on the event loop that it runs on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar, overload
from uuid import UUID

import httpx
from supabase import AsyncClient, Client

from headway.client.batch_watcher import BatchWatcher, read_batch
from headway.client.connection import Connection
from headway.client.files import DEFAULT_BUCKET, Attachable, Files, OnProgress, Source
from headway.client.files.places import Named
from headway.client.filters import as_uuid
from headway.client.handles import BatchHandle, JobHandle
from headway.client.identity import AccessToken
from headway.client.job_watcher import JobWatcher
from headway.client.list_watcher import ListWatcher
from headway.client.outcome import wait_for_result
from headway.client.page import Page
from headway.client.policy import ClientPolicy
from headway.client.reading import (
    LogLine,
    UsageRecord,
    log_lines,
    read_files,
    read_page,
    read_snapshot,
    read_steps,
    read_timeline,
    read_usage,
)
from headway.client.recipe import Recipe
from headway.client.submitting import Job, submit_many, submit_one
from headway.client.telling import OnUpdate
from headway.client.watch import Watch
from headway.core.answers import BatchSnapshot, Cancelled, Retried, Signalled
from headway.core.event import JobEvent
from headway.core.feed import Update
from headway.core.job import JobStatus, Snapshot
from headway.core.json_limits import storable
from headway.core.listing import JobUpdate
from headway.core.parts import FileRef, Step
from headway.core.submission import Notify
from headway.core.validation import read_answer
from headway.errors import NotFound
from headway.link import LinkPolicy
from headway.settings import ClientSettings

__all__ = ["AsyncHeadway"]

T = TypeVar("T")
Id = UUID | str


class AsyncHeadway:
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
        self._recipe = Recipe.of(client, url, key, access_token, http_client, policy, link_policy)
        self._current: Connection | None = None
        self._closed = False

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
            ConfigError: a variable is missing or wrong.
        """
        chosen = settings or ClientSettings.load()
        return cls(
            url=str(chosen.url),
            key=chosen.key.get_secret_value(),
            access_token=access_token,
            policy=policy,
            link_policy=link_policy,
        )

    def as_user(self, access_token: AccessToken) -> AsyncHeadway:
        """A client for another user of the same project, which shares the HTTP connections of this one.

        For servers: one client for the process, and one of these for each request. Close it too, at least
        when it has watched; this one must stay open until then.

        Args:
            access_token: The user's access token, or a function that makes a fresh one.
        """
        return type(self)._of(self._recipe.as_user(access_token, self.connection.http))

    @classmethod
    def _of(cls, recipe: Recipe) -> Self:
        made = cls.__new__(cls)
        made._recipe, made._current, made._closed = recipe, None, False
        return made

    # Life ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every watch and let go of every task and socket; safe to call twice."""
        self._closed = True
        current, self._current = self._current, None
        if current is not None and current.is_here:
            await current.close()

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

    @property
    def storage(self) -> Files:
        """Files in Storage beside those of jobs: ``stream``, ``read``, ``signed_upload``, ``remove`` …"""
        return Files(self.connection)

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
        return JobHandle(self, _id(job_id))

    def batch(self, batch_id: Id) -> BatchHandle:
        """A handle for a batch that was submitted elsewhere, without its jobs; asks nobody.

        Raises:
            InvalidRequest: it is no id.
        """
        return BatchHandle(self, UUID(as_uuid(batch_id, "batch_id")), ())

    # Watching -----------------------------------------------------------------------------------------------

    def watch(
        self,
        job_id: Id,
        after_seq: int | None = None,
        *,
        follow_retries: bool = False,
        on_update: OnUpdate[Update] | None = None,
        _fresh: bool = False,
    ) -> Watch[Update]:
        """Yields every step of a job in order, until it has ended.

        Every event comes exactly once; progress between events may be merged, latest wins. It goes on across
        lost connections, refreshed tokens, sleep and restarts, by reading every 2 s where Realtime does not
        hear.

        Args:
            job_id: The job.
            after_seq: Go on after this ``seq``, which an earlier update had; 0 for the whole story. When
                omitted, the first update is the present, and tells what is.
            follow_retries: Go on after the end, for the case that somebody retries the job.
            on_update: Called with every update beside the iteration, in order; a plain function in a thread.
                It may be slow, and may raise.

        Raises:
            InvalidRequest: it is no id, or ``after_seq`` is another job's; the latter from the iteration.
            NotFound: there is no such job, or it is not visible; from the iteration.
            HeadwayError: whatever makes watching impossible; from the iteration.
        """
        watcher = JobWatcher(_id(job_id), after_seq, follow_retries=follow_retries, fresh=_fresh)
        return Watch(self.connection, watcher, on_update)

    def watch_all(
        self,
        *,
        user: UUID | None = None,
        organization: UUID | None = None,
        project: UUID | None = None,
        active_only: bool = False,
        recent: int = 50,
        on_update: OnUpdate[JobUpdate] | None = None,
    ) -> Watch[JobUpdate]:
        """Yields the latest state of every job of a list whenever it changes, new jobs among them, for ever.

        Args:
            user: The person whose own jobs are meant; the signed-in user when nothing is named.
            organization: The organisation whose jobs are meant.
            project: The project whose jobs are meant.
            active_only: Begin with the jobs that have not ended; their ends are told.
            recent: With how many ended jobs to begin, the latest.
            on_update: As in ``watch``.

        Raises:
            InvalidRequest: more than one is named, or none and nobody is signed in; from the iteration.
            Denied: the list may not be read; from the iteration.
        """
        watcher = ListWatcher(user, organization, project, active_only=active_only, recent=recent)
        return Watch(self.connection, watcher, on_update)

    def watch_batch(
        self, batch_id: Id, *, on_update: OnUpdate[BatchSnapshot] | None = None
    ) -> Watch[BatchSnapshot]:
        """Yields a batch's counts whenever they have changed, until its last job has ended."""
        return Watch(self.connection, BatchWatcher(UUID(as_uuid(batch_id, "batch_id"))), on_update)

    @overload
    async def result(
        self,
        job_id: Id,
        timeout: float | None = None,
        into: None = None,
        *,
        on_update: OnUpdate[Update] | None = None,
        _fresh: bool = False,
    ) -> Any: ...
    @overload
    async def result(
        self,
        job_id: Id,
        timeout: float | None = None,
        *,
        into: type[T],
        on_update: OnUpdate[Update] | None = None,
        _fresh: bool = False,
    ) -> T: ...
    async def result(
        self,
        job_id: Id,
        timeout: float | None = None,
        into: Any = None,
        *,
        on_update: OnUpdate[Update] | None = None,
        _fresh: bool = False,
    ) -> Any:
        """What a job has answered, as soon as it has.

        Args:
            job_id: The job.
            timeout: Seconds to wait; for ever when omitted.
            into: The type to read the result as: a pydantic model, or anything pydantic can validate.
            on_update: As in ``watch``.

        Raises:
            JobFailed: it failed for good; message, hint and code are what it died of, ``snapshot`` its last.
            JobCancelled: it was cancelled.
            TimedOut: it has not ended in time, and goes on; ``code`` is ``result_timeout``.
            SchemaMismatch: the result is not of the type ``into``.
            HeadwayError: as ``watch`` does.
        """
        return await wait_for_result(
            self.connection, _id(job_id), timeout=timeout, into=into, fresh=_fresh, on_update=on_update
        )

    # Acting -------------------------------------------------------------------------------------------------

    async def cancel(self, job_id: Id, reason: str | None = None) -> Cancelled:
        """Cancel a job: a pending one ends at once, a running one is asked to; its children with it.

        Raises:
            NotFound: there is no such job, or it is not visible.
            Denied: the caller may read it, but not write.
        """
        arguments = {"job_id": str(_id(job_id)), "reason": reason}
        return read_answer(Cancelled, await self.connection.call("cancel", arguments), "answer to cancel")

    async def cancel_batch(self, batch_id: Id, reason: str | None = None) -> int:
        """Cancel every job of a batch that has not ended; how many that concerns."""
        arguments = {"batch_id": as_uuid(batch_id, "batch_id"), "reason": reason}
        return int(await self.connection.call("cancel_batch", arguments))

    async def retry(self, job_id: Id, from_step: str | None = None) -> Retried:
        """Run a job that has ended once more; completed steps are kept, or only those before ``from_step``.

        It is the one call that is not repeated when its answer was lost: it might open two runs.

        Raises:
            Conflict: the job's state does not allow it.
            NotFound: there is no such job, or it is not visible.
            Denied: the caller may read it, but not write.
        """
        arguments = {"job_id": str(_id(job_id)), "from_step": from_step}
        return read_answer(Retried, await self.connection.call("retry", arguments), "answer to retry")

    async def signal(self, job_id: Id, name: str, payload: Any = None) -> Signalled:
        """Give a job what it waits for, or will wait for; the first signal of a name counts.

        Args:
            job_id: The job.
            name: The signal's name.
            payload: A pydantic model or plain JSON.
        """
        arguments = {"job_id": str(_id(job_id)), "name": name, "payload": storable(payload, "payload")}
        return read_answer(Signalled, await self.connection.call("signal", arguments), "answer to signal")

    # Reading ------------------------------------------------------------------------------------------------

    async def get(self, job_id: Id) -> Snapshot:
        """Everything about a job, as it is now.

        Raises:
            NotFound: there is no such job, or it is not visible.
        """
        return await read_snapshot(self.connection, _id(job_id))

    async def batch_snapshot(self, batch_id: Id) -> BatchSnapshot:
        """How many of a batch's jobs have ended, and how."""
        return await read_batch(self.connection, UUID(as_uuid(batch_id, "batch_id")))

    async def list(
        self,
        *,
        status: JobStatus | Iterable[JobStatus] | None = None,
        kind: str | Iterable[str] | None = None,
        tags: Iterable[str] | None = None,
        organization_id: Id | None = None,
        project_id: Id | None = None,
        batch_id: Id | None = None,
        parent_id: Id | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """One page of the jobs that the caller may see, the newest first.

        Args:
            status: Of this status, or one of these.
            kind: Of this kind, or one of these.
            tags: With all of these tags.
            organization_id: Of this organisation.
            project_id: Of this project.
            batch_id: Of this batch.
            parent_id: Children of this job.
            since: Submitted at this moment or later.
            limit: At most so many, up to 500.
            cursor: The ``next_cursor`` of the page before.

        Raises:
            InvalidRequest: a filter is none; the message names it.
        """
        return await read_page(
            self.connection,
            limit=limit,
            status=status,
            kind=kind,
            tags=tags,
            organization_id=organization_id,
            project_id=project_id,
            batch_id=batch_id,
            parent_id=parent_id,
            since=since,
            cursor=cursor,
        )

    async def active(
        self,
        *,
        kind: str | Iterable[str] | None = None,
        tags: Iterable[str] | None = None,
        organization_id: Id | None = None,
        project_id: Id | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """As ``list``, of the jobs that have not ended."""
        return await self.list(
            status=("pending", "processing"),
            kind=kind,
            tags=tags,
            organization_id=organization_id,
            project_id=project_id,
            limit=limit,
            cursor=cursor,
        )

    async def timeline(self, job_id: Id, after_seq: int = 0) -> tuple[JobEvent, ...]:
        """Everything that has happened to a job after a ``seq``, in order."""
        return await read_timeline(self.connection, _id(job_id), after_seq)

    async def logs(self, job_id: Id) -> tuple[LogLine, ...]:
        """What a job's handler has logged, in order."""
        return log_lines(await self.timeline(job_id))

    async def steps(self, job_id: Id) -> tuple[Step, ...]:
        """A job's checkpoints with their whole results, in the order in which they began."""
        return await read_steps(self.connection, _id(job_id))

    async def usage(self, job_id: Id) -> tuple[UsageRecord, ...]:
        """A job's paid calls, in order."""
        return await read_usage(self.connection, _id(job_id))

    async def files(self, job_id: Id) -> tuple[FileRef, ...]:
        """A job's input and output files."""
        return await read_files(self.connection, _id(job_id))

    async def file_of(self, job_id: Id, name: str) -> FileRef:
        """One of a job's files; of two with the same name, the output.

        Raises:
            NotFound: the job has no such file.
        """
        found = [file for file in await self.files(job_id) if file.name == name]
        if not found:
            raise NotFound(
                f"the job has no file {name!r:.120}",
                hint="files() says which it has.",
                code="HW301",
                details="name",
            )
        return max(found, key=lambda file: file.direction == "output")

    # Files --------------------------------------------------------------------------------------------------

    async def upload(
        self,
        source: Source,
        *,
        bucket: str = DEFAULT_BUCKET,
        path: str | None = None,
        name: str | None = None,
        content_type: str | None = None,
        organization_id: Id | None = None,
        replace: bool = False,
        resumable: bool | None = None,
        on_progress: OnProgress | None = None,
    ) -> FileRef:
        """As ``storage.upload``: streamed, resumable above 6 MiB, whole in Storage when this returns."""
        return await self.storage.upload(
            source,
            bucket=bucket,
            path=path,
            name=name,
            content_type=content_type,
            organization_id=organization_id,
            replace=replace,
            resumable=resumable,
            on_progress=on_progress,
        )

    async def download(
        self,
        file: Named,
        to: Path | str,
        *,
        sha256: str | None = None,
        replace: bool = True,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """As ``storage.download``: into a file, which appears when it is whole and its checksum is right."""
        return await self.storage.download(file, to, sha256=sha256, replace=replace, on_progress=on_progress)

    async def signed_url(self, file: Named, *, expires: int = 3600, download_as: str | None = None) -> str:
        """As ``storage.signed_url``: an address that shows a file to whoever has it, for some seconds."""
        return await self.storage.signed_url(file, expires=expires, download_as=download_as)


def _id(job_id: Id) -> UUID:
    return job_id if isinstance(job_id, UUID) else UUID(as_uuid(job_id, "job_id"))


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    # A single word would be taken for its letters.
    return (tags,) if isinstance(tags, str) else tuple(tags)
