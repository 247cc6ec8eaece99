"""Keys belong to one data directory, are kept private, and are never anybody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import jwt
import pytest

from headway.errors import ConfigError
from headway.local.keys import StackKeys, load_or_create_keys


def test_two_stacks_share_no_secret() -> None:
    one, two = StackKeys.generate(), StackKeys.generate()
    for name in (
        "jwt_secret",
        "anon_key",
        "service_role_key",
        "publishable_key",
        "secret_key",
        "db_password",
    ):
        assert getattr(one, name) != getattr(two, name)
    assert one.signing_key.private_pem != two.signing_key.private_pem


def test_keys_have_the_formats_that_the_supabase_cli_prints() -> None:
    keys = StackKeys.generate()
    assert keys.publishable_key.startswith("sb_publishable_")
    assert keys.secret_key.startswith("sb_secret_")
    for token, role in ((keys.anon_key, "anon"), (keys.service_role_key, "service_role")):
        claims = jwt.decode(token, keys.jwt_secret, algorithms=["HS256"])
        assert (claims["iss"], claims["role"]) == ("supabase", role)
        assert claims["exp"] - claims["iat"] == 10 * 365 * 24 * 3600
        assert not {"sub", "aud", "session_id"} & claims.keys()


def test_the_public_jwk_holds_no_private_part() -> None:
    jwk = StackKeys.generate().signing_key.public_jwk()
    assert (jwk["kty"], jwk["crv"], jwk["alg"]) == ("EC", "P-256", "ES256")
    assert "d" not in jwk


def test_keys_survive_a_restart_and_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    made = load_or_create_keys(path)
    assert load_or_create_keys(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"jwt_secret": 1}', "\x00"])
def test_a_damaged_key_file_is_named_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"keys\.json") as raised:
        load_or_create_keys(path)
    assert raised.value.hint is not None
    assert path.read_text() == content


def test_secrets_do_not_show_in_a_repr() -> None:
    keys = StackKeys.generate()
    text = repr(keys)
    for secret in (keys.jwt_secret, keys.secret_key, keys.service_role_key, keys.db_password):
        assert secret not in text
    assert "PRIVATE KEY" not in text
