"""``Headway``: everything that an app does with jobs, for code without an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from supabase import AsyncClient, Client

from headway.client.aside import beside
from headway.client.files import DEFAULT_BUCKET, Attachable, OnProgress
from headway.client.filters import Id
from headway.client.headway import AsyncHeadway
from headway.client.identity import AccessToken
from headway.client.policy import ClientPolicy
from headway.client.submitting import Job
from headway.client.sync.handles import SyncBatchHandle, SyncJobHandle
from headway.client.sync.questions import SyncQuestions
from headway.client.sync.runner import Runner
from headway.client.sync.transfers import SyncTransfers
from headway.client.sync.watches import SyncWatches
from headway.core.submission import Notify
from headway.errors import ConfigError
from headway.link import LinkPolicy
from headway.settings import ClientSettings

__all__ = ["Headway"]


class Headway(SyncWatches, SyncQuestions, SyncTransfers):
    """Submits jobs, watches them live, and fetches what they have made; blocking.

    ::

        with Headway(supabase) as hw:
            job = hw.submit("cv.parse", {"language": "en"}, files={"cv": Path("cv.pdf")})
            for update in job.watch():
                print(update.percent, update.stage)
            profile = job.result(into=Profile)

    It is ``AsyncHeadway`` on a thread of its own: any thread may call it, also one whose event loop runs
    (which is blocked meanwhile: prefer ``AsyncHeadway`` there). A process that is forked goes on with a
    thread and connections of its own; only watches that were under way belong to the parent. The thread
    begins with the first call, and ends with ``close``, or with the program.

    Args:
        client: An official supabase client; synchronous, as its loop would not be ours. Its URL, key and
            session are used.
        url: The project's URL, instead of a client.
        key: The project's publishable key; a secret key acts past row level security.
        access_token: The user's access token, or a function that makes a fresh one whenever it is needed.
        policy: Time limits.
        link_policy: Time limits of the Realtime connection.

    Raises:
        ConfigError: the URL or the key cannot be right, they come both ways, or the client is asynchronous.
    """

    def __init__(
        self,
        client: Client | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        access_token: AccessToken | None = None,
        policy: ClientPolicy = ClientPolicy(),  # noqa: B008 - frozen
        link_policy: LinkPolicy = LinkPolicy(),  # noqa: B008 - frozen
    ) -> None:
        if isinstance(client, AsyncClient):
            raise ConfigError(
                "client: is asynchronous, and belongs to another event loop",
                hint="Pass what supabase's create_client has made, or use AsyncHeadway.",
                code="config_invalid",
            )
        self._runner = Runner(
            AsyncHeadway(
                client,
                url=url,
                key=key,
                access_token=access_token,
                policy=policy,
                link_policy=link_policy,
            )
        )

    @classmethod
    def from_settings(
        cls,
        settings: ClientSettings | None = None,
        *,
        access_token: AccessToken | None = None,
        policy: ClientPolicy = ClientPolicy(),  # noqa: B008 - frozen
        link_policy: LinkPolicy = LinkPolicy(),  # noqa: B008 - frozen
    ) -> Self:
        """As ``AsyncHeadway.from_settings``."""
        chosen = AsyncHeadway.from_settings(
            settings, access_token=access_token, policy=policy, link_policy=link_policy
        )
        return cls._of(Runner(chosen))

    def as_user(self, access_token: AccessToken) -> Headway:
        """As ``AsyncHeadway.as_user``: for one request of a server, on the same thread and connections."""
        return type(self)._of(Runner(self._runner.headway.as_user(access_token), self._runner))

    @classmethod
    def _of(cls, runner: Runner) -> Self:
        made = cls.__new__(cls)
        made._runner = runner
        return made

    @property
    def runner(self) -> Runner:
        """What runs the asynchronous client; for Headway's own parts."""
        return self._runner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End every watch and let go of every thread, task and socket; safe to call twice."""
        self._runner.close()

    def submit(
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
    ) -> SyncJobHandle:
        """As ``AsyncHeadway.submit``."""
        with beside("on_upload", on_upload) as telling:
            handle = self._runner.run(
                lambda hw: hw.submit(
                    kind,
                    payload,
                    files=files,
                    bucket=bucket,
                    id=id,
                    queue=queue,
                    priority=priority,
                    run_at=run_at,
                    delay=delay,
                    idempotency_key=idempotency_key,
                    idempotency_seconds=idempotency_seconds,
                    unique_key=unique_key,
                    debounce_key=debounce_key,
                    debounce_seconds=debounce_seconds,
                    organization_id=organization_id,
                    project_id=project_id,
                    owner_id=owner_id,
                    parent_id=parent_id,
                    batch_id=batch_id,
                    tags=tags,
                    retention=retention,
                    max_attempts=max_attempts,
                    cost_budget=cost_budget,
                    notify=notify,
                    on_upload=telling,
                )
            )
        return SyncJobHandle(self, handle)

    def submit_many(
        self, jobs: Iterable[Job], *, batch_name: str | None = None, batch_id: UUID | None = None
    ) -> SyncBatchHandle:
        """As ``AsyncHeadway.submit_many``."""
        handle = self._runner.run(lambda hw: hw.submit_many(jobs, batch_name=batch_name, batch_id=batch_id))
        return SyncBatchHandle(self, handle)

    def job(self, job_id: Id) -> SyncJobHandle:
        """As ``AsyncHeadway.job``: a handle for a job that was submitted elsewhere; asks nobody."""
        return SyncJobHandle(self, self._runner.headway.job(job_id))

    def batch(self, batch_id: Id) -> SyncBatchHandle:
        """As ``AsyncHeadway.batch``: a handle for a batch that was submitted elsewhere; asks nobody."""
        return SyncBatchHandle(self, self._runner.headway.batch(batch_id))
