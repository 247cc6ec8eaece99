"""How far a transfer is, told to whoever wants to know."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["OnProgress", "ProgressTeller", "TransferProgress"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How far a transfer is.

    Attributes:
        name: The file's name.
        done: Bytes that are there.
        total: Bytes of the whole; ``None`` when the server does not say.
        resumed: Bytes that an earlier try had brought, which were not sent again.
    """

    name: str
    done: int
    total: int | None
    resumed: int = 0

    @property
    def fraction(self) -> float | None:
        """0 to 1; ``None`` when the size is not known."""
        if self.total is None:
            return None
        return self.done / self.total if self.total else 1.0


OnProgress: TypeAlias = Callable[[TransferProgress], Awaitable[None] | None]
"""Called with every step of a transfer, which waits for it; may be async.

A plain function runs on the event loop, and must not block it; that of the client without a loop runs on a
thread of its own. What it raises is logged and harms nothing; it is not called again.
"""


class ProgressTeller:
    """Tells one transfer's progress.

    Args:
        name: The file's name.
        total: Bytes of the whole.
        on_progress: Whom to tell; ``None`` for nobody.
    """

    def __init__(self, name: str, total: int | None, on_progress: OnProgress | None) -> None:
        self.name = name
        self.total = total
        self.resumed = 0
        self._on_progress = on_progress
        self._told = -1

    async def tell(self, done: int) -> None:
        """So many bytes are there."""
        if self._on_progress is None or done == self._told:
            return
        self._told = done
        try:
            answer = self._on_progress(TransferProgress(self.name, done, self.total, self.resumed))
            if inspect.isawaitable(answer):
                await answer
        except (Exception, SystemExit):  # noqa: BLE001 - logged
            # An app's progress bar must not cost it the transfer.
            _log.exception("on_progress of the transfer of %s raised", self.name)
            self._on_progress = None
