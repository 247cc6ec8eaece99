"""What ``supabase/config.toml`` switches on and the embedded stack does not do.

The CLI's and hosted projects' services do it. Whoever switches it on should hear so from the stack, not find
out from an application. Sections that the CLI's template switches on for its own containers (Studio,
analytics, the edge runtime) are not named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["what_is_left_out"]

_OFF = "it answers as where it is switched off"
_SWITCHES = {
    "api.tls.enabled": "the gateway speaks plain HTTP",
    "auth.captcha.enabled": "no CAPTCHA is asked for",
    "auth.email.smtp.enabled": "mails go to the local inbox only",
    "auth.external.*.enabled": _OFF,
    "auth.mfa.*.enroll_enabled": _OFF,
    "auth.sms.enable_signup": _OFF,
    "auth.third_party.*.enabled": "tokens of other issuers are refused",
    "auth.web3.*.enabled": _OFF,
    "db.network_restrictions.enabled": "Postgres listens on loopback only",
    "db.pooler.enabled": "connect to Postgres directly",
    "storage.image_transformation.enabled": "images are refused to be transformed",
}


def what_is_left_out(raw: Mapping[str, Any]) -> list[str]:
    """A sentence for each switch that is on in vain, in the order of the keys.

    Args:
        raw: The file as TOML has it.
    """
    found = [
        f"{key} is on, but this stack does not do it: {consequence}"
        for pattern, consequence in _SWITCHES.items()
        for key, value in _matches(raw, pattern.split("."), "")
        if value is True
    ]
    return sorted(found)


def _matches(table: object, parts: list[str], path: str) -> Iterator[tuple[str, object]]:
    if not isinstance(table, Mapping):
        return
    part, *rest = parts
    for key in table if part == "*" else [part] if part in table else []:
        if rest:
            yield from _matches(table[key], rest, f"{path}{key}.")
        else:
            yield f"{path}{key}", table[key]
