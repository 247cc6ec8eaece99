"""The service that tells the outside when jobs end: webhooks and e-mails, at least once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from headway.core.validation import read_answers
from headway.worker.deliveries import Channel, Delivered, Delivery
from headway.worker.duty import Duty
from headway.worker.service import ServiceContext

__all__ = ["Notifier"]

_log = logging.getLogger("headway.worker.notifier")

_AT_ONCE = 40
_LEAST_CLAIM = 10
# Deliveries that end together are reported together.
_GATHER = 0.05
_LAST_WORDS = 5.0
# A sweep tells of messages that this worker cannot deliver too, such as letters where it has no mail server.
_LONGEST_REST = 30.0
_FIRST_RETRY = 10.0
_LONGEST_RETRY = 300.0


class Notifier(Duty):
    """Claims messages of the outbox, delivers many at once, and reports each as it ends.

    A slow receiver holds one place, never the others. Whatever this process cannot report, because it dies,
    is claimed again when its lease has run out.

    Args:
        context: The worker's.
        channels: How to deliver, by the outbox's word for it; messages of other channels are left to others.
        lease_seconds: How long one delivery may take, and be reported.
    """

    name = "notifier"

    def __init__(
        self, context: ServiceContext, channels: Mapping[str, Channel], *, lease_seconds: int
    ) -> None:
        super().__init__(context.observations)
        self._store = context.store
        self._agenda = context.agenda
        self._worker_id = context.worker_id
        self._channels = channels
        self._lease_seconds = lease_seconds
        self._running: dict[asyncio.Task[Delivered], Delivery] = {}
        self._unreported: list[dict[str, Any]] = []
        self._in_vain = 0
        self._claiming: asyncio.Future[int] | None = None
        self._ending = asyncio.Lock()

    async def stop(self) -> None:
        """Claim nothing more, give what is on its way a few seconds, and report it."""
        await super().stop()
        async with self._ending:
            await self._end()

    async def turn(self) -> None:
        """Deliver for as long as nothing fails."""
        due = asyncio.create_task(self._agenda.due("deliveries"))
        more = False
        try:
            while True:
                await self._report()
                free = _AT_ONCE - len(self._running)
                if more and free >= _LEAST_CLAIM:
                    # What it is granted must be delivered, also by a worker that is stopping.
                    self._claiming = asyncio.ensure_future(self._claim(free))
                    more = await asyncio.shield(self._claiming) == free
                    continue
                done, _ = await asyncio.wait({due, *self._running}, return_when=asyncio.FIRST_COMPLETED)
                if due in done:
                    due = asyncio.create_task(self._agenda.due("deliveries"))
                    more = True
                if ended := [task for task in self._running if task.done()]:
                    await asyncio.sleep(_GATHER)
                    self._gather(ended)
        except Exception:
            self._agenda.bring_forward("deliveries")
            raise
        finally:
            due.cancel()

    async def _end(self) -> None:
        if self._claiming is not None and not self._claiming.done():
            await asyncio.wait({self._claiming}, timeout=_LAST_WORDS)
            self._claiming.cancel()
            await asyncio.wait({self._claiming})
        if self._claiming is not None and not self._claiming.cancelled():
            self._claiming.exception()  # told by the turn, if it was still there
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_LAST_WORDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._gather(list(self._running))
        try:
            async with asyncio.timeout(_LAST_WORDS):
                await self._report()
        except Exception as error:  # noqa: BLE001 - they will be delivered once more, which receivers expect
            _log.warning("deliveries could not be reported: %s", type(error).__name__)
        for channel in self._channels.values():
            await channel.close()

    async def _claim(self, most: int) -> int:
        rows = await self._store.call(
            "claim_outbox",
            {
                "worker_id": str(self._worker_id),
                "request_id": str(uuid4()),
                "max_messages": most,
                "lease_seconds": self._lease_seconds,
                "channels": list(self._channels),
            },
        )
        deliveries = read_answers(Delivery, rows, "claim_outbox")
        self._in_vain = 0 if deliveries else self._in_vain + 1
        rest = min(2.0 ** min(self._in_vain, 10), _LONGEST_REST) if self._in_vain > 1 else 0.0
        self._agenda.leave("deliveries", rest)
        for delivery in deliveries:
            task = asyncio.create_task(self._deliver(delivery), name=f"headway delivery {delivery.id}")
            self._running[task] = delivery
        return len(deliveries)

    async def _deliver(self, delivery: Delivery) -> Delivered:
        began = time.monotonic()
        try:
            delivered = await self._channels[delivery.channel].deliver(delivery)
        except Exception:  # noqa: BLE001 - a message that cannot be sent must not keep others from it
            _log.exception("message %s could not be delivered", delivery.id)
            delivered = Delivered("retry", error="the worker could not send it; its log says why")
        self._observations.delivered(delivery.channel, delivered.outcome, time.monotonic() - began)
        if delivered.outcome != "delivered":
            _log.warning(
                "message %s to endpoint %s: %s, attempt %d: %s",
                delivery.id, delivery.endpoint_id, delivered.outcome, delivery.attempt, delivered.error,
            )  # fmt: skip
        return delivered

    def _gather(self, tasks: Sequence[asyncio.Task[Delivered]]) -> None:
        for task in tasks:
            delivery = self._running.pop(task)
            if task.cancelled():
                continue
            delivered = task.result()
            self._unreported.append(delivered.report(delivery))
            if delivered.outcome == "retry":
                wait = min(_FIRST_RETRY * 3 ** (delivery.attempt - 1), _LONGEST_RETRY)
                self._agenda.bring_forward("deliveries", delivered.retry_after or wait)

    async def _report(self) -> None:
        while self._unreported:
            batch = self._unreported[:100]
            await self._store.call("finish_outbox", {"outcomes": batch})
            del self._unreported[: len(batch)]
