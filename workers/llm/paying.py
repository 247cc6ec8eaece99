"""What a call needs of a job's context, and what a provider's error means for the job and its money."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from decimal import Decimal
from typing import Any, Protocol

from headway import HeadwayError
from workers.llm.calls import Adapter
from workers.llm.retries import Passing

__all__ = ["PaidCall", "Paying", "explained"]


class PaidCall(Protocol):
    """A call whose greatest cost is set aside."""

    def cost(
        self, *, cost: Decimal, quantity: int, model: str | None = None, unit: str | None = None
    ) -> None: ...

    def unknown(self) -> None: ...


class Paying(Protocol):
    """What a call needs of a job's context."""

    def paid_call(
        self,
        *,
        provider: str,
        max_cost: Decimal,
        model: str | None = None,
        unit: str | None = None,
        step: str | None = None,
    ) -> AbstractAsyncContextManager[Any]: ...

    @property
    def time_left(self) -> float: ...


@contextmanager
def explained(adapter: Adapter, paid: PaidCall) -> Iterator[None]:
    """Turn what a provider's library raises into what it means for the job, and for the money.

    Args:
        adapter: The provider.
        paid: The call.
    """
    try:
        yield
    except (HeadwayError, GeneratorExit):
        raise
    except Exception as error:
        meaning = error if isinstance(error, Passing) else adapter.explain(error)
        if meaning is None:
            raise
        if isinstance(meaning, Passing) and meaning.spent:
            paid.unknown()
        if meaning is error:
            raise
        raise meaning from error
