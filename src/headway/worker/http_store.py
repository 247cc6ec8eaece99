"""The engine over HTTP: one request per call, repeated while that may help and does no harm."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx

from headway.core.answers import Signalled, SubmittedMany
from headway.core.job import Snapshot
from headway.core.lease import Beaten, Claimed, Finished
from headway.core.refusals import error_from_response
from headway.core.repetition import may_repeat
from headway.core.transport import error_from_httpx
from headway.core.validation import read_answer, read_answers
from headway.errors import HeadwayError, TransportError
from headway.settings import WorkerSettings
from headway.worker.clients import headers_of
from headway.worker.json_text import dump, load
from headway.worker.observations import Observations
from headway.worker.store import (
    CallInfo,
    Checkpoint,
    ChildRow,
    CostState,
    Lease,
    Registered,
    StepStatus,
    Swept,
)

__all__ = ["HttpStore"]

# Statements end after 8 s on hosted Supabase.
_TIMEOUT = httpx.Timeout(12.0, connect=5.0, pool=20.0)
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_PATIENCE = 60.0


class HttpStore:
    """Calls functions of schema ``headway`` through the Data API.

    Args:
        settings: Which project, and the key.
        observations: Are told of every request.
        connections: How many at the same time.
    """

    def __init__(
        self, settings: WorkerSettings, observations: Observations, *, connections: int = 32
    ) -> None:
        self._base = f"{str(settings.url).rstrip('/')}/rest/v1/rpc/"
        self._observations = observations
        self._pid = os.getpid()
        self._http = httpx.AsyncClient(
            headers={
                **headers_of(settings),
                "Content-Type": "application/json",
                "Content-Profile": "headway",
                "Accept": "application/json",
            },
            timeout=_TIMEOUT,
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=55
            ),
        )

    async def register(
        self,
        worker_id: UUID,
        name: str,
        kinds: Sequence[Mapping[str, Any]],
        *,
        version: str,
        slots: int,
        info: Mapping[str, Any],
    ) -> Registered:
        """As ``Store.register``."""
        arguments = {
            "worker_id": str(worker_id),
            "name": name,
            "kinds": list(kinds),
            "version": version or None,
            "slots": slots,
            "info": dict(info),
        }
        return read_answer(Registered, await self.call("register_worker", arguments), "register_worker")

    async def stop_worker(self, worker_id: UUID) -> None:
        """As ``Store.stop_worker``."""
        await self._ask("stop_worker", {"worker_id": str(worker_id)}, patience=2.0, timeout=3.0)

    async def claim(
        self,
        worker_id: UUID,
        request_id: UUID,
        *,
        queues: Sequence[str] | None,
        kinds: Sequence[str],
        most: int,
        lease_seconds: int,
    ) -> list[Claimed]:
        """As ``Store.claim``; asked once: who claims decides for how long it asks."""
        arguments = {
            "worker_id": str(worker_id),
            "request_id": str(request_id),
            "queues": None if queues is None else list(queues),
            "kinds": list(kinds),
            "max_jobs": most,
            "lease_seconds": lease_seconds,
        }
        return read_answers(Claimed, await self._ask("claim", arguments, patience=0), "claim")

    async def heartbeat(
        self, worker_id: UUID, beats: Sequence[Mapping[str, Any]], *, lease_seconds: int
    ) -> list[Beaten]:
        """As ``Store.heartbeat``; asked once: the next beat says it all again."""
        arguments = {"worker_id": str(worker_id), "jobs": list(beats), "lease_seconds": lease_seconds}
        rows = await self._ask("heartbeat", arguments, patience=0, timeout=lease_seconds / 2)
        return read_answers(Beaten, rows, "heartbeat")

    async def finish(self, worker_id: UUID, outcomes: Sequence[Mapping[str, Any]]) -> list[Finished]:
        """As ``Store.finish``; asked once: who finishes goes on asking."""
        arguments = {"worker_id": str(worker_id), "outcomes": list(outcomes)}
        return read_answers(Finished, await self._ask("finish", arguments, patience=0), "finish")

    async def sweep(self, worker_id: UUID, *, most: int = 500) -> Swept:
        """As ``Store.sweep``; asked once."""
        arguments = {"max_jobs": most, "worker_id": str(worker_id)}
        return read_answer(Swept, await self._ask("sweep", arguments, patience=0), "sweep")

    async def checkpoint(
        self,
        lease: Lease,
        step: str,
        status: StepStatus,
        *,
        result: Any = None,
        error: Mapping[str, Any] | None = None,
    ) -> Checkpoint:
        """As ``Store.checkpoint``."""
        arguments = {**lease.fields(), "step": step, "status": status}
        if status == "completed":
            arguments["result"] = result
        if error is not None:
            arguments["error"] = dict(error)
        return read_answer(Checkpoint, await self.call("checkpoint", arguments), "checkpoint")

    async def reserve_usage(self, lease: Lease, call: CallInfo, max_cost: Decimal) -> CostState:
        """As ``Store.reserve_usage``."""
        arguments = {**_call(lease, call), "max_cost": format(max_cost, "f")}
        return read_answer(CostState, await self.call("reserve_usage", arguments), "reserve_usage")

    async def record_usage(self, lease: Lease, call: CallInfo, cost: Decimal, quantity: Decimal) -> CostState:
        """As ``Store.record_usage``."""
        arguments = {
            **_call(lease, call),
            "cost": format(cost, "f"),
            "quantity": format(quantity, "f"),
        }
        return read_answer(CostState, await self.call("record_usage", arguments), "record_usage")

    async def release_usage(self, lease: Lease, call_id: UUID) -> CostState:
        """As ``Store.release_usage``."""
        arguments = {**lease.fields(), "call_id": str(call_id)}
        return read_answer(CostState, await self.call("release_usage", arguments), "release_usage")

    async def submit_children(self, lease: Lease, children: Sequence[Mapping[str, Any]]) -> SubmittedMany:
        """As ``Store.submit_children``."""
        arguments = {**lease.fields(), "children": list(children)}
        return read_answer(SubmittedMany, await self.call("submit_children", arguments), "submit_children")

    async def children(self, job_id: UUID) -> list[ChildRow]:
        """As ``Store.children``."""
        return read_answers(ChildRow, await self.call("children", {"job_id": str(job_id)}), "children")

    async def add_files(self, lease: Lease, files: Sequence[Mapping[str, Any]]) -> int:
        """As ``Store.add_files``."""
        return int(await self.call("add_files", {**lease.fields(), "files": list(files)}))

    async def signal(self, job_id: UUID, name: str, payload: Any) -> Signalled:
        """As ``Store.signal``."""
        arguments = {"job_id": str(job_id), "name": name, "payload": payload}
        return read_answer(Signalled, await self.call("signal", arguments), "signal")

    async def snapshot(self, job_id: UUID) -> Snapshot:
        """As ``Store.snapshot``."""
        return read_answer(Snapshot, await self.call("snapshot", {"job_id": str(job_id)}), "snapshot")

    async def call(
        self, function: str, arguments: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> Any:
        """As ``Store.call``; what may be repeated is, for up to a minute."""
        return await self._ask(function, arguments or {}, patience=_PATIENCE, timeout=timeout)

    async def close(self) -> None:
        """As ``Store.close``."""
        await self._http.aclose()

    async def _ask(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        patience: float,
        timeout: float | None = None,
    ) -> Any:
        body = dump(arguments)
        began = time.monotonic()
        failures = 0
        while True:
            try:
                return await self._once(function, body, timeout)
            except TransportError as error:
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures) * random.uniform(0.5, 1)  # noqa: S311
                pause = max(pause, error.retry_after or 0.0)
                failures += 1
                over = time.monotonic() + pause - began > patience
                if over or not may_repeat(error, function=function):
                    raise
                self._observations.repeated(function)
                await asyncio.sleep(pause)

    async def _once(self, function: str, body: bytes, timeout: float | None) -> Any:
        if os.getpid() != self._pid:
            # A handler forked: what runs here is a copy that nobody waits for.
            raise HeadwayError(
                "this process was forked from a worker and may not speak for it",
                hint="Start processes with subprocess, or run the handler in one: run_in='process'.",
                code="handler_forked",
            )
        began = time.monotonic()
        failure: HeadwayError | None = None
        try:
            response = await self._http.post(
                f"{self._base}{function}",
                content=body,
                timeout=_TIMEOUT if timeout is None else httpx.Timeout(timeout, connect=min(5.0, timeout)),
            )
            if response.status_code >= 400:
                failure = error_from_response(
                    response.status_code, response.content, response.headers, now=datetime.now(UTC)
                )
                raise failure
            content = response.content
            return load(content) if content else None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = error_from_httpx(error, now=datetime.now(UTC))
            raise failure from error
        except ValueError as error:
            failure = TransportError(
                f"the answer of {function} is no JSON",
                hint="Check what stands between this worker and the project.",
                code="answer_broken",
            )
            raise failure from error
        finally:
            code = failure.code if failure is not None else None
            self._observations.requested(function, time.monotonic() - began, code)


def _call(lease: Lease, call: CallInfo) -> dict[str, Any]:
    return {
        **lease.fields(),
        "call_id": str(call.id),
        "provider": call.provider,
        "model": call.model,
        "unit": call.unit,
        "step": call.step,
    }
