"""Go's way of writing a length of time, such as ``1h30m`` or ``2.5s``.

Source: pkg.go.dev/time#ParseDuration.
"""

from __future__ import annotations

import re
from datetime import timedelta

__all__ = ["parse_duration"]

_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_LONGEST_S = 2**63 / 1e9


def parse_duration(text: str) -> timedelta:
    """The length of time.

    Args:
        text: Numbers with units, perhaps behind a sign; ``0`` needs no unit.

    Raises:
        ValueError: it is something else, or longer than 292 years.
    """
    digits = text[1:] if text[:1] in ("+", "-") else text
    parts = _PART.findall(digits)
    seconds = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    written = "".join(number + unit for number, unit in parts)
    if digits != "0" and (not parts or written != digits or seconds >= _LONGEST_S):
        raise ValueError(f'time: invalid duration "{text[:64]}"')
    return timedelta(seconds=-seconds if text.startswith("-") else seconds)
