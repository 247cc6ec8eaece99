"""The command line is quick to read, says what is wrong with it, and never shows a traceback."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from headway.cli import main
from headway.cli.up import is_loopback
from headway.errors import ApiError, ConfigError, HeadwayError


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["headway", *arguments])
    with pytest.raises(SystemExit) as raised:
        main.run()
    assert isinstance(raised.value.code, int)
    return raised.value.code


def test_reading_the_command_line_imports_no_server_and_no_client() -> None:
    heavy = (
        "asyncpg",
        "uvicorn",
        "starlette",
        "supabase",
        "psycopg2",
        "httpx",
        "cryptography",
        "headway.local",
    )
    script = f"import sys, headway.cli.main; print([m for m in {heavy!r} if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--", "true"],
        ["up", "--detach", "--ephemeral"],
        ["sql", "file.sql", "-c", "select 1"],
        ["status", "-o", "xml"],
        ["up", "--port", "many"],
        ["nonsense"],
    ],
)
def test_a_wrong_command_line_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert _run(monkeypatch, *arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("port 1 is in use", hint="Choose another.", code="port_in_use"), 1),
        (ConfigError("in use by process 7", hint="Stop it.", code="data_dir_in_use"), 4),
        (HeadwayError("No stack is running", hint="Start one.", code="not_running"), 3),
        (ApiError("syntax error", code="42601"), 1),
    ],
)
def test_an_error_is_one_line_and_a_hint(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: HeadwayError,
    status: int,
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    assert _run(monkeypatch) == status
    expected = f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else "")
    assert capsys.readouterr().err == expected


def test_an_error_of_the_system_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/x/keys.json")

    monkeypatch.setattr(main, "app", fail)
    assert _run(monkeypatch) == 1
    assert capsys.readouterr().err == "error: /x/keys.json: Permission denied\n"


def test_a_wrong_setting_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADWAY_LOCAL_API_PORT", "99999")
    assert _run(monkeypatch, "up", "--project", "/tmp") == 1
    assert "api_port" in capsys.readouterr().err.lower()


def test_the_version_is_the_package_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("headway 0.")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("192.168.1.7", False)],
)
def test_what_other_machines_can_reach_is_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
