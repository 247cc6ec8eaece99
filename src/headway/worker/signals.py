"""Waiting for a person or a webhook."""

from __future__ import annotations

import re
from typing import Any

from headway.errors import InvalidRequest, TimedOut
from headway.worker.attempt import Attempt
from headway.worker.deadlines import wait_deadline
from headway.worker.steps import read_as
from headway.worker.store import Store
from headway.worker.suspension import Suspend, Wait

__all__ = ["Signals"]

_NAME = re.compile(r"[a-z][a-z0-9_.:-]{0,99}")
# The engine wakes a waiting job at its deadline by its own clock; what is left then is rounding.
_OVER = 0.5


class Signals:
    """The signals of one execution.

    Args:
        attempt: The execution; its claim has brought the signals that came before.
        store: Where the deadline is kept.
    """

    def __init__(self, attempt: Attempt, store: Store) -> None:
        self._attempt = attempt
        self._store = store

    async def wait(self, name: str, timeout: float | None, into: Any) -> Any:
        """As ``Context.wait_for_signal``."""
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise InvalidRequest(
                "name: must be up to 100 lower-case letters, digits, _ . : and -, beginning with a letter",
                hint='Write await ctx.wait_for_signal("approval").',
                code="HW100",
                details="name",
            )
        given = self._attempt.claimed.signals
        if name in given:
            return given[name] if into is None else read_as(into, given[name], f"signal {name!r}")
        run = self._attempt.job.run
        step = f"wait for {name}" if run == 1 else f"wait for {name} {run}"
        left = await wait_deadline(self._attempt, self._store, step, timeout)
        if left <= _OVER:
            raise TimedOut(
                f"signal {name!r} did not come in time",
                hint="Send it sooner, or let the job wait longer.",
                code="signal_timeout",
            )
        raise Suspend(Wait("signal", name, left))
