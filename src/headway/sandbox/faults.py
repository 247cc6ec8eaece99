"""What goes wrong between a client and a paid API, on demand and at a known moment."""

from __future__ import annotations

import random
import re
import threading
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from starlette.requests import HTTPConnection

__all__ = ["FAULT_KINDS", "Fault", "FaultInvalid", "FaultKind", "Faults"]

FaultKind: TypeAlias = Literal[
    "429",
    "500",
    "503",
    "quota",
    "slow",
    "timeout",
    "cut",
    "malformed",
    "truncated",
    "refusal",
    "content_filter",
    "context_length",
]
FAULT_KINDS: tuple[str, ...] = get_args(FaultKind)

_SCOPE_KEY = "headway.sandbox.fault"


class FaultInvalid(ValueError):
    """A fault has an unknown name or an impossible value; the message names it."""


class Fault(BaseModel):
    """One thing that goes wrong.

    Attributes:
        kind: ``429`` too many requests; ``500`` and ``503``; ``quota`` the account's money is spent; ``slow``
            the answer is late by ``seconds``; ``timeout`` there is none within ``seconds``; ``cut`` the
            connection ends in the middle of the answer; ``malformed`` the model's text is not the JSON asked
            for; ``truncated`` it ends early, as at the token limit; ``refusal`` and ``content_filter`` the
            model says no; ``context_length`` the prompt is too long.
        provider: Whose requests; ``None`` for everybody's.
        path: A regular expression searched for in the path; ``None`` for every path.
        times: How many requests it meets; ``None`` for no end.
        fraction: The share of the requests that it meets.
        seed: Starts the dice for ``fraction`` anew, for the same sequence each time.
        retry_after: Seconds that the answer asks to wait, for ``429``, ``500`` and ``503``.
        seconds: For ``slow`` and ``timeout``.
        after: For ``cut``: how many pieces of a streamed answer still come; half of any other answer does.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    provider: str | None = None
    path: str | None = None
    times: int | None = Field(default=None, ge=1)
    fraction: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = None
    retry_after: float | None = Field(default=None, ge=0, le=86_400)
    seconds: float = Field(default=5.0, ge=0, le=3_600)
    after: int = Field(default=3, ge=0)

    @field_validator("path")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
        return value


class Faults:
    """The faults in force; safe to change from any thread while requests are answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[_Active] = []

    def add(self, kind: FaultKind, **values: Any) -> None:
        """Let something go wrong from now on; of several that match a request, the first added meets it.

        Args:
            kind: See ``Fault``.
            values: Its other attributes.

        Raises:
            FaultInvalid: nothing was changed.
        """
        self.add_fault({"kind": kind, **values})

    def add_fault(self, values: dict[str, Any]) -> Fault:
        """As ``add``, from a JSON object.

        Args:
            values: The attributes of ``Fault``.

        Raises:
            FaultInvalid: nothing was changed.
        """
        try:
            fault = Fault.model_validate(values)
        except ValidationError as error:
            raise FaultInvalid(
                "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            ) from None
        with self._lock:
            self._active.append(_Active(fault))
        return fault

    def clear(self) -> None:
        """Be healthy again."""
        with self._lock:
            self._active.clear()

    def as_list(self) -> list[dict[str, Any]]:
        """The faults in force, each with ``met``, the number of requests that it has met."""
        with self._lock:
            return [{**each.fault.model_dump(), "met": each.met} for each in self._active]

    def draw(self, connection: HTTPConnection, provider: str) -> Fault | None:
        """The fault that meets a request, noted in the request itself for ``wanted``.

        Args:
            connection: The request.
            provider: Whose it is.
        """
        path = connection.scope["path"]
        with self._lock:
            met = next((each for each in self._active if each.meets(provider, path)), None)
            if met is None:
                return None
            met.met += 1
            if met.fault.times is not None and met.met >= met.fault.times:
                self._active.remove(met)
        connection.scope[_SCOPE_KEY] = met.fault
        return met.fault

    @staticmethod
    def wanted(connection: HTTPConnection) -> Fault | None:
        """The fault that was drawn for a request, for providers that have to shape it themselves.

        Args:
            connection: The request.
        """
        fault = connection.scope.get(_SCOPE_KEY)
        return fault if isinstance(fault, Fault) else None


class _Active:
    """A fault in force, its dice, and how often it has struck."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.met = 0
        self._pattern = re.compile(fault.path) if fault.path is not None else None
        self._dice = random.Random(fault.seed)  # noqa: S311 — reproducible, not secret

    def meets(self, provider: str, path: str) -> bool:
        if self.fault.provider not in (None, provider):
            return False
        if self._pattern is not None and not self._pattern.search(path):
            return False
        return self.fault.fraction >= 1 or self._dice.random() < self.fault.fraction
