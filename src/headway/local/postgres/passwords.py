"""Postgres's SCRAM-SHA-256 verifiers, so that a password never travels in a statement.

Source: RFC 5803; the layout is ``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`` (Postgres's
documentation of pg_authid).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

__all__ = ["matches", "scram_verifier"]

_ITERATIONS = 4096
_SHAPE = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$[^:]+:.+")


def scram_verifier(password: str, *, salt: bytes | None = None, iterations: int = _ITERATIONS) -> str:
    """The verifier of a password, as ``ALTER ROLE ... PASSWORD`` accepts it.

    Args:
        password: ASCII text.
        salt: 16 random bytes when omitted.
        iterations: Rounds of PBKDF2.
    """
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_b64(salt)}${_b64(stored)}:{_b64(server)}"


def matches(verifier: str | None, password: str) -> bool:
    """Whether a verifier is this password's.

    Args:
        verifier: ``pg_authid.rolpassword``.
        password: ASCII text.
    """
    shape = _SHAPE.fullmatch(verifier or "")
    if shape is None:
        return False
    own = scram_verifier(password, salt=base64.b64decode(shape[2]), iterations=int(shape[1]))
    return hmac.compare_digest(own, shape[0])


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
