"""A message to deliver, and what became of it: the values that the outbox's functions take and answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import Field

from headway.core.validation import Answer

__all__ = ["Channel", "Delivered", "Delivery"]

_LONGEST_ERROR = 500


class Delivery(Answer):
    """A row of ``claim_outbox``: a message, and the right to deliver it.

    Attributes:
        id: The message; the same whenever it is sent again.
        target: Where to; may be a secret of its own.
        attempt: 1 for the first.
        secrets: What signs it; two while one is being replaced.
    """

    id: UUID
    endpoint_id: UUID
    channel: Literal["webhook", "email"]
    target: str = Field(repr=False)
    event: str
    payload: dict[str, Any] = Field(repr=False)
    attempt: int
    secrets: tuple[str, ...] = Field(default=(), repr=False)
    lease_token: UUID = Field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a message.

    Args:
        outcome: ``dead`` when trying again is senseless.
        status_code: What the receiver answered, if it did.
        error: Why it failed, for the endpoint's owner: without secrets.
        retry_after: Seconds that the receiver asks to wait.
    """

    outcome: Literal["delivered", "retry", "dead"]
    status_code: int | None = None
    error: str | None = None
    retry_after: float | None = None

    def report(self, delivery: Delivery) -> dict[str, Any]:
        """As ``finish_outbox`` takes it."""
        report: dict[str, Any] = {
            "id": str(delivery.id),
            "lease_token": str(delivery.lease_token),
            "outcome": self.outcome,
        }
        if self.status_code is not None:
            report["status_code"] = self.status_code
        if self.error is not None:
            # Whatever a foreign server has put into it must be storable.
            report["error"] = self.error.replace("\0", "").encode(errors="replace").decode()[:_LONGEST_ERROR]
        if self.retry_after is not None:
            report["retry_after_seconds"] = min(max(self.retry_after, 0), 86_400)
        return report


class Channel(Protocol):
    """A way to deliver."""

    async def deliver(self, delivery: Delivery) -> Delivered:
        """Send one message; what fails is an outcome, not an error."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
