"""Durations for people."""

from __future__ import annotations

__all__ = ["short_duration"]


def short_duration(seconds: float) -> str:
    """Such as ``4.2s``, ``42s``, ``3m 05s``, ``2h 10m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
