"""A switch for what goes wrong between a client and Realtime, for tests of whatever must survive it.

No part of the real server: it exists so that lost messages, dead sockets and refused joins can be had on
demand and at a known moment.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

__all__ = ["FaultInvalid", "RealtimeFaults"]

_FRACTIONS = ("lose", "duplicate", "reorder")


class FaultInvalid(ValueError):
    """A fault has an unknown name or an impossible value; the message names it."""


@dataclass(slots=True)
class RealtimeFaults:
    """What to do wrong, from now on; everything off is a healthy service.

    "Messages" are broadcasts, changes and presence diffs; replies and system messages are never among them.

    Args:
        silent: Accept sockets and frames and answer nothing, as a hung server does. Protocol pings are
            still answered.
        swallow_heartbeats: Answer everything but heartbeats.
        refuse_connections: An HTTP status for every handshake, such as 503; 0 for none.
        refuse_joins: The ``reason`` with which every join is refused; empty for none.
        refuse_system: Whether joins succeed but the ``postgres_changes`` system message never comes.
        delay_ms: Milliseconds by which every outgoing frame is late; their order stays.
        lose: The fraction of messages that vanish.
        duplicate: The fraction of messages that arrive twice.
        reorder: The fraction of messages that arrive after their successor, or 100 ms late without one.
        topic: Only messages and joins of topics that begin with this, ``realtime:`` left out; empty for all.
    """

    silent: bool = False
    swallow_heartbeats: bool = False
    refuse_connections: int = 0
    refuse_joins: str = ""
    refuse_system: bool = False
    delay_ms: float = 0
    lose: float = 0
    duplicate: float = 0
    reorder: float = 0
    topic: str = ""
    _chance: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    def set(self, values: Mapping[str, Any]) -> None:
        """Change the named faults, leaving the others.

        Args:
            values: Faults by name; ``seed`` restarts the dice that fractions are thrown with.

        Raises:
            FaultInvalid: nothing was changed.
        """
        values = dict[str, Any](values)
        seed = values.pop("seed", None)
        hints = get_type_hints(type(self))
        known = {f.name: hints[f.name] for f in fields(self) if not f.name.startswith("_")}
        for name, value in values.items():
            if name not in known:
                raise FaultInvalid(f"{name}: no such fault; there are {', '.join(sorted(known))} and seed")
            self._check(name, known[name], value)
        for name, value in values.items():
            setattr(self, name, value)
        if seed is not None:
            self._chance.seed(seed)

    @staticmethod
    def _check(name: str, kind: type[Any], value: Any) -> None:
        kinds: tuple[type, ...] = (int, float) if kind is float else (kind,)
        if not issubclass(type(value), kinds) or (type(value) is bool and kind is not bool):
            raise FaultInvalid(f"{name}: expected {kind.__name__}")
        if name in _FRACTIONS and not 0 <= value <= 1:
            raise FaultInvalid(f"{name}: expected a fraction between 0 and 1")
        if name == "delay_ms" and not 0 <= value <= 60_000:
            raise FaultInvalid("delay_ms: expected 0 to 60000")
        if name == "refuse_connections" and value != 0 and not 400 <= value <= 599:
            raise FaultInvalid("refuse_connections: expected an HTTP status of 400 to 599, or 0")

    def reset(self) -> None:
        """Be healthy again."""
        self.set(RealtimeFaults().as_dict())

    def as_dict(self) -> dict[str, Any]:
        """The faults by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")}

    @property
    def disturbs_sending(self) -> bool:
        """Whether outgoing frames have to be looked at one by one."""
        return bool(self.silent or self.delay_ms or self.lose or self.duplicate or self.reorder)

    def concerns(self, topic: str) -> bool:
        """Whether a full topic is among those that the faults are for."""
        return topic.removeprefix("realtime:").startswith(self.topic)

    def fate(self, topic: str) -> tuple[int, bool]:
        """How often a message is sent (0, 1, 2) and whether its successor goes first."""
        if not self.concerns(topic):
            return 1, False
        if self._chance.random() < self.lose:
            return 0, False
        return (
            2 if self._chance.random() < self.duplicate else 1,
            self._chance.random() < self.reorder,
        )
