"""Requests to addresses that somebody else has chosen: webhooks and their redirects."""

from headway.outbound.transport import GuardedTransport

__all__ = ["GuardedTransport"]
