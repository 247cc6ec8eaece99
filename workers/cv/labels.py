"""Notes whether the sandbox has answered instead of a model, so that its words are labelled in the tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any

from workers.llm.model import Paying

__all__ = ["Labelled"]

_MARK = "-sandbox"


class Labelled:
    """A job's context for paid calls that also looks at who has answered them.

    Args:
        ctx: The job's context.

    Attributes:
        sandbox: Whether an answer came from the sandbox.
    """

    def __init__(self, ctx: Paying) -> None:
        self._ctx = ctx
        self.sandbox = False

    @property
    def time_left(self) -> float:
        """Seconds until the execution is stopped."""
        return self._ctx.time_left

    def paid_call(self, **call: Any) -> AbstractAsyncContextManager[Any]:
        """As the context's own."""
        return self._noting(self._ctx.paid_call(**call))

    @asynccontextmanager
    async def _noting(self, entered: AbstractAsyncContextManager[Any]) -> AsyncIterator[_Noted]:
        async with entered as paid:
            yield _Noted(self, paid)


class _Noted:
    def __init__(self, label: Labelled, paid: Any) -> None:
        self._label = label
        self._paid = paid

    def cost(
        self, *, cost: Decimal, quantity: int, model: str | None = None, unit: str | None = None
    ) -> None:
        self._label.sandbox |= (model or "").endswith(_MARK)
        self._paid.cost(cost=cost, quantity=quantity, model=model, unit=unit)

    def unknown(self) -> None:
        self._paid.unknown()
