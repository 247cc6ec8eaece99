"""config.toml is read as the Supabase CLI reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.errors import ConfigError
from headway.local.config import load_config, parse_byte_size


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_no_file_means_the_cli_defaults(tmp_path: Path) -> None:
    config = load_config(tmp_path / "config.toml")
    assert (config.api.port, config.db.port, config.inbucket.port) == (54321, 54322, 54324)
    assert config.api.schemas == ["public", "graphql_public"]
    assert config.api.max_rows == 1000
    assert config.auth.jwt_expiry == 3600
    assert config.auth.email.max_frequency == 1.0
    assert config.storage.file_size_limit == 50 * 1024**2


def test_the_projects_own_file_is_valid() -> None:
    config = load_config(Path(__file__).parents[2] / "supabase" / "config.toml")
    assert "headway" in config.api.schemas


def test_what_the_file_sets_is_taken_and_the_clis_other_keys_are_ignored(tmp_path: Path) -> None:
    config = load_config(
        write(
            tmp_path,
            """
            project_id = "shop"
            [api]
            port = 6000
            schemas = ["public", "api"]
            [auth.email]
            enable_confirmations = true
            max_frequency = "1m30s"
            [storage.buckets.pics]
            public = true
            file_size_limit = "20MB"
            [edge_runtime]
            policy = "oneshot"
            [auth.external.apple]
            enabled = false
            """,
        )
    )
    assert (config.project_id, config.api.port, config.api.schemas) == ("shop", 6000, ["public", "api"])
    assert config.auth.email.enable_confirmations
    assert config.auth.email.max_frequency == 90
    assert config.storage.buckets["pics"].file_size_limit == 20 * 1024**2


def test_env_references_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE", "https://app.example")
    config = load_config(write(tmp_path, '[auth]\nsite_url = "env(SITE)"\n'))
    assert config.auth.site_url == "https://app.example"


def test_what_is_switched_on_in_vain_is_named(tmp_path: Path) -> None:
    config = load_config(
        write(
            tmp_path,
            """
            left_out = ["nonsense"]
            [auth.external.github]
            enabled = true
            [auth.external.apple]
            enabled = false
            [auth.mfa.totp]
            enroll_enabled = true
            [db.pooler]
            enabled = true
            [edge_runtime]
            enabled = true
            """,
        )
    )
    assert config.left_out == (
        "auth.external.github.enabled is on, but this stack does not do it: "
        "it answers as where it is switched off",
        "auth.mfa.totp.enroll_enabled is on, but this stack does not do it: "
        "it answers as where it is switched off",
        "db.pooler.enabled is on, but this stack does not do it: connect to Postgres directly",
    )
    assert load_config(Path(__file__).parents[2] / "supabase" / "config.toml").left_out == ()


def test_secrets_of_vault_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE", "sk_live_42")
    config = load_config(write(tmp_path, '[db.vault]\nstripe = "env(STRIPE)"\n'))
    assert config.db.vault["stripe"].get_secret_value() == "sk_live_42"
    assert "sk_live_42" not in repr(config)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[api]\nport = 'abc'", "api.port"),
        ("[api]\nport = 70000", "api.port"),
        ("[api]\nmax_rows = -1", "api.max_rows"),
        ("[auth]\njwt_expiry = 9999999", "auth.jwt_expiry"),
        ("[auth.sessions]\ntimebox = 'long'", "auth.sessions.timebox"),
        ("[auth.email]\nmax_frequency = 'soon'", "auth.email.max_frequency"),
        ("[storage]\nfile_size_limit = 'huge'", "storage.file_size_limit"),
        ("[api\nport = 1", "line 1"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(write(tmp_path, text))
    assert named in raised.value.message
    assert "config.toml" in raised.value.message
    assert raised.value.code == "config_invalid"


@pytest.mark.parametrize(
    ("text", "size"),
    [("50MiB", 52428800), ("20MB", 20971520), ("1.5g", 1610612736), ("0", 0), ("7 kb", 7168), (12, 12)],
)
def test_sizes_are_read_in_units_of_1024(text: object, size: int) -> None:
    assert parse_byte_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "1 XB", "1e9", None, True, -4, 1.5])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_byte_size(text)
