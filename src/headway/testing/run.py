"""``run_job``: one handler, in the test's own process."""

from __future__ import annotations

import asyncio
import mimetypes
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson

from headway.core.json_limits import storable
from headway.core.lease import Claimed
from headway.core.parts import FileRef
from headway.testing.memory_objects import MemoryObjects
from headway.testing.memory_store import MemoryStore
from headway.testing.recorder import Recorder
from headway.testing.recording import Recording, Uploaded
from headway.worker.attempt import Attempt
from headway.worker.blocking_tools import BlockingTools
from headway.worker.ending import Ending
from headway.worker.execution import Executor
from headway.worker.limits import Limit
from headway.worker.tools import Tools
from headway.worker.worker import Worker

__all__ = ["run_job"]

_BUCKET = "inputs"


async def run_job(
    worker: Worker,
    kind: str,
    payload: Any = None,
    *,
    files: Mapping[str, Path | bytes] | None = None,
    content_types: Mapping[str, str] | None = None,
    steps: Mapping[str, Any] | None = None,
    signals: Mapping[str, Any] | None = None,
    children: Mapping[str, Mapping[str, Any]] | None = None,
    owner_id: UUID | None = None,
    organization_id: UUID | None = None,
    project_id: UUID | None = None,
    job_id: UUID | None = None,
    tags: Sequence[str] = (),
    attempt: int = 1,
    failures: int = 0,
    max_attempts: int | None = None,
    run: int = 1,
    budget: Decimal | None = None,
    shared: Mapping[Any, Any] | None = None,
    db: Any = None,
    storage: Any = None,
    http: Any = None,
    public_url: str | None = "https://worker.test",
    timeout: float | None = None,
    watch: Callable[[Attempt], None] | None = None,
) -> Recording:
    """Run one handler once, and tell everything it has said and done.

    What the engine would refuse is refused here too: payloads that do not fit, stages that are not declared,
    results that are no JSON, calls beyond the budget.

    Args:
        worker: Where the kind is declared.
        kind: Which handler.
        payload: A pydantic model or JSON.
        files: The job's input files by name: local files, or contents.
        content_types: Of the files, when their names do not tell.
        steps: Results of steps that were completed before: they are not run.
        signals: Answers that have come, by name.
        children: How submitted children have ended, in the order of their submission: by name,
            ``{"result": …}`` or ``{"status": "failed", "error_code": …}``; others are still pending.
        owner_id: The person it runs for; somebody new when omitted.
        organization_id: The organisation it runs for.
        project_id: The project it runs for.
        job_id: The job's id.
        tags: The job's tags.
        attempt: The number of the execution.
        failures: Executions that have failed before.
        max_attempts: How many may fail; the kind's own number when omitted.
        run: 2 and more after retries by a person.
        budget: What its paid calls may cost; the kind's own when omitted.
        shared: What ``ctx.shared(factory)`` gives, by factory.
        db: What ``ctx.db`` is.
        storage: What ``ctx.storage`` is.
        http: What ``ctx.http`` is; a real client when omitted.
        public_url: What ``ctx.callback_url`` begins with.
        timeout: Seconds, instead of the kind's own.
        watch: Called with the execution before it begins, for tests that stop it.
    """
    spec = worker.registry.get(kind)
    objects = MemoryObjects()
    recording = Recording(steps=dict(steps or {}))
    budget = spec.cost_budget if budget is None else budget
    given = tuple(_given(files or {}, content_types or {}, objects))
    claimed = _claim(
        kind=kind,
        queue=spec.queue,
        payload=storable({} if payload is None else payload, "payload"),
        steps=dict(recording.steps),
        signals=dict(signals or {}),
        files=given,
        tags=tuple(tags),
        owner_id=owner_id or uuid4(),
        organization_id=organization_id,
        project_id=project_id,
        job_id=job_id or uuid4(),
        attempt=attempt,
        failures=failures,
        max_attempts=max_attempts or spec.policy.max_attempts,
        run=run,
        cost_budget=budget,
        timeout=spec.timeout,
    )
    running = Attempt(spec, claimed)
    if watch is not None:
        watch(running)
    store = MemoryStore(recording, budget, children or {})
    with tempfile.TemporaryDirectory(prefix="headway-test-") as scratch:
        async with httpx.AsyncClient() as own_http:
            tools = Tools(
                reporter=Recorder(recording),
                db=db,
                storage=storage,
                objects=objects,
                http=http or own_http,
                limits={name: Limit(rule) for name, rule in worker.limits.items()},
                scratch=lambda: Path(scratch),
                public_url=public_url,
            )
            blocking = BlockingTools("https://project.test", {})
            for name, value in {"db": db, "storage": storage, "http": http}.items():
                if value is not None:
                    blocking.put(name, value)
            for factory, value in (shared or {}).items():
                tools.shared.put(factory, value)
                blocking.put(factory, value)
            executor = Executor(store, tools, blocking)
            try:
                ending = await _execute(executor, running, spec.timeout if timeout is None else timeout)
            finally:
                await tools.shared.close()
                blocking.close()
    _conclude(recording, running, ending, objects)
    return recording


async def _execute(executor: Executor, attempt: Attempt, timeout: float) -> Ending:
    """As the runner does: a stop cancels the handler."""
    task = asyncio.ensure_future(executor.run(attempt))
    loop = asyncio.get_running_loop()
    attempt.on_stop = lambda: loop.call_soon_threadsafe(task.cancel)
    timers = [loop.call_later(timeout, attempt.stop, "timeout")]
    if (soft := attempt.spec.soft_timeout) is not None:
        timers.append(loop.call_later(soft, setattr, attempt, "told_to_stop", True))
    if attempt.stopping:
        loop.call_soon(task.cancel)
    try:
        return await task
    finally:
        for timer in timers:
            timer.cancel()
        attempt.ended = True


def _conclude(recording: Recording, attempt: Attempt, ending: Ending, objects: MemoryObjects) -> None:
    recording.outcome = ending.outcome
    recording.error = ending.fault
    recording.exception = ending.cause
    recording.delay = ending.delay
    recording.wait = ending.wait
    recording.message = ending.message
    if ending.word == "completed":
        recording.document = recording.result = ending.result
        adapter = attempt.spec.shape.result
        if adapter is not None:
            recording.result = adapter.validate_json(orjson.dumps(ending.result))
        recording.percents.append(100.0)
    for file in attempt.made:
        content = objects.content(file.bucket, file.path)
        recording.uploads[file.name] = Uploaded(file.name, file.bucket, file.path, file.content_type, content)


def _given(
    files: Mapping[str, Path | bytes], content_types: Mapping[str, str], objects: MemoryObjects
) -> Iterable[FileRef]:
    for name, content in files.items():
        file_name = content.name if isinstance(content, Path) else name
        path = f"{uuid4()}/{file_name}"
        objects.give(_BUCKET, path, content)
        yield FileRef(
            direction="input",
            name=name,
            bucket=_BUCKET,
            path=path,
            content_type=content_types.get(name) or mimetypes.guess_type(file_name)[0],
            bytes=content.stat().st_size if isinstance(content, Path) else len(content),
        )


def _claim(*, timeout: float, **fields: Any) -> Claimed:
    now = datetime.now(UTC)
    owner = fields["organization_id"] or fields["owner_id"]
    return Claimed(
        lease_token=uuid4(),
        lease_expires_at=now + timedelta(seconds=30),
        deadline_at=now + timedelta(seconds=timeout),
        priority=5,
        timeout_seconds=max(1, round(timeout)),
        tenant_id=owner,
        cost_spent=Decimal(0),
        created_at=now,
        cancel_requested=False,
        **fields,
    )
