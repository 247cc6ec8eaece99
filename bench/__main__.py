"""``python -m bench [NAME ...]`` runs the named benchmarks, or all of them."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sys

import bench
from bench.report import print_figures

_NOT_BENCHMARKS = {"__main__", "report"}


def main(names: list[str]) -> int:
    """Run benchmarks by module name and print their figures.

    Args:
        names: Modules of this package; all that have ``run`` when empty.
    """
    known = [m.name for m in pkgutil.iter_modules(bench.__path__) if m.name not in _NOT_BENCHMARKS]
    if unknown := sorted(set(names) - set(known)):
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or known:
        module = importlib.import_module(f"bench.{name}")
        if hasattr(module, "run"):
            print_figures(module.NAME, asyncio.run(module.run()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
