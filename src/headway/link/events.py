"""What a listener is told, and what a link says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["Event", "Gap", "LinkState", "LinkStatus", "Listening", "Message", "ProofKind", "Refused"]

LinkStatus: TypeAlias = Literal["connecting", "proven", "deaf", "stopped"]
ProofKind: TypeAlias = Literal["canary", "public canary", "answer"]


@dataclass(frozen=True, slots=True)
class Listening:
    """The server listens for the topic from now on: read the snapshot, or catch up."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; it may come twice, and out of order.

    Args:
        topic: The topic, or ``schema.table`` of a change.
        event: The broadcast's event; ``INSERT``, ``UPDATE`` or ``DELETE`` of a change.
        payload: The broadcast's payload, or the change's ``data`` (``record``, ``old_record``, ``errors`` …).
        at: When it arrived, by ``time.monotonic()``.
    """

    topic: str
    event: str
    payload: dict[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages may have been lost; ``Listening`` follows as soon as the server listens again.

    Args:
        reason: Why, for logs.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused the topic.

    Args:
        code: Its code, such as ``Unauthorized``; ``Unknown`` when it gave none.
        reason: Its words.
        will_retry: Whether the link goes on trying.
    """

    code: str
    reason: str
    will_retry: bool


Event: TypeAlias = Listening | Message | Gap | Refused


@dataclass(frozen=True, slots=True)
class LinkState:
    """How a link is.

    Args:
        status: ``connecting`` until first proven; ``proven`` while every connection has lately heard its own
            canary; ``deaf`` when messages may be lost; ``stopped`` for good.
        since: When the status began, by ``time.monotonic()``.
        connections: Open sockets.
        reconnects: Connections that were lost so far; planned replacements are not among them.
        replacements: Connections that were replaced as planned.
        last_proof: When a connection last proved that it hears, by ``time.monotonic()``.
        proof: By what: a private canary, a public one (the private one is refused), or any answer (both are).
        last_error: What went wrong last, without secrets.
    """

    status: LinkStatus
    since: float
    connections: int = 0
    reconnects: int = 0
    replacements: int = 0
    last_proof: float | None = None
    proof: ProofKind | None = None
    last_error: str | None = None
