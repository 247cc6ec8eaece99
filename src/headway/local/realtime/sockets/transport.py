"""Ending a connection at once.

ASGI can only close in an orderly way, which waits for a peer that may never read again. uvicorn's
``receive`` is a method of its protocol object, which holds the transport.
"""

from __future__ import annotations

from typing import Any

from starlette.types import Receive

__all__ = ["abort"]


def abort(receive: Receive) -> bool:
    """Drop the connection behind an ASGI ``receive`` without a closing handshake.

    Returns:
        Whether the server is one whose transport can be reached.
    """
    transport: Any = getattr(getattr(receive, "__self__", None), "transport", None)
    if not hasattr(transport, "abort"):
        return False
    transport.abort()
    return True
