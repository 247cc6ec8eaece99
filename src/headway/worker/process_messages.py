"""What a worker and its child processes say to each other, over a pipe of their own."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from headway.core.parts import FileRef
from headway.errors import HeadwayError
from headway.worker.job import JobInfo

__all__ = ["Answer", "Ask", "Done", "Order", "Setup", "Stop", "Tell", "portable_error"]


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message: how to find the handlers' modules, and which project to talk to."""

    preparation: dict[str, Any]
    url: str
    headers: dict[str, str]
    public_url: str | None


@dataclass(frozen=True, slots=True)
class Order:
    """Run one handler."""

    handler: Callable[..., Any]
    takes_payload: bool
    payload: Any
    job: JobInfo
    files: tuple[FileRef, ...]
    budget: Decimal | None
    timeout: float
    result_limit: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The execution is to stop at once."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The handler wants an operation done, and waits."""

    number: int
    operation: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it."""

    number: int
    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    """The handler wants a plain operation done."""

    operation: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The handler has returned or raised."""

    value: Any = None
    error: BaseException | None = None


def portable_error(error: BaseException) -> BaseException:
    """An exception that can travel; what cannot is told by an error of Headway's that says the same."""
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, a moment ago
    except Exception:  # noqa: BLE001 - exceptions of others fail in every way
        copy = None
    if type(copy) is type(error):
        return error
    code = getattr(error, "code", None)
    name = type(error).__name__
    try:
        said = f"{name}: {error}"
    except Exception:  # noqa: BLE001
        said = name
    return HeadwayError(said, code=code if isinstance(code, str) else "handler_error")
