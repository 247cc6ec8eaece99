"""What signs access tokens, and the public keys that prove it.

Source: supabase/auth ``internal/conf/jwk.go``, ``internal/api/jwks.go``; the key file is what the CLI's
``supabase gen signing-key`` writes: an array of private JWKs (RFC 7517).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import jwt
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from headway.errors import ConfigError
from headway.local.identity import TokenVerifier
from headway.local.keys import StackKeys

__all__ = ["TokenSigner", "load_signing_keys"]

Asymmetric = Literal["ES256", "RS256"]


@dataclass(frozen=True, slots=True)
class _KeyPair:
    kid: str
    algorithm: Asymmetric
    private: Any = field(repr=False)
    public: Any
    signs: bool

    def public_jwk(self) -> dict[str, Any]:
        convert = ECAlgorithm.to_jwk if self.algorithm == "ES256" else RSAAlgorithm.to_jwk
        jwk = convert(self.public, as_dict=True)
        jwk.pop("key_ops", None)
        return {**jwk, "kid": self.kid, "use": "sig", "alg": self.algorithm, "key_ops": ["verify"]}


class TokenSigner:
    """Signs access tokens with one key and publishes the public half of every key that is accepted.

    Args:
        keys: The stack's keys.
        algorithm: What signs when there is no key file: the stack's ES256 key, or its HS256 secret.
        file: ``auth.signing_keys_path``; its first key that may sign then does.
        verifier: Learns the file's keys, so that every service accepts their tokens.

    Raises:
        ConfigError: the key file cannot be used.
    """

    def __init__(
        self,
        keys: StackKeys,
        algorithm: Literal["ES256", "HS256"],
        file: Path | None,
        verifier: TokenVerifier,
    ) -> None:
        own = keys.signing_key
        private = own.private_key()
        stack_pair = _KeyPair(own.kid, "ES256", private, private.public_key(), signs=True)
        pairs = load_signing_keys(file) if file is not None else []
        for pair in pairs:
            verifier.trust(pair.kid, pair.algorithm, pair.public)
        self._secret = keys.jwt_secret
        self._pair: _KeyPair | None = None
        if pairs:
            self._pair = next(pair for pair in pairs if pair.signs)
        elif algorithm == "ES256":
            self._pair = stack_pair
        self._jwks = [pair.public_jwk() for pair in (*pairs, stack_pair)]

    @property
    def algorithm(self) -> str:
        """The ``alg`` of the tokens made here."""
        return "HS256" if self._pair is None else self._pair.algorithm

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWS over ``claims``."""
        if self._pair is None:
            return jwt.encode(dict(claims), self._secret, algorithm="HS256")
        return jwt.encode(
            dict(claims), self._pair.private, algorithm=self._pair.algorithm, headers={"kid": self._pair.kid}
        )

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set; the HMAC secret is never among them."""
        return {"keys": self._jwks}


def load_signing_keys(path: Path) -> list[_KeyPair]:
    """Read a file of private JWKs.

    Args:
        path: An array of EC P-256 or RSA keys, each with ``kid``.

    Raises:
        ConfigError: it cannot be read, a key has another form, or none may sign; no part of a key is shown.
    """

    def fault(reason: str) -> ConfigError:
        return ConfigError(
            f"auth.signing_keys_path: {path}: {reason}",
            hint="Make the file with `supabase gen signing-key --algorithm ES256`.",
            code="signing_keys_invalid",
        )

    try:
        raw = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise fault(f"cannot be read as JSON ({type(error).__name__})") from error
    if not isinstance(raw, list) or not raw:
        raise fault("is not an array of keys")
    pairs = []
    for index, jwk in enumerate(raw):
        try:
            pairs.append(_key_pair(jwk))
        except (jwt.InvalidKeyError, KeyError, TypeError, ValueError) as error:
            raise fault(f"key {index} is not a private EC P-256 or RSA key with a kid") from error
    if not any(pair.signs for pair in pairs):
        raise fault('no key has "sign" among its key_ops')
    return pairs


def _key_pair(jwk: dict[str, Any]) -> _KeyPair:
    kid = jwk["kid"]
    if not isinstance(kid, str) or not kid or "d" not in jwk:
        raise ValueError("kid")
    algorithm: Asymmetric
    private: Any
    if jwk["kty"] == "EC" and jwk.get("crv") == "P-256" and jwk.get("alg", "ES256") == "ES256":
        algorithm, private = "ES256", ECAlgorithm.from_jwk(jwk)
    elif jwk["kty"] == "RSA" and jwk.get("alg", "RS256") == "RS256":
        algorithm, private = "RS256", RSAAlgorithm.from_jwk(jwk)
    else:
        raise ValueError("kty")
    return _KeyPair(kid, algorithm, private, private.public_key(), "sign" in jwk.get("key_ops", ["sign"]))
