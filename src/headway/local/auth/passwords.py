"""Password rules, and password hashes that are slow to guess and cheap to hold.

New hashes are Argon2id with the first parameters that OWASP's Password Storage Cheat Sheet names (19 MiB, two
passes, one lane). Hashes from elsewhere are verified as the real server does: bcrypt (also pgcrypto's
``crypt(…, gen_salt('bf'))``), Argon2i/id and Firebase's scrypt. Source for formats and limits: supabase/auth
``internal/crypto/password.go``, ``internal/api/password.go``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2
import bcrypt
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from headway.local.auth.errors import AuthError, bad_request, weak_password

__all__ = ["MAX_PASSWORD_BYTES", "PasswordHasher", "PasswordPolicy", "check_hash", "random_password"]

T = TypeVar("T")

MAX_PASSWORD_BYTES = 72
_WORKERS = 2
_MEMORY_KIB = 19 * 1024
# Fits no password; verifying against it costs what verifying against a real hash costs.
_NOBODY = f"$argon2id$v=19$m={_MEMORY_KIB},t=2,p=1${'A' * 22}${'A' * 43}"
_LOWER, _UPPER, _DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
_SYMBOLS = "!@#$%^&*()_+-=[]{};'\\:\"|<>?,./`~"
_REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "": (),
    "letters_digits": (_LOWER + _UPPER, _DIGITS),
    "lower_upper_letters_digits": (_LOWER, _UPPER, _DIGITS),
    "lower_upper_letters_digits_symbols": (_LOWER, _UPPER, _DIGITS, _SYMBOLS),
}
_SCRYPT_MAX_BLOCKS = 1 << 20  # of 128 bytes
_BCRYPT = re.compile(r"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(r"\$argon2id?\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$[^$]+\$[^$]+")
_SCRYPT = re.compile(
    r"\$fbscrypt\$v=1,n=(?P<n>\d{1,2}),r=(?P<r>\d{1,2}),p=(?P<p>\d{1,2})"
    r"(?:,ss=(?P<ss>[^,$]+))?(?:,sk=(?P<sk>[^$]+))?\$(?P<salt>[^$]+)\$(?P<hash>[^$]+)"
)


class PasswordPolicy:
    """Which passwords a project accepts.

    Args:
        minimum_length: In bytes.
        requirements: ``auth.password_requirements`` of config.toml.
    """

    def __init__(self, minimum_length: int, requirements: str) -> None:
        self._minimum = minimum_length
        self._sets = _REQUIREMENTS[requirements]

    def weaknesses(self, password: str) -> tuple[list[str], list[str]]:
        """The codes and the sentences for what the password lacks; both empty when it is good enough."""
        reasons: list[str] = []
        sentences: list[str] = []
        if len(password.encode()) < self._minimum:
            reasons.append("length")
            sentences.append(f"Password should be at least {self._minimum} characters.")
        if any(not set(password) & set(characters) for characters in self._sets):
            reasons.append("characters")
            sets = ", ".join(self._sets)
            sentences.append(f"Password should contain at least one character of each: {sets}.")
        return reasons, sentences

    def check(self, password: str) -> None:
        """Accept a new password, or say why not.

        Raises:
            AuthError: 400 when it is longer than 72 bytes (bcrypt's limit), 422 with reasons when it is weak.
        """
        if len(password.encode()) > MAX_PASSWORD_BYTES:
            raise bad_request(
                "validation_failed", f"Password cannot be longer than {MAX_PASSWORD_BYTES} characters"
            )
        reasons, sentences = self.weaknesses(password)
        if reasons:
            raise weak_password(" ".join(sentences), reasons)

    def random(self) -> str:
        """A password for nobody, that fulfils the policy."""
        required = "".join(secrets.choice(characters) for characters in self._sets)
        return required + random_password(max(33, self._minimum) - len(required))


def random_password(length: int = 48) -> str:
    """Letters and digits from the operating system's random source."""
    return "".join(secrets.choice(_LOWER + _UPPER + _DIGITS) for _ in range(length))


def check_hash(encoded: str) -> None:
    """Accept a hash that was made elsewhere, or say why not.

    The cost parameters are bounded, so that no sign-in can be made to take minutes or gigabytes.

    Raises:
        AuthError: 400 ``validation_failed``.
    """
    if (match := _BCRYPT.fullmatch(encoded)) is not None and 4 <= int(match[1]) <= 16:
        return
    if (match := _ARGON2.fullmatch(encoded)) is not None:
        memory, passes, lanes = (int(group) for group in match.groups())
        if memory <= 1024 * 1024 and 1 <= passes <= 20 and 1 <= lanes <= 16:
            try:
                argon2.extract_parameters(encoded)
            except InvalidHashError:
                pass
            else:
                return
    if (match := _SCRYPT.fullmatch(encoded)) is not None:
        n, r, p = int(match["n"]), int(match["r"]), int(match["p"])
        if n >= 1 and r >= 1 and r << n <= _SCRYPT_MAX_BLOCKS and 1 <= p <= 4:
            try:
                for part in ("ss", "sk", "salt", "hash"):
                    base64.b64decode(match[part] or "", validate=True)
            except binascii.Error:
                pass
            else:
                return
    raise bad_request(
        "validation_failed",
        "password_hash must be a bcrypt, argon2i, argon2id or Firebase scrypt hash with usual costs",
    )


class PasswordHasher:
    """Hashes and verifies on threads of its own, few at a time.

    A burst of sign-ins waits in line instead of taking 19 MiB each at once, and never blocks the event loop.
    """

    def __init__(self) -> None:
        self._argon2 = argon2.PasswordHasher(time_cost=2, memory_cost=_MEMORY_KIB, parallelism=1)
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="auth-passwords")

    def close(self) -> None:
        """End the threads; what is under way is finished."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """A new Argon2id hash."""
        return await self._run(self._argon2.hash, password)

    async def verify(self, encoded: str, password: str) -> bool:
        """Whether ``password`` made ``encoded``; an empty or unknown hash costs as much as a wrong password.

        Args:
            encoded: A stored hash, or empty when there is no such user or no password.
            password: As the caller typed it.
        """
        return await self._run(self._verify, encoded, password)

    def outdated(self, encoded: str) -> bool:
        """Whether a verified hash should be replaced by a new one."""
        return not encoded.startswith("$argon2id$") or self._argon2.check_needs_rehash(encoded)

    async def _run(self, function: Callable[..., T], *arguments: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _verify(self, encoded: str, password: str) -> bool:
        try:
            check_hash(encoded)
        except AuthError:
            self._verify_argon2(_NOBODY, password)
            return False
        if encoded.startswith("$2"):
            return _verify_bcrypt(encoded, password)
        if encoded.startswith("$argon2"):
            return self._verify_argon2(encoded, password)
        return _verify_firebase_scrypt(encoded, password)

    def _verify_argon2(self, encoded: str, password: str) -> bool:
        try:
            return self._argon2.verify(encoded, password)
        except VerificationError:
            return False


def _verify_bcrypt(encoded: str, password: str) -> bool:
    # bcrypt reads 72 bytes; the library refuses longer input where pgcrypto and Go have ignored the rest.
    try:
        return bcrypt.checkpw(password.encode()[:MAX_PASSWORD_BYTES], encoded.encode())
    except ValueError:
        return False


def _verify_firebase_scrypt(encoded: str, password: str) -> bool:
    """Firebase's scrypt: the derived key encrypts the project's signer key (firebase/scrypt README)."""
    match = _SCRYPT.fullmatch(encoded)
    assert match is not None
    part = {name: base64.b64decode(match[name] or "") for name in ("ss", "sk", "salt", "hash")}
    n, r, p = 1 << int(match["n"]), int(match["r"]), int(match["p"])
    key = hashlib.scrypt(
        password.encode(), salt=part["salt"] + part["ss"], n=n, r=r, p=p, maxmem=256 * n * r * p, dklen=32
    )
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    return hmac.compare_digest(encryptor.update(part["sk"]) + encryptor.finalize(), part["hash"])
