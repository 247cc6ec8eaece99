"""Password rules and hashes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import argon2
import bcrypt
import pytest

from headway.local.auth.errors import AuthError
from headway.local.auth.passwords import PasswordHasher, PasswordPolicy, check_hash


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher()
    yield hasher
    hasher.close()


@pytest.mark.parametrize(
    ("requirements", "password", "reasons"),
    [
        ("", "abcdef", []),
        ("", "abcde", ["length"]),
        ("", "ñññ", []),  # six bytes, as the real server counts
        ("letters_digits", "abcdef", ["characters"]),
        ("letters_digits", "abcde1", []),
        ("lower_upper_letters_digits", "abcde1", ["characters"]),
        ("lower_upper_letters_digits", "Abcde1", []),
        ("lower_upper_letters_digits_symbols", "Abcde1", ["characters"]),
        ("lower_upper_letters_digits_symbols", "Abcd1!", []),
        ("lower_upper_letters_digits_symbols", "a", ["length", "characters"]),
    ],
)
def test_requirements(requirements: str, password: str, reasons: list[str]) -> None:
    policy = PasswordPolicy(6, requirements)
    assert policy.weaknesses(password)[0] == reasons
    if reasons:
        with pytest.raises(AuthError) as caught:
            policy.check(password)
        assert (caught.value.status, caught.value.weak_password) == (422, reasons)
    else:
        policy.check(password)


@pytest.mark.parametrize("requirements", ["", "letters_digits", "lower_upper_letters_digits_symbols"])
def test_invented_passwords_fulfil_the_policy(requirements: str) -> None:
    policy = PasswordPolicy(40, requirements)
    invented = {policy.random() for _ in range(20)}
    assert len(invented) == 20
    for password in invented:
        policy.check(password)


def test_bcrypts_limit_is_kept() -> None:
    policy = PasswordPolicy(6, "")
    policy.check("x" * 72)
    for long in ("x" * 73, "ü" * 37):
        with pytest.raises(AuthError, match="72"):
            policy.check(long)


async def test_new_hashes_are_argon2id_and_salted(hasher: PasswordHasher) -> None:
    first, second = await hasher.hash("secret"), await hasher.hash("secret")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify(first, "secret")
    assert not await hasher.verify(first, "Secret")
    assert not hasher.outdated(first)


async def test_bcrypt_in_all_its_spellings(hasher: PasswordHasher) -> None:
    encoded = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    for prefix in ("$2a$", "$2b$", "$2y$"):
        variant = prefix + encoded[4:]
        assert await hasher.verify(variant, "secret")
        assert not await hasher.verify(variant, "Secret")
        assert hasher.outdated(variant)
    long = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert await hasher.verify(long, "x" * 80)


@pytest.mark.parametrize(
    "encoded", ["", "plain", "$2b$04$short", "$argon2d$v=19$m=8,t=1,p=1$YWFhYWFhYWE$YWFhYQ", "\x00"]
)
async def test_what_is_no_hash_fits_no_password(hasher: PasswordHasher, encoded: str) -> None:
    assert not await hasher.verify(encoded, "")
    assert not await hasher.verify(encoded, encoded)


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$2b$31$" + "a" * 53,
        "$2b$03$" + "a" * 53,
        "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=64,t=99,p=1$c29tZXNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=64,t=1,p=99$c29tZXNhbHQ$aGFzaGhhc2g",
        "$fbscrypt$v=1,n=30,r=8,p=1$c2FsdA==$aGFzaA==",
        "$fbscrypt$v=1,n=14,r=8,p=1$!$aGFzaA==",
        "$fbscrypt$v=2,n=14,r=8,p=1$c2FsdA==$aGFzaA==",
    ],
)
def test_hashes_that_are_refused(encoded: str) -> None:
    with pytest.raises(AuthError) as caught:
        check_hash(encoded)
    assert (caught.value.status, caught.value.code) == (400, "validation_failed")


def test_hashes_that_are_accepted() -> None:
    check_hash(bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode())
    check_hash(argon2.PasswordHasher(1, 64, 1).hash("x"))


async def test_an_unknown_user_costs_what_a_wrong_password_costs(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[object] = []
    verify = argon2.PasswordHasher.verify

    def spy(self: argon2.PasswordHasher, encoded: str, password: str) -> bool:
        parameters = argon2.extract_parameters(encoded)
        costs.append((parameters, len(password)))
        return bool(verify(self, encoded, password))

    monkeypatch.setattr(argon2.PasswordHasher, "verify", spy)
    known = await hasher.hash("secret")
    for encoded in (known, "", "no hash at all"):
        assert not await hasher.verify(encoded, "wrong")
    assert costs[0] == costs[1] == costs[2]
    assert len(costs) == 3


async def test_a_burst_waits_in_line_and_never_blocks_the_loop(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = argon2.PasswordHasher.hash
    lock, running, most = threading.Lock(), 0, 0

    def counted(self: argon2.PasswordHasher, password: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return make(self, password)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(argon2.PasswordHasher, "hash", counted)
    burst = [asyncio.create_task(hasher.hash(str(index))) for index in range(12)]
    turns = 0
    while not all(task.done() for task in burst):
        turns += 1
        await asyncio.sleep(0)
    assert turns > len(burst)
    assert 1 <= most <= 2
