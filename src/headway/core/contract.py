"""The version of the engine's contract that this package speaks."""

from __future__ import annotations

__all__ = ["CONTRACT_VERSION"]

CONTRACT_VERSION = 1
"""What ``headway.version()`` answers; raised with every change that an older client would not understand."""
