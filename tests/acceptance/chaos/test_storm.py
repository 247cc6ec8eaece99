"""Four workers in a storm: every job ends once, nothing that was done is done again, nobody stays away."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.stack import running_stack

from .storm import Storm, Weather


@pytest.mark.timeout(1200)
@pytest.mark.xdist_group("chaos")
async def test_every_job_ends_once_whatever_happens_to_its_workers(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack") as stack:
        report = await Storm(stack, tmp_path, Weather(jobs=5000), seed=1).run()
    print("\n".join(report.lines()))
    assert report.faults == []
    # Otherwise the storm was a breeze, and has shown nothing.
    assert report.kills > 10
    assert report.lost > 0
    assert report.freezes > 0
    assert report.cuts > 0
    assert report.gateway_restarts > 0
    # Flat: what it holds at the end is what it held once it was warm.
    warm = report.memory[len(report.memory) // 3 :]
    assert warm[-1] < warm[0] + 30e6, report.memory
