"""Weighted stages as one percent that never falls."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping

from headway.core.parts import Stage
from headway.errors import InvalidRequest

__all__ = ["StagePlan", "StageProgress"]


class StagePlan:
    """The stages of a kind, in order, each with its part of the bar.

    A stage's share is its weight over the sum of all weights; when every weight is 0, all share alike.
    Without stages, the whole bar belongs to the work itself.

    Args:
        stages: Stages, or their names (weight 1 each), or what ``kinds.stages`` holds.

    Raises:
        InvalidRequest: a name comes twice.
        pydantic.ValidationError: an entry is no stage.
    """

    def __init__(self, stages: Iterable[Stage | str | Mapping[str, object]] = ()) -> None:
        self.stages = tuple(_stage(entry) for entry in stages)
        self._spans: dict[str, tuple[float, float]] = {}
        weights = [stage.weight for stage in self.stages]
        total = math.fsum(weights)
        if total == 0:
            weights, total = [1.0] * len(weights), float(len(weights))
        for place, stage in enumerate(self.stages):
            if stage.name in self._spans:
                raise InvalidRequest(
                    f"stages[{place}].name: {stage.name!r} comes twice",
                    hint="Give every stage of a kind its own name.",
                    code="HW100",
                    details=f"stages[{place}].name",
                )
            before, after = math.fsum(weights[:place]), math.fsum(weights[: place + 1])
            self._spans[stage.name] = (100 * before / total, 100 * after / total)

    def span(self, name: str) -> tuple[float, float]:
        """From which percent to which a stage reaches.

        Raises:
            InvalidRequest: there is no such stage; the hint names the nearest.
        """
        try:
            return self._spans[name]
        except KeyError:
            raise self._unknown(name) from None

    def percent(self, name: str | None, fraction: float) -> float:
        """The percent of the whole when a part of a stage is done.

        Rounded down to two decimals, so that 100 is never shown before the end.

        Args:
            name: The stage; ``None`` before the first, or for a kind without stages.
            fraction: How much of it is done, 0 to 1.

        Raises:
            InvalidRequest: there is no such stage.
        """
        if name is None:
            start, end = (0.0, 0.0) if self.stages else (0.0, 100.0)
        else:
            start, end = self.span(name)
        # 28.999999999999996 is 29 with a float's last digits, not a hundredth less.
        return math.floor(round((start + (end - start) * fraction) * 100, 6)) / 100

    def _unknown(self, name: str) -> InvalidRequest:
        near = difflib.get_close_matches(name, self._spans, n=1)
        known = ", ".join(self._spans) or "none"
        return InvalidRequest(
            f"stage: unknown stage {name[:100]!r}",
            hint=f"Did you mean {near[0]}? Declared stages: {known}."
            if near
            else f"Declared stages: {known}.",
            code="HW100",
            details="stage",
        )


class StageProgress:
    """How far one attempt has come: a stage after the other, and something done of something in each.

    Stages may be skipped, and count as done once a later one begins. Going back to an earlier stage, or to a
    smaller number, leaves the percent where it is.

    Args:
        plan: The stages of the kind.
    """

    def __init__(self, plan: StagePlan) -> None:
        self._plan = plan
        self._stage: str | None = None
        self._percent = 0.0

    @property
    def stage(self) -> str | None:
        """The current stage."""
        return self._stage

    @property
    def percent(self) -> float:
        """0 to 100, two decimals; never falls."""
        return self._percent

    def enter(self, name: str) -> float:
        """A stage begins; the percent.

        Raises:
            InvalidRequest: the plan has no such stage; nothing changes.
        """
        reached = self._plan.percent(name, 0)
        self._stage = name
        return self._rise(reached)

    def advance(self, done: float, total: float = 100) -> float:
        """So much of the current stage is done; the percent.

        Args:
            done: 0 or more; more than ``total`` counts as all.
            total: What ``done`` counts towards; 0 means that there is nothing to do.

        Raises:
            InvalidRequest: a number is negative or not finite; nothing changes.
        """
        for field, value in (("done", done), ("total", total)):
            if not math.isfinite(value) or value < 0:
                raise InvalidRequest(
                    f"{field}: must be a finite number of at least 0, not {value}",
                    hint="Report progress as advance(done, total), such as advance(3, 10).",
                    code="HW103",
                    details=field,
                )
        fraction = min(done / total, 1.0) if total else 1.0
        return self._rise(self._plan.percent(self._stage, fraction))

    def _rise(self, reached: float) -> float:
        self._percent = max(self._percent, reached)
        return self._percent


def _stage(entry: Stage | str | Mapping[str, object]) -> Stage:
    if isinstance(entry, Stage):
        return entry
    return Stage.model_validate({"name": entry} if isinstance(entry, str) else entry)
