"""Checks the ``X-Robots-Tag`` that an uploader may set for an object.

Source: the header's grammar on MDN, and the wording of supabase/storage
``src/storage/validators/x-robots-tag.ts``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from headway.local.storage.faults import invalid_x_robots_tag
from headway.local.storage.names import check_header_value

__all__ = ["check_robots_tag"]

_SIMPLE = frozenset(
    (
        "all",
        "noindex",
        "nofollow",
        "none",
        "nosnippet",
        "indexifembedded",
        "notranslate",
        "noimageindex",
    )
)
_PARAMETRIC = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")
_IMAGE_PREVIEWS = ("none", "standard", "large")
_NEXT_RULE = re.compile(rf",\s*(?=(?:{'|'.join(sorted(_SIMPLE))})(?:\s*,|\s*$)|[A-Za-z0-9_-]+\s*:(?!\d))")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
_MAX_LENGTH = 4096


def check_robots_tag(value: str) -> str:
    """The value, if it is an ``X-Robots-Tag``.

    Args:
        value: The header as sent with the upload.

    Raises:
        StorageFault: it is none; the message names the rule at fault.
    """
    check_header_value("x-robots-tag", value)
    if not value.strip() or len(value) > _MAX_LENGTH:
        raise invalid_x_robots_tag("X-Robots-Tag header value must be a non-empty string")
    for rule in _rules(value.strip()):
        _check_rule(rule)
    return value


def _rules(value: str) -> Iterator[str]:
    rest = value
    while rest:
        if rest.startswith("unavailable_after:"):
            # Its date holds a comma of its own.
            found = _NEXT_RULE.search(rest)
            rule, rest = (rest, "") if found is None else (rest[: found.start()], rest[found.end() :])
        else:
            rule, _, rest = rest.partition(",")
        yield rule.strip()
        rest = rest.strip()


def _check_rule(rule: str) -> None:
    if not rule:
        raise invalid_x_robots_tag("X-Robots-Tag header contains empty rule")
    name, colon, argument = rule.partition(":")
    argument = argument.strip()
    if colon and name in _PARAMETRIC:
        _check_argument(name, argument)
    elif colon:
        if not argument:
            raise invalid_x_robots_tag(f'X-Robots-Tag user agent "{name.strip()}" has no rules specified')
        # One level only: a user agent in front of one rule.
        inner, inner_colon, inner_argument = argument.partition(":")
        if inner_colon and inner in _PARAMETRIC:
            _check_argument(inner, inner_argument.strip())
        elif argument not in _SIMPLE:
            raise invalid_x_robots_tag(f'Invalid X-Robots-Tag rule: "{argument}"')
    elif rule not in _SIMPLE:
        raise invalid_x_robots_tag(f'Invalid X-Robots-Tag rule: "{rule}"')


def _check_argument(name: str, argument: str) -> None:
    if not argument:
        raise invalid_x_robots_tag(f'X-Robots-Tag rule "{name}" requires a value')
    if name in ("max-snippet", "max-video-preview"):
        if not re.fullmatch(r"-1|\d{1,9}", argument):
            raise invalid_x_robots_tag(
                f'X-Robots-Tag "{name}" value must be an integer >= -1, got: "{argument}"'
            )
    elif name == "max-image-preview":
        if argument not in _IMAGE_PREVIEWS:
            raise invalid_x_robots_tag(
                f'X-Robots-Tag "{name}" value must be one of: {", ".join(_IMAGE_PREVIEWS)}, got: "{argument}"'
            )
    elif not _is_date(argument):
        raise invalid_x_robots_tag(f'X-Robots-Tag "{name}" value must be a valid date, got: "{argument}"')


def _is_date(text: str) -> bool:
    if _ISO_DATE.fullmatch(text):
        return True
    try:
        parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return False
    return True
