"""Where an OAuth provider or a mail's link should send the browser back to.

An app that runs on a laptop, as a preview deployment and in production, perhaps behind proxies, has a
different address in each place. ``callback_url`` finds the right one without believing what a stranger wrote
into a header, and ``safe_redirect`` keeps a ``next`` parameter from leading elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from headway.client.proxies import RequestOrigin, is_loopback, origin_of
from headway.errors import ConfigError, InvalidRequest

__all__ = ["callback_url", "safe_redirect"]

# Browsers drop or rewrite these, so that an address could mean something else to them than to a parser.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\]")


def callback_url(
    path: str = "/auth/callback",
    *,
    base_url: str | None = None,
    request: RequestOrigin | None = None,
    environment: Mapping[str, str] | None = None,
    allowed_origins: Iterable[str] = (),
) -> str:
    """The address to give as ``redirect_to``, for the deployment that this process runs in.

    The first of these that is known decides: ``base_url``; the address under which the browser made
    ``request``, if ``allowed_origins`` has it or if both ends are this machine; the address that the hosting
    platform states in ``environment`` (Vercel, Netlify, Render, Railway, Fly.io, Heroku, Azure App Service).

    Args:
        path: Where the callback is served, beginning with a slash; a query is kept.
        base_url: Your own setting, such as ``https://app.example.com`` or ``https://example.com/app``.
        request: The request that starts the sign-in.
        environment: The process's environment, usually ``os.environ``.
        allowed_origins: Origins such as ``https://app.example.com``; ``*`` stands for one part of a name, as
            in ``https://*.example.com``.

    Raises:
        ConfigError: ``path`` or ``base_url`` is no such thing, or nothing tells where the app runs.
        InvalidRequest: the request came to an address that is not allowed.
    """
    if not _is_local_path(path):
        raise ConfigError(
            f"path: {path!r} is not a path on this site",
            hint="Give a path such as /auth/callback.",
            code="callback_path_invalid",
        )
    return _base(base_url, request, environment or {}, allowed_origins) + path


def safe_redirect(target: str | None, *, default: str = "/", allowed_origins: Iterable[str] = ()) -> str:
    """``target`` if it stays on this site or leads to an allowed origin, ``default`` otherwise.

    Args:
        target: Where somebody asks to be led, such as a ``next`` parameter.
        default: Where to lead instead.
        allowed_origins: As for ``callback_url``.
    """
    if target is None or _AMBIGUOUS.search(target):
        return default
    if _is_local_path(target):
        return target
    origin = _origin(target)
    return target if origin is not None and _allowed(origin, allowed_origins) else default


def _base(
    base_url: str | None,
    request: RequestOrigin | None,
    environment: Mapping[str, str],
    allowed_origins: Iterable[str],
) -> str:
    if base_url is not None:
        return _checked_base(base_url)
    refused: str | None = None
    if request is not None:
        seen = request.seen_by_browser()
        if seen is not None and (_allowed(seen, allowed_origins) or _is_development(seen, request)):
            return seen
        refused = seen or request.host
    stated = _deployment(environment)
    if stated is not None:
        return stated
    if refused is not None:
        raise InvalidRequest(
            f"host: {refused[:256]!r} is not an address of this app",
            hint="Add it to allowed_origins, set base_url, or name your proxies in trusted_proxies.",
            code="host_not_allowed",
        )
    raise ConfigError(
        "base_url: nothing tells under which address this app runs",
        hint="Set base_url, or pass the request and allowed_origins.",
        code="callback_base_unknown",
    )


def _checked_base(base_url: str) -> str:
    origin = _origin(base_url)
    parts = urlsplit(base_url) if origin is not None else None
    if parts is None or parts.query or parts.fragment:
        raise ConfigError(
            "base_url: expected an address such as https://app.example.com, without query and fragment",
            hint="Correct the setting.",
            code="callback_base_invalid",
        )
    return f"{origin}{parts.path.rstrip('/')}"


def _is_local_path(path: str) -> bool:
    return path.startswith("/") and not path.startswith("//") and _AMBIGUOUS.search(path) is None


def _origin(url: str) -> str | None:
    """The origin of an absolute http(s) address without user information, else ``None``."""
    if _AMBIGUOUS.search(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return None if "@" in parts.netloc else origin_of(parts.scheme, parts.netloc)


def _allowed(origin: str, allowed_origins: Iterable[str]) -> bool:
    return any(_pattern(allowed).fullmatch(origin) for allowed in allowed_origins)


def _pattern(allowed: str) -> re.Pattern[str]:
    """A pattern's star is one label of the name: never a dot, a slash, a colon or nothing at all."""
    scheme, _, host = allowed.strip().rstrip("/").lower().partition("://")
    stars = host.replace("*", "0")
    plain = origin_of(scheme, stars)
    if plain is None:
        raise ConfigError(
            f"allowed_origins: {allowed!r} is not an origin such as https://app.example.com",
            hint="Write a scheme and a host, with * for at most one part of the name each.",
            code="allowed_origins_invalid",
        )
    normal = f"{scheme}://{host}"[: len(plain)]
    return re.compile(re.escape(normal).replace(r"\*", "[a-z0-9-]+"))


def _is_development(origin: str, request: RequestOrigin) -> bool:
    return is_loopback(urlsplit(origin).hostname) and is_loopback(request.peer)


def _deployment(environment: Mapping[str, str]) -> str | None:
    """The address that a hosting platform states, if this is one.

    Source: the platforms' documentation of their system environment variables.
    """
    for marker, names in _PLATFORMS:
        if not environment.get(marker):
            continue
        for name in _preferred(marker, names, environment):
            value = environment.get(name, "").strip()
            if value and (origin := _origin(value if "://" in value else f"https://{value}")) is not None:
                return origin
    app = environment.get("FLY_APP_NAME", "")
    return origin_of("https", f"{app}.fly.dev") if app else None


_PLATFORMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("VERCEL", ("VERCEL_BRANCH_URL", "VERCEL_URL")),
    ("NETLIFY", ("DEPLOY_PRIME_URL", "URL")),
    ("RENDER", ("RENDER_EXTERNAL_URL",)),
    ("RAILWAY_PUBLIC_DOMAIN", ("RAILWAY_PUBLIC_DOMAIN",)),
    ("HEROKU_APP_DEFAULT_DOMAIN_NAME", ("HEROKU_APP_DEFAULT_DOMAIN_NAME",)),
    ("WEBSITE_HOSTNAME", ("WEBSITE_HOSTNAME",)),
)


def _preferred(marker: str, names: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The variables to ask, best first: production has a name of its own, previews have theirs."""
    if marker == "VERCEL" and environment.get("VERCEL_ENV") == "production":
        return ("VERCEL_PROJECT_PRODUCTION_URL", "VERCEL_URL")
    if marker == "NETLIFY" and environment.get("CONTEXT") == "production":
        return ("URL", "DEPLOY_PRIME_URL")
    return names
