"""Only tokens that the stack's own keys signed, and whose times hold, speak for anybody."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from headway.local.identity import TokenRefused, TokenVerifier
from headway.local.keys import StackKeys

KEYS = StackKeys.generate()
USER = {"sub": "6f1f1d5e-0000-4000-8000-000000000001", "role": "authenticated", "aud": "authenticated"}


def hs256(claims: dict[str, Any], secret: str = KEYS.jwt_secret, **headers: Any) -> str:
    return jwt.encode(claims, secret, algorithm="HS256", headers=headers)


def es256(claims: dict[str, Any], key: Any = None, kid: str | None = KEYS.signing_key.kid) -> str:
    headers = {"kid": kid} if kid else {}
    return jwt.encode(claims, key or KEYS.signing_key.private_key(), algorithm="ES256", headers=headers)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def hmac_by_public_key(header: str, claims: dict[str, Any]) -> str:
    """The key-confusion attack, signed by hand because PyJWT refuses to help with it."""
    pem = (
        KEYS.signing_key.private_key()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    signed = f"{part({'alg': header, 'kid': KEYS.signing_key.kid})}.{part(claims)}"
    mac = hmac.digest(pem, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(KEYS)


@pytest.mark.parametrize("sign", [hs256, es256])
def test_a_token_of_the_stack_speaks_for_its_user(verifier: TokenVerifier, sign: Any) -> None:
    identity = verifier.verify(sign({**USER, "exp": int(time.time()) + 60}))
    assert (identity.role, identity.subject) == ("authenticated", USER["sub"])
    assert json.loads(identity.claims_json) == dict(identity.claims)


def test_api_keys_speak_for_their_roles_and_for_no_user(verifier: TokenVerifier) -> None:
    for key, role in ((KEYS.anon_key, "anon"), (KEYS.service_role_key, "service_role")):
        identity = verifier.verify(key)
        assert (identity.role, identity.subject) == (role, None)


def test_a_token_without_a_role_is_anonymous(verifier: TokenVerifier) -> None:
    assert verifier.verify(hs256({"sub": "x"})).role == "anon"


def forged() -> dict[str, tuple[str, str]]:
    now = int(time.time())
    good = hs256(USER)
    header, payload, signature = good.split(".")
    return {
        "alg none": (f"{part({'alg': 'none', 'typ': 'JWT'})}.{payload}.", "algorithm"),
        "alg None": (f"{part({'alg': 'None'})}.{payload}.{signature}", "algorithm"),
        "alg HS512": (jwt.encode(USER, KEYS.jwt_secret * 2, algorithm="HS512"), "algorithm"),
        "no alg": (f"{part({'typ': 'JWT'})}.{payload}.{signature}", "algorithm"),
        "wrong secret": (hs256(USER, "another-secret-that-is-long-enough-for-hs256"), "signature"),
        "public key as secret": (hmac_by_public_key(header="HS256", claims=USER), "signature"),
        "wrong ES256 key": (es256(USER, ec.generate_private_key(ec.SECP256R1())), "signature"),
        "unknown kid": (es256(USER, kid="another"), "key"),
        "HS256 signature under an ES256 header": (
            f"{part({'alg': 'ES256'})}.{payload}.{signature}",
            "signature",
        ),
        "payload swapped": (f"{header}.{part({**USER, 'role': 'service_role'})}.{signature}", "signature"),
        "signature of another token": (
            f"{header}.{payload}.{hs256({**USER, 'n': 1}).rpartition('.')[2]}",
            "signature",
        ),
        "no signature": (f"{header}.{payload}.", "signature"),
        "expired": (hs256({**USER, "exp": now - 31}), "expired"),
        "not yet valid": (hs256({**USER, "nbf": now + 90}), "premature"),
        "issued in the future": (hs256({**USER, "iat": now + 90}), "premature"),
        "exp as text": (hs256({**USER, "exp": "never"}), "claims"),
        "exp as bool": (hs256({**USER, "exp": True}), "claims"),
        "role as list": (hs256({**USER, "role": ["service_role"]}), "claims"),
        "role with NUL": (hs256({**USER, "role": "anon\x00"}), "claims"),
        "empty role": (hs256({**USER, "role": ""}), "claims"),
        "empty": ("", "empty"),
        "one part": ("abc", "malformed"),
        "two parts": ("abc.def", "malformed"),
        "garbage": ("a.b.c", "malformed"),
        "payload is a list": (jwt.api_jws.encode(b"[]", KEYS.jwt_secret, algorithm="HS256"), "malformed"),
        "huge": (f"{'a' * 50_000}.b.c", "malformed"),
    }


@pytest.mark.parametrize("name", forged().keys())
def test_a_forged_token_is_refused_with_its_fault(verifier: TokenVerifier, name: str) -> None:
    token, fault = forged()[name]
    with pytest.raises(TokenRefused) as refusal:
        verifier.verify(token)
    assert refusal.value.fault == fault
    if token:
        assert token not in str(refusal.value)


def test_a_remembered_token_still_expires(verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    token = hs256({**USER, "exp": int(now) + 10})
    verifier.verify(token)
    monkeypatch.setattr("headway.local.identity.time.time", lambda: now + 45)
    with pytest.raises(TokenRefused) as refusal:
        verifier.verify(token)
    assert refusal.value.fault == "expired"
    assert refusal.value.expired_for is not None
    assert refusal.value.expired_for >= 34


def test_leeway_is_the_callers_choice(verifier: TokenVerifier) -> None:
    token = hs256({**USER, "exp": int(time.time()) - 5})
    assert verifier.verify(token).subject == USER["sub"]
    with pytest.raises(TokenRefused):
        verifier.verify(token, leeway_s=0)


def test_the_cache_is_bounded(verifier: TokenVerifier) -> None:
    for n in range(1100):
        verifier.verify(hs256({**USER, "n": n}))
    assert len(verifier._known) == 1000


@given(st.text(max_size=200))
def test_no_text_crashes_the_verifier(text: str) -> None:
    with pytest.raises(TokenRefused):
        TokenVerifier(KEYS).verify(text)


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "zip"]), st.none() | st.text() | st.integers()
    )
)
def test_no_header_crashes_the_verifier(header: dict[str, Any]) -> None:
    if header.get("alg") in ("HS256", "ES256"):
        header["alg"] = "none"
    with pytest.raises(TokenRefused):
        TokenVerifier(KEYS).verify(f"{part(header)}.{part(USER)}.c2ln")
