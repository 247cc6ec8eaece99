"""How a worker is: what health checks, figures and people are told."""

from __future__ import annotations

import time

from headway.worker.assembly import Parts
from headway.worker.service import Condition

__all__ = ["condition_of"]

# A beat, a claim or a sweep that was answered this long ago still speaks for the engine.
_ANSWERED_WITHIN = 30.0
_MOST_ABANDONED = 50


def condition_of(parts: Parts, *, started: bool, stopping: bool) -> Condition:
    """The condition of a worker at this moment.

    Args:
        parts: The worker's.
        started: Whether it claims jobs.
        stopping: Whether it was told to stop.
    """
    faults = []
    registered = parts.registration.done
    if not registered:
        faults.append("the engine has not answered yet")
    answers = (parts.keeper.beaten_at, parts.claimer.answered_at, parts.sweeper.answered_at)
    answered = [moment for moment in answers if moment is not None]
    if registered and answered and (silence := time.monotonic() - max(answered)) > _ANSWERED_WITHIN:
        faults.append(f"the engine has not answered for {silence:.0f} s")
    abandoned = parts.incidents.threads + parts.containment.abandoned_tasks
    if abandoned >= _MOST_ABANDONED:
        faults.append(f"{abandoned} handlers go on although they were told to stop")
    beats = parts.keeper.alive or not started
    if not beats:
        faults.append("no heartbeats are sent any more")
    if stopping:
        faults.append("it was told to stop")
    return Condition(
        live=beats and abandoned < _MOST_ABANDONED,
        ready=started and not faults,
        faults=tuple(faults),
        link=parts.link.state.status,
        draining=stopping,
        slots=parts.settings.concurrency,
        running=dict(parts.runner.running),
        details={
            "unfinished": parts.finisher.unfinished,
            "abandoned": abandoned,
            "hears": parts.claimer.hears,
        },
    )
