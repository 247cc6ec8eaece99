"""How often each path was asked for."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

__all__ = ["RequestCounts"]


class RequestCounts:
    """Counts requests by method and path, and the faults that met them; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()

    def count(self, method: str, path: str, fault: str | None) -> None:
        """Note one request.

        Args:
            method: Its method.
            path: Its path, with the provider's prefix.
            fault: The kind of the fault that met it, or ``None``.
        """
        with self._lock:
            self._paths[f"{method} {path}"] += 1
            if fault is not None:
                self._faults[fault] += 1

    def of(self, path: str) -> int:
        """How many requests a path has had, by any method.

        Args:
            path: With the provider's prefix.
        """
        with self._lock:
            return sum(count for key, count in self._paths.items() if key.partition(" ")[2] == path)

    def clear(self) -> None:
        """Begin at zero."""
        with self._lock:
            self._paths.clear()
            self._faults.clear()

    def as_dict(self) -> dict[str, Any]:
        """The counts, by ``METHOD /path`` and by kind of fault."""
        with self._lock:
            return {
                "total": self._paths.total(),
                "paths": dict(sorted(self._paths.items())),
                "faults": dict(sorted(self._faults.items())),
            }
