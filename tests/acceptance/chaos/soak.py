"""``make soak``: storm after storm for as long as you like, and what they have shown.

``python -m acceptance.chaos.soak --minutes 20`` with ``tests`` on the PYTHONPATH; exits with 1 after a fault.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from support.stack import running_stack

from .storm import Storm, Weather


def main() -> int:
    """Storms of 5,000 jobs until the time is over."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--jobs", type=int, default=5000, help="in each storm")
    options.add_argument("--seed", type=int, default=int(time.time()))
    chosen = options.parse_args()
    ends = time.monotonic() + chosen.minutes * 60
    faults, seed = 0, chosen.seed
    with (
        tempfile.TemporaryDirectory(prefix="headway-soak-") as folder,
        running_stack(Path(folder) / "stack") as stack,
    ):
        while seed == chosen.seed or time.monotonic() < ends:
            storm_folder = Path(folder) / str(seed)
            storm_folder.mkdir()
            report = asyncio.run(Storm(stack, storm_folder, Weather(jobs=chosen.jobs), seed=seed).run())
            print(f"storm {seed}", *report.lines(), sep="\n  ", flush=True)
            faults += len(report.faults)
            seed += 1
    print(f"{faults} faults" if faults else "no fault")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
