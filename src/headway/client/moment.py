"""The clock, in one place."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["now"]


def now() -> datetime:
    """The present moment, with an offset."""
    return datetime.now(UTC)
