"""What whoever still asks something of a closed client is told."""

from __future__ import annotations

from headway.errors import TransportError

__all__ = ["CLIENT_CLOSED", "closed_error"]

CLIENT_CLOSED = "client_closed"
"""The code: no other try helps."""


def closed_error() -> TransportError:
    """The error of every call that a closed client cannot make, or could not end any more."""
    return TransportError("the client is closed", hint="Make another one.", code=CLIENT_CLOSED)
