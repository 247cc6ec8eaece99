"""The project's address and key, checked before anything is sent there."""

from __future__ import annotations

from urllib.parse import urlsplit

from headway.errors import ConfigError

__all__ = ["checked_key", "checked_url"]

_API_PATHS = ("/rest/v1", "/auth/v1", "/storage/v1", "/realtime/v1")


def checked_url(url: object) -> str:
    """The project's URL without a slash at its end.

    Raises:
        ConfigError: it cannot be one.
    """
    text = str(url).strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    odd = not text.isprintable() or " " in text
    if odd or parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or "@" in parts.netloc:
        raise _invalid("is no http(s) address")
    if parts.query or parts.fragment or any(parts.path.rstrip("/").endswith(path) for path in _API_PATHS):
        raise _invalid("names more than the project")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def checked_key(key: object) -> str:
    """The project's key.

    Raises:
        ConfigError: it cannot be one; it is not shown.
    """
    text = key.strip() if isinstance(key, str) else ""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(
            "key: is empty or has characters that no key has",
            hint="Copy the publishable key from Settings, API Keys.",
            code="key_invalid",
        )
    return text


def _invalid(reason: str) -> ConfigError:
    return ConfigError(
        f"url: {reason}",
        hint="Give the project's URL, such as https://abc.supabase.co, without a path.",
        code="url_invalid",
    )
