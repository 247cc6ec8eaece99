"""Which key signs, and which keys are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from headway.errors import ConfigError
from headway.local.keys import StackKeys

from .harness import AuthServer, StartAuth


def private_jwk(algorithm: str, kid: str, **more: Any) -> dict[str, Any]:
    if algorithm == "ES256":
        jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    else:
        jwk = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    return {**jwk, "kid": kid, "alg": algorithm, "use": "sig", "key_ops": ["sign", "verify"], **more}


def jwks(auth: AuthServer) -> list[dict[str, Any]]:
    with auth.http() as client:
        response = client.get("/.well-known/jwks.json")
    assert response.headers["cache-control"] == "public, max-age=600"
    keys: list[dict[str, Any]] = response.json()["keys"]
    for key in keys:
        assert key.keys().isdisjoint({"d", "p", "q", "dp", "dq", "qi", "k"}), "a private part is published"
    return keys


def verify_as_a_stranger(auth: AuthServer, token: str) -> dict[str, Any]:
    """What any OpenID Connect library does with the published keys."""
    kid = jwt.get_unverified_header(token)["kid"]
    (key,) = [key for key in jwks(auth) if key["kid"] == kid]
    claims: dict[str, Any] = jwt.decode(
        token,
        jwt.PyJWK(key).key,
        algorithms=[key["alg"]],
        audience="authenticated",
        issuer=f"{auth.url}/auth/v1",
    )
    return claims


def test_the_stacks_own_key_signs_by_default(auth: AuthServer) -> None:
    session = auth.sign_up()
    assert jwt.get_unverified_header(session["access_token"])["alg"] == "ES256"
    assert verify_as_a_stranger(auth, session["access_token"])["sub"] == session["user"]["id"]
    assert auth.service.status()["signing_algorithm"] == "ES256"
    with auth.http() as client:
        discovery = client.get("/.well-known/openid-configuration").json()
    assert discovery["jwks_uri"] == f"{auth.url}/auth/v1/.well-known/jwks.json"
    assert discovery["issuer"] == f"{auth.url}/auth/v1"


def test_the_shared_secret_signs_if_so_set_and_is_never_published(start_auth: StartAuth) -> None:
    auth = start_auth(settings={"jwt_algorithm": "HS256"})
    token = auth.sign_up()["access_token"]
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    assert jwt.decode(token, auth.keys.jwt_secret, algorithms=["HS256"], audience="authenticated")
    assert [key["kty"] for key in jwks(auth)] == ["EC"]
    assert auth.keys.jwt_secret not in json.dumps(jwks(auth))
    with auth.http(token) as client:
        assert client.get("/user").status_code == 200


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_key_file_signs(start_auth: StartAuth, tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "signing_keys.json"
    retired = private_jwk("ES256", "retired", key_ops=["verify"])
    path.write_text(json.dumps([retired, private_jwk(algorithm, "mine")]))
    keys = StackKeys.generate()
    before = start_auth(keys=keys).sign_up("old@example.test")["access_token"]
    auth = start_auth({"signing_keys_path": str(path)}, keys=keys)
    token = auth.sign_up()["access_token"]
    assert jwt.get_unverified_header(token)["kid"] == "mine"
    verify_as_a_stranger(auth, token)
    assert [key["kid"] for key in jwks(auth)] == ["retired", "mine", keys.signing_key.kid]
    old_key = jwt.PyJWK(retired).key
    claims = dict(auth.context.verifier.verify(token).claims)
    by_retired = jwt.encode(claims, old_key, algorithm="ES256", headers={"kid": "retired"})
    for good in (token, before, by_retired):
        with auth.http(good) as client:
            assert client.get("/user").status_code == 200
    # The algorithm belongs to the key, whatever the token says.
    confused = jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": "mine"})
    with auth.http(confused) as client:
        assert client.get("/user").status_code == 403


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "[1]",
        '[{"kty": "oct", "kid": "a", "k": "c2VjcmV0", "d": "x"}]',
        json.dumps([{**private_jwk("ES256", "a"), "d": None}]),
        json.dumps([private_jwk("ES256", "a", key_ops=["verify"])]),
        json.dumps([private_jwk("ES256", "")]),
    ],
)
def test_a_key_file_that_cannot_be(start_auth: StartAuth, tmp_path: Path, content: str) -> None:
    path = tmp_path / "signing_keys.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="signing_keys_path") as caught:
        start_auth({"signing_keys_path": str(path)})
    assert "c2VjcmV0" not in str(caught.value)


def test_a_key_file_that_is_not_there(start_auth: StartAuth, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.json"):
        start_auth({"signing_keys_path": str(tmp_path / "nothing.json")})


def test_lifetime_and_issuer_are_configured(start_auth: StartAuth) -> None:
    auth = start_auth({"jwt_expiry": 60, "jwt_issuer": "https://issuer.example.test"})
    session = auth.sign_up()
    claims = auth.context.verifier.verify(session["access_token"]).claims
    assert claims["exp"] - claims["iat"] == session["expires_in"] == 60
    assert claims["iss"] == "https://issuer.example.test"
    with auth.http(session["access_token"]) as client:
        assert client.get("/user").status_code == 200
        auth.clock.move(seconds=61)
        assert client.get("/user").status_code == 403
