"""Reads how long a server asks its callers to wait.

Source: RFC 9110, 10.2.3 (``Retry-After``) and 5.6.7 (HTTP dates); ``retry-after-ms`` is OpenAI's finer form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["parse_retry_after", "retry_after_of"]

_NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?", re.ASCII)


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Seconds to wait; ``None`` when the value means nothing.

    Args:
        value: Seconds (some servers send decimals) or an HTTP date.
        now: The present moment, with an offset. A date in the past means now.
    """
    value = value.strip()
    if _NUMBER.fullmatch(value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def retry_after_of(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by a response's headers; ``None`` when they don't say.

    Args:
        headers: By name, in any case of letters.
        now: The present moment, with an offset.
    """
    by_name = {name.lower(): value for name, value in headers.items()}
    milliseconds = by_name.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    if (value := by_name.get("retry-after")) is not None:
        return parse_retry_after(value, now)
    return None
