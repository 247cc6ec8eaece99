"""The stack's secrets, made once per data directory."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from headway.errors import ConfigError

__all__ = ["SigningKey", "StackKeys", "load_or_create_keys"]

_TEN_YEARS_S = 10 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An ES256 key pair that Auth can sign access tokens with.

    Args:
        kid: The key id in token headers and in the JWKS.
        private_pem: PKCS#8 PEM.
    """

    kid: str
    private_pem: str = field(repr=False)

    def private_key(self) -> Any:
        """The key in the form that PyJWT signs with."""
        return jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).prepare_key(self.private_pem)

    def public_jwk(self) -> dict[str, Any]:
        """The public half as a JWK with ``kid``, ``use`` and ``alg``."""
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.private_key().public_key(), as_dict=True)
        return {**jwk, "kid": self.kid, "use": "sig", "alg": "ES256", "key_ops": ["verify"]}


@dataclass(frozen=True, slots=True)
class StackKeys:
    """API keys and secrets of one stack, in the formats the Supabase CLI prints.

    ``anon_key`` and ``service_role_key`` are HS256 JWTs signed with ``jwt_secret``; ``publishable_key`` and
    ``secret_key`` are opaque and mean the same roles.
    """

    jwt_secret: str = field(repr=False)
    anon_key: str = field(repr=False)
    service_role_key: str = field(repr=False)
    publishable_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    db_password: str = field(repr=False)
    signing_key: SigningKey

    @classmethod
    def generate(cls) -> StackKeys:
        """New random keys; no two stacks share any of them."""
        secret = secrets.token_urlsafe(40)
        now = int(time.time())

        def api_key(role: str) -> str:
            claims = {
                "iss": "supabase",
                "ref": "headway",
                "role": role,
                "iat": now,
                "exp": now + _TEN_YEARS_S,
            }
            return jwt.encode(claims, secret, algorithm="HS256")

        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        return cls(
            jwt_secret=secret,
            anon_key=api_key("anon"),
            service_role_key=api_key("service_role"),
            publishable_key=f"sb_publishable_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}",
            secret_key=f"sb_secret_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}",
            db_password=secrets.token_urlsafe(18),
            signing_key=SigningKey(kid=secrets.token_hex(16), private_pem=pem.decode()),
        )


def load_or_create_keys(path: Path) -> StackKeys:
    """Read the keys kept at ``path``, or make and keep new ones, readable by this user only.

    Args:
        path: A JSON file in the stack's data directory.

    Raises:
        ConfigError: the file is there but cannot be read as keys.
    """
    try:
        raw = json.loads(path.read_text("utf-8"))
        return StackKeys(**{**raw, "signing_key": SigningKey(**raw["signing_key"])})
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: the stack's keys cannot be read ({type(error).__name__})",
            hint="Restore the file, or delete it to make new keys (existing tokens stop working).",
            code="keys_unreadable",
        ) from error
    keys = StackKeys.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(keys), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return keys
