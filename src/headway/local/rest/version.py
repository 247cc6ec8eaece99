"""Which PostgREST this service behaves like."""

from __future__ import annotations

from typing import Final

__all__ = ["VERSION"]

VERSION: Final = "16.1"
"""The version whose behaviour is followed, and that responses name."""
