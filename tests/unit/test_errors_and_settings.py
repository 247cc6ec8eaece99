"""The error tree is what its docstring draws; settings name what is wrong and never show a secret."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

import headway
from headway import errors
from headway.errors import ConfigError, HeadwayError, JobFailed, Retry
from headway.settings import ClientSettings, LocalSettings, WorkerSettings
from headway.worker.clients import headers_of


def test_the_public_names_are_sorted_and_there() -> None:
    assert headway.__all__ == sorted(headway.__all__)
    assert all(hasattr(headway, name) for name in headway.__all__)


def test_the_drawn_tree_is_the_real_tree() -> None:
    drawn = re.findall(r"^\s+(?:[│├└─ ]*)(\w+)", errors.__doc__ or "", re.MULTILINE)
    classes = {
        c.__name__ for c in vars(errors).values() if isinstance(c, type) and issubclass(c, HeadwayError)
    }
    assert set(drawn) == classes == set(errors.__all__)


def test_an_error_says_what_happened_and_what_to_do() -> None:
    error = ConfigError("SUPABASE_URL is missing", hint="Set it.")
    assert str(error) == "SUPABASE_URL is missing Hint: Set it."
    assert error.code == "config_error"


def test_the_first_line_of_the_docstring_is_the_default_message() -> None:
    assert JobFailed().message == "The job failed for good."


def test_outcomes_carry_their_data() -> None:
    assert Retry("busy", after=3.5).after == 3.5
    assert JobFailed("no", snapshot={"seq": 4}).snapshot == {"seq": 4}


def test_client_settings_read_either_kind_of_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:54321")
    monkeypatch.setenv("SUPABASE_ANON_KEY", "legacy")
    assert ClientSettings.load().key.get_secret_value() == "legacy"
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_x")
    assert ClientSettings.load().key.get_secret_value() == "sb_publishable_x"


def test_a_missing_variable_is_named_with_a_remedy() -> None:
    with pytest.raises(
        ConfigError, match="SUPABASE_URL: is not set; SUPABASE_SECRET_KEY: is not set"
    ) as raised:
        WorkerSettings.load()
    assert raised.value.hint is not None


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:54321")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "")
    with pytest.raises(ConfigError, match="SUPABASE_SECRET_KEY: is not set"):
        WorkerSettings.load()
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "legacy")
    monkeypatch.setenv("HEADWAY_CONCURRENCY", "")
    settings = WorkerSettings.load()
    assert (settings.secret_key.get_secret_value(), settings.concurrency) == ("legacy", 20)


def test_a_worker_is_not_given_the_public_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:54321")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_publishable_x")
    with pytest.raises(ConfigError, match="SUPABASE_SECRET_KEY: is a publishable key"):
        headers_of(WorkerSettings.load())


def test_a_wrong_value_is_named_and_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "not a url")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_hush")
    with pytest.raises(ConfigError) as raised:
        WorkerSettings.load()
    assert "SUPABASE_URL" in raised.value.message
    assert "hush" not in str(raised.value)
    monkeypatch.setenv("SUPABASE_URL", "https://x.example")
    assert "hush" not in repr(WorkerSettings.load())


def test_settings_are_frozen_and_overrides_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_LOCAL_API_PORT", "1234")
    assert LocalSettings.load().api_port == 1234
    assert LocalSettings.load(api_port=None).api_port == 1234
    settings = LocalSettings.load(api_port=99)
    assert settings.api_port == 99
    with pytest.raises(ValidationError):
        settings.api_port = 1  # type: ignore[misc]
