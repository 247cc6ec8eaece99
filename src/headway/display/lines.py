"""A board as lines that are written once, for pipes and logs."""

from __future__ import annotations

from headway.core.feed import Update
from headway.display.board import JobCard
from headway.display.durations import short_duration
from headway.display.plain_text import one_line, safe_text

__all__ = ["line_of"]


def line_of(card: JobCard, update: Update, now: float) -> str | None:
    """What an update adds to a log; ``None`` for progress between events, which would flood it."""
    event = update.event
    if event is None and not update.ended and update.snapshot is None:
        return None
    head = f"{card.title}  {card.percent:3.0f} %  "
    if update.ended:
        elapsed = card.elapsed(now)
        took = f" after {short_duration(elapsed)}" if elapsed is not None else ""
        fault = card.error if card.status == "failed" else None
        said = fault.message if fault else event.reason if event is not None else None
        reason = f": {one_line(said)}" if said else ""
        hint = f"\n{card.title}  hint: {one_line(fault.hint)}" if fault and fault.hint else ""
        return f"{head}{card.status}{took}{reason}{hint}"
    if event is None:
        return head + card.status
    if event.type == "stage_started":
        said = f": {card.message}" if card.message else ""
        return f"{head}stage {safe_text(event.stage or '')}{said}"
    if event.type == "emitted":
        return f"{head}{safe_text(event.name or '')}: {one_line(event.output)}"
    if event.type in ("step_started", "step_completed", "step_failed"):
        reason = f": {one_line(event.fault.message)}" if event.fault else ""
        return f"{head}{event.type.replace('_', ' ')} {safe_text(event.step or '')}{reason}"
    if event.fault is not None:
        return f"{head}{event.type.replace('_', ' ')}: {one_line(event.fault.message)}"
    return head + event.type.replace("_", " ")
