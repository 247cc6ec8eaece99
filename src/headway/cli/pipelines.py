"""Where the five pipelines are: shipped inside the wheel, or beside ``src`` in a clone."""

from __future__ import annotations

from pathlib import Path

__all__ = ["pipelines_dir"]


def pipelines_dir() -> Path:
    """The directory that holds the package ``workers``: put it on ``sys.path`` to import ``workers.cv``."""
    package = Path(__file__).parents[1]
    shipped = package / "_pipelines"
    return shipped if shipped.is_dir() else package.parents[1]
