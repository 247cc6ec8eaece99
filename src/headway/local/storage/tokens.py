"""Tokens in signed URLs: good for one action on one object until a moment.

Payloads are the real service's (``supabase-protocols.md``, D.4). The action is part of the token, so that a
token to read never admits a write, and API tokens, which are signed with the same secret, admit neither.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import jwt

from headway.local.storage.faults import (
    expired_signature,
    invalid_jwt,
    invalid_parameter,
    invalid_signature,
)

__all__ = ["Signature", "SignedUrls"]

Scope = Literal["download", "upload"]

_ALGORITHM = "HS256"
_MAX_EXPIRY = (2**53 - 1) // 1000
_MAX_TOKEN_CHARACTERS = 16 * 1024


@dataclass(frozen=True, slots=True)
class Signature:
    """What a valid token says.

    Args:
        expires_at: Unix seconds.
        owner: Upload only: who asked for it.
        upsert: Upload only: whether an existing object may be replaced.
    """

    expires_at: int
    owner: str | None = None
    upsert: bool = False


class SignedUrls:
    """Makes and checks tokens.

    Args:
        secret: The stack's JWT secret.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def for_download(self, bucket_id: str, key: str, expires_in: int) -> str:
        """A token to read one object.

        Args:
            bucket_id: The bucket.
            key: The object's key.
            expires_in: Seconds.

        Raises:
            StorageFault: that is no time to come.
        """
        return self._sign({"url": f"{bucket_id}/{key}", "scope": "download"}, expires_in)

    def for_upload(
        self, bucket_id: str, key: str, expires_in: int, *, owner: str | None, upsert: bool
    ) -> str:
        """A token to write one object.

        Args:
            bucket_id: The bucket.
            key: The object's key.
            expires_in: Seconds.
            owner: Who will own the object.
            upsert: Whether an existing one may be replaced.
        """
        payload: dict[str, Any] = {
            "url": f"{bucket_id}/{key}",
            "upsert": upsert,
            "scope": "upload",
        }
        if owner is not None:
            payload["owner"] = owner
        return self._sign(payload, expires_in)

    def _sign(self, payload: dict[str, Any], expires_in: int) -> str:
        now = int(time.time())
        if not 1 <= expires_in <= _MAX_EXPIRY - now:
            raise invalid_parameter("expiresIn")
        return jwt.encode(
            {**payload, "iat": now, "exp": now + expires_in}, self._secret, algorithm=_ALGORITHM
        )

    def verify(self, token: str, scope: Scope, bucket_id: str, key: str) -> Signature:
        """What a token says, if it is good for this action on this object now.

        Args:
            token: From the URL or the header ``x-signature``.
            scope: The action.
            bucket_id: The bucket that is addressed.
            key: The object that is addressed.

        Raises:
            StorageFault: it is not.
        """
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise invalid_jwt("Invalid Compact JWS")
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                options={
                    "require": ["exp"],
                    "verify_aud": False,
                    "verify_iat": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except jwt.ExpiredSignatureError:
            raise invalid_jwt('"exp" claim timestamp check failed') from None
        except jwt.InvalidSignatureError:
            raise invalid_jwt("signature verification failed") from None
        except jwt.InvalidTokenError:
            raise invalid_jwt("Invalid Compact JWS") from None
        if payload.get("scope") != scope:
            raise invalid_signature(f"Token is not scoped for {scope}")
        if payload.get("url") != f"{bucket_id}/{key}":
            raise invalid_signature()
        expires_at = payload["exp"]
        if not isinstance(expires_at, int) or expires_at < time.time():
            raise expired_signature()
        owner = payload.get("owner")
        return Signature(expires_at, owner if isinstance(owner, str) else None, payload.get("upsert") is True)
