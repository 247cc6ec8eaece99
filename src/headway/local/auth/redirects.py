"""Where a link in a mail may send the browser: the site, and what the allow-list names.

Source: supabase/auth ``internal/utilities/request.go`` (IsRedirectURLValid, GetReferrer) and the
documentation page "Redirect URLs" for the patterns. Stricter than the original: an address that browsers
and parsers read differently (backslash, white space, control characters, user information) never matches.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

__all__ = ["RedirectPolicy", "with_fragment", "with_query"]

_MAX_URL = 4096
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_HOST = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?")


class RedirectPolicy:
    """Decides on ``redirect_to``.

    Args:
        site_url: ``auth.site_url`` of config.toml: where users land by default; all its paths are allowed.
        patterns: ``auth.additional_redirect_urls``: addresses with ``*`` (no dot or slash), ``**``
            (anything), ``?``, ``[a-z]`` and ``{a,b}``.
    """

    def __init__(self, site_url: str, patterns: Iterable[str]) -> None:
        self.site_url = site_url
        self._site = urlsplit(site_url)
        self._patterns = [glob_to_regex(pattern) for pattern in patterns]

    def target(self, *candidates: str | None) -> str:
        """The first candidate that is allowed, or the site.

        Args:
            candidates: What the caller asks for, best first.
        """
        return next((url for url in candidates if url and self.allows(url)), self.site_url)

    def allows(self, url: str) -> bool:
        """Whether a browser may be sent to ``url`` with tokens."""
        if len(url) > _MAX_URL or _AMBIGUOUS.search(url):
            return False
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            return False
        if not parts.scheme or "@" in parts.netloc:
            return False
        if self._is_site(parts, host, port):
            return True
        if parts.scheme in ("http", "https") and not _is_plain_host(host):
            return False
        if (address := _ip(host)) is not None or host.isdigit():
            return address is not None and address.is_loopback
        without_fragment = url.partition("#")[0]
        return any(pattern.fullmatch(without_fragment) for pattern in self._patterns)

    def _is_site(self, parts: SplitResult, host: str, port: int | None) -> bool:
        same_host = host == (self._site.hostname or "").lower() and host != ""
        return (
            same_host
            and parts.scheme == self._site.scheme
            and (port == self._site.port or _is_localhost(host))
        )


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_localhost(host: str) -> bool:
    address = _ip(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_plain_host(host: str) -> bool:
    return _HOST.fullmatch(host) is not None or _ip(host) is not None


def glob_to_regex(pattern: str) -> re.Pattern[str]:
    """The regular expression for a pattern whose separators are dot and slash.

    Args:
        pattern: An entry of the allow-list. A bracket or brace that is never closed means itself.
    """
    parts: list[str] = []
    depth = i = 0
    while i < len(pattern):
        char = pattern[i]
        if pattern.startswith("**", i):
            parts.append(".*")
            i += 1
        elif char == "*":
            parts.append("[^./]*")
        elif char == "?":
            parts.append("[^./]")
        elif char == "\\" and i + 1 < len(pattern):
            i += 1
            parts.append(re.escape(pattern[i]))
        elif char == "[" and (end := pattern.find("]", i + 2)) > 0:
            parts.append(_bracket(pattern[i + 1 : end]))
            i = end
        elif char == "{" and "}" in pattern[i:]:
            depth += 1
            parts.append("(?:")
        elif char == "}" and depth:
            depth -= 1
            parts.append(")")
        elif char == "," and depth:
            parts.append("|")
        else:
            parts.append(re.escape(char))
        i += 1
    return re.compile("".join(parts) + ")" * depth, re.DOTALL)


def _bracket(inside: str) -> str:
    negated = inside.startswith("!")
    characters = inside[negated:]
    if not characters:
        return re.escape(f"[{inside}]")
    if re.fullmatch(r".-.", characters) and characters[0] <= characters[2]:
        body = f"{re.escape(characters[0])}-{re.escape(characters[2])}"
    else:
        body = re.escape(characters)
    return f"[{'^' if negated else ''}{body}]"


def with_query(url: str, values: Mapping[str, str]) -> str:
    """``url`` with query parameters set.

    Args:
        url: An allowed address.
        values: Parameters to set; others are kept.
    """
    address, hash_sign, fragment = url.partition("#")
    path, _, query = address.partition("?")
    kept = [(key, value) for key, value in parse_qsl(query, keep_blank_values=True) if key not in values]
    return f"{path}?{urlencode([*kept, *values.items()])}{hash_sign}{fragment}"


def with_fragment(url: str, values: Mapping[str, str]) -> str:
    """``url`` with parameters in its fragment, which browsers send to nobody.

    The last one is an empty ``sb``, by which clients tell these from other redirects.

    Args:
        url: An allowed address; its own fragment is replaced.
        values: The parameters.
    """
    return f"{url.partition('#')[0]}#{urlencode(sorted({**values, 'sb': ''}.items()))}"
