"""Keeps secrets out of whatever a worker writes: by what they look like, and by what they are."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from headway.link.redaction import redact as redact_keys
from headway.settings import WorkerSettings

__all__ = ["Redactor", "secrets_of"]

_MARK = "<redacted>"
# A shorter value would be found by chance in ordinary words.
_SHORTEST = 8
_SECRET_NAME = re.compile(r"(?i)(key|secret|token|password|passwd|credentials|dsn)s?$")
_PATTERNS = (
    # Signing secrets, and the keys of OpenAI, Google, GitHub, Slack, AWS, Stripe.
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+"), _MARK),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"), _MARK),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{30,}"), _MARK),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}"), _MARK),
    (re.compile(r"\bxox[abposr]-[A-Za-z0-9-]{10,}"), _MARK),
    (re.compile(r"\bA(?:KIA|SIA)[A-Z0-9]{16}\b"), _MARK),
    (re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"), _MARK),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"), _MARK),
    # user:password@ in URLs. What may come before the :// has a bound: without one, a text such as a.a.a.a
    # takes the square of its length, and holds up the whole worker.
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://[^/\s:@'\"]*:)[^/\s@'\"]+@"), rf"\1{_MARK}@"),
    # password=..., "client_secret": "...", lease_token: ...
    (
        re.compile(
            r"(?i)((?:password|passwd|secret|api[_-]?key|lease_token|access_token|refresh_token)"
            r"\\?['\"]?\s*[:=]\s*\\?['\"]?)(?!<redacted>)[^\s,;&'\"\\)}]{4,}"
        ),
        rf"\1{_MARK}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)(?!<redacted>)[A-Za-z0-9._~+/=-]{8,}"), rf"\1{_MARK}"),
)


class Redactor:
    """Rewrites text so that no key, token or password stays in it.

    Args:
        secrets: Values to take out wherever they stand, also encoded for URLs or in Base64.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        # The longest first, so that nothing is left of a value that contains another.
        self._values = sorted(forms, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """The text without secrets."""
        for value in self._values:
            # Almost no text holds one: to look for each is much quicker than one pattern of all.
            if value in text:
                text = text.replace(value, _MARK)
        text = redact_keys(text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def secrets_of(settings: WorkerSettings, environment: Mapping[str, str]) -> list[str]:
    """Every value that must not be written: the settings' secrets, and variables that are called like one.

    Args:
        settings: The worker's.
        environment: The process's: handlers read keys of their own from it.
    """
    stated = [getattr(settings, name) for name in type(settings).model_fields]
    secrets = [value.get_secret_value() for value in stated if isinstance(value, SecretStr)]
    return secrets + [value for name, value in environment.items() if _SECRET_NAME.search(name)]


def _forms(secret: str) -> set[str]:
    encoded = secret.encode("utf-8", "surrogateescape")
    return {secret, quote(encoded, safe=""), quote_plus(encoded), *_inside_base64(encoded)}


def _inside_base64(secret: bytes) -> set[str]:
    """How a value looks in Base64, alone or amid something longer, such as ``user:password`` of Basic."""
    forms = {base64.b64encode(secret).decode().rstrip("=")}
    for before in range(3):
        # Letters that its neighbours have a share in are left out.
        first, last = (0, 2, 3)[before], (before + len(secret)) * 8 // 6
        letters = base64.b64encode(bytes(before) + secret).decode()[first:last]
        forms |= {letters, letters.replace("+", "-").replace("/", "_")}
    return forms
