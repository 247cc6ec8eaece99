"""Cross-origin answers: any origin, as Supabase's gateway gives them.

Source: the Envoy template of supabase/supabase (``supabase-protocols.md``, part F.4). No credentials are
involved (keys travel in headers), so the wildcard origin is safe.
"""

from __future__ import annotations

__all__ = ["CORS_HEADERS", "preflight_headers"]

_METHODS = b"GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD"

CORS_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"*"),
)


def preflight_headers(requested: bytes) -> list[tuple[bytes, bytes]]:
    """Headers of the answer to a preflight request.

    Args:
        requested: The value of ``Access-Control-Request-Headers``; echoed, since ``*`` never covers
            ``Authorization`` (Fetch standard, section 4.9).
    """
    return [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", requested or b"authorization, apikey, content-type, x-client-info"),
        (b"access-control-max-age", b"3600"),
        (b"vary", b"Access-Control-Request-Headers"),
        (b"content-length", b"0"),
    ]
