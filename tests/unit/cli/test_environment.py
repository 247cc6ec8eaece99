"""Programs find a stack by variables, whatever they call them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

from headway.cli.environment import NAMES, named, print_json, print_table, shell_lines, stack_variables
from headway.errors import ConfigError
from headway.local.keys import StackKeys

KEYS = replace(StackKeys.generate(), db_password="a/b:c@d e")


def _values(**changes: str | None) -> dict[str, str]:
    addresses: dict[str, str | None] = {
        "db_url": "postgresql://postgres@127.0.0.1:54322/postgres",
        "inbox_url": "http://127.0.0.1:54324",
        **changes,
    }
    return stack_variables(
        KEYS,
        api_url="http://127.0.0.1:54321",
        db_url=addresses["db_url"],
        inbox_url=addresses["inbox_url"],
    )


def test_every_value_has_a_variable() -> None:
    assert set(named(_values())) == set(NAMES.values())


def test_what_the_stack_lacks_is_left_out() -> None:
    assert set(NAMES.values()) - set(named(_values(db_url=None, inbox_url=None))) == {
        "SUPABASE_DB_URL",
        "SUPABASE_INBOX_URL",
    }


def test_the_password_is_part_of_the_database_s_address_and_quoted() -> None:
    assert _values()["db.url"] == "postgresql://postgres:a%2Fb%3Ac%40d%20e@127.0.0.1:54322/postgres"


def test_a_variable_can_have_another_name() -> None:
    variables = named(_values(), ["api.url=NEXT_PUBLIC_SUPABASE_URL"])
    assert variables["NEXT_PUBLIC_SUPABASE_URL"] == "http://127.0.0.1:54321"
    assert "SUPABASE_URL" not in variables


@pytest.mark.parametrize("wrong", ["api.url", "api.url=", "api.url=A-B", "no.such=X", "api.url=A;rm", "=X"])
def test_a_wrong_override_is_named(wrong: str) -> None:
    with pytest.raises(ConfigError, match="--override-name") as raised:
        named(_values(), [wrong])
    assert "api.url" in (raised.value.hint or "")


def test_a_shell_reads_what_was_written() -> None:
    variables = named(_values())
    script = f"set -a\n{shell_lines(variables)}\nexec env"
    printed = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, env={})
    read = dict(line.split("=", 1) for line in printed.stdout.splitlines())
    assert {name: read[name] for name in variables} == variables


def test_people_and_programs_read_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    values = _values()
    print_table(values)
    shown = capsys.readouterr().out
    assert all(value in shown for value in values.values()), "a value was cut or wrapped"
    print_json(named(values))
    assert json.loads(capsys.readouterr().out) == named(values)
