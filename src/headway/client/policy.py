"""How patient a client is."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from headway.errors import ConfigError

__all__ = ["ClientPolicy"]


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """Time limits of a client's requests and watches, in seconds; the defaults are for production.

    Args:
        timeout: For the answer to one request; the database gives up a statement after 8 s.
        connect_timeout: For a connection to be made.
        attempts: How often a request that may be repeated is sent at most.
        retry_base: The bound of the first random pause before a repetition; it doubles.
        retry_cap: The greatest bound. A server that asks to wait for longer is not asked again.
        poll: Between two readings of a watch while Realtime does not hear.
        patience: How long a watch that knows the present waits for Realtime before it reads all the same.
        quiet: After how long without a message a watch looks whether one was lost; doubles up to
            ``quiet_cap`` while nothing was.
        quiet_cap: The longest that a watch believes in silence.
        estimate: Between two looks at when a job will end, while messages tell how it goes on.
        link_idle: After how long a Realtime connection that no watch uses is closed.
        lease: Between two renewals of the leases on topics that are sent only while watched; the engine lets
            one expire after 60 s.
        waiting: How many updates may wait for a consumer before its watch stops reading; what it misses
            meanwhile is caught up.
        callbacks: How many updates may wait for a slow ``on_update``.
        callback_grace: How long the end of a watch waits for its ``on_update``.
        close_timeout: How long ``close`` takes at most.
    """

    timeout: float = 30.0
    connect_timeout: float = 10.0
    attempts: int = 5
    retry_base: float = 0.2
    retry_cap: float = 5.0
    poll: float = 2.0
    patience: float = 0.25
    quiet: float = 5.0
    quiet_cap: float = 30.0
    estimate: float = 15.0
    link_idle: float = 30.0
    lease: float = 25.0
    waiting: int = 1000
    callbacks: int = 10_000
    callback_grace: float = 10.0
    close_timeout: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            whole = field.type == "int"
            wrong = isinstance(value, bool) or not isinstance(value, int if whole else (int, float))
            if wrong or not math.isfinite(value) or value <= 0:
                raise ConfigError(
                    f"ClientPolicy.{field.name} is not a positive {'whole ' if whole else ''}number",
                    hint="Leave it out for the default.",
                    code="client_policy_invalid",
                )
