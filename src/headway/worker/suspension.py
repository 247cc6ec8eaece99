"""How a handler waits without holding a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Suspend", "Wait"]


@dataclass(frozen=True, slots=True)
class Wait:
    """What the job waits for.

    Args:
        what: ``children`` or ``signal``.
        signal: The signal's name.
        seconds: After which the job goes on anyway.
    """

    what: Literal["children", "signal"]
    signal: str | None = None
    seconds: float | None = None


class Suspend(BaseException):
    """Ends an execution that waits; no ``Exception``, so that a handler's ``except`` lets it pass."""

    def __init__(self, wait: Wait) -> None:
        self.wait = wait
        super().__init__(f"this execution ends here and waits for {wait.signal or wait.what}")

    def __reduce__(self) -> tuple[type[Suspend], tuple[Wait]]:
        return Suspend, (self.wait,)
