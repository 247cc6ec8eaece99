"""How often one address may ask, when the limits of config.toml are switched on.

Source: supabase/auth ``internal/api/apilimiter`` and the comments of the CLI's config.toml: token buckets
that hold the configured number and refill over five minutes or an hour.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from headway.local.auth.errors import too_many
from headway.local.config import AuthRateLimitConfig

__all__ = ["Limit", "RateLimits"]

Limit = Literal["anonymous_users", "token_refresh", "sign_in_sign_ups", "token_verifications", "email_sent"]

_PERIOD_S: dict[Limit, float] = {
    "anonymous_users": 3600,
    "token_refresh": 300,
    "sign_in_sign_ups": 300,
    "token_verifications": 300,
    "email_sent": 3600,
}
_MAX_BUCKETS = 10_000


class RateLimits:
    """Counts requests by limit and address.

    Args:
        config: The limits, or ``None`` when none is enforced.
        clock: The time now.
    """

    def __init__(self, config: AuthRateLimitConfig | None, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._clock = clock
        self._buckets: OrderedDict[tuple[Limit, str], tuple[float, datetime]] = OrderedDict()

    def take(self, limit: Limit, address: str) -> None:
        """Count one request.

        Args:
            limit: Which limit it counts against.
            address: The caller's IP address.

        Raises:
            AuthError: 429: too many of them lately.
        """
        if not self._take(limit, address):
            if limit == "email_sent":
                raise too_many("over_email_send_rate_limit", "email rate limit exceeded")
            raise too_many("over_request_rate_limit", "Request rate limit reached")

    def _take(self, limit: Limit, address: str) -> bool:
        if self._config is None:
            return True
        capacity: int = getattr(self._config, limit)
        now = self._clock()
        tokens, since = self._buckets.get((limit, address), (float(capacity), now))
        elapsed = max(0.0, (now - since).total_seconds())
        tokens = min(float(capacity), tokens + elapsed * capacity / _PERIOD_S[limit])
        allowed = tokens >= 1
        self._buckets[limit, address] = (tokens - 1 if allowed else tokens, now)
        self._buckets.move_to_end((limit, address))
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return allowed
