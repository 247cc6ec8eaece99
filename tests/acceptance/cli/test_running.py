"""What the other commands say about, and do to, a stack that runs."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from .conftest import FREE_PORTS, Shop, new_shop, read_line


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Shop, subprocess.Popen[str], dict[str, str]]]:
    with new_shop() as shop, shop.up() as (process, variables):
        yield shop, process, variables


@pytest.fixture
def shop(running: tuple[Shop, subprocess.Popen[str], dict[str, str]]) -> Shop:
    return running[0]


@pytest.fixture
def variables(running: tuple[Shop, subprocess.Popen[str], dict[str, str]]) -> dict[str, str]:
    return running[2]


@pytest.fixture
def pid(running: tuple[Shop, subprocess.Popen[str], dict[str, str]]) -> int:
    return running[1].pid


@pytest.mark.parametrize("how", [["up"], ["up", "--detach"]], ids=" ".join)
def test_a_second_stack_is_refused_by_name(
    shop: Shop, pid: int, variables: dict[str, str], how: list[str]
) -> None:
    refused = shop.run(*how, *FREE_PORTS)
    assert refused.returncode == 4
    assert f"process {pid} at {variables['SUPABASE_URL']}" in refused.stderr
    assert "hint: " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert shop.run("status").returncode == 0, "the refused one has harmed the first"


def test_a_reset_meanwhile_is_done_by_the_running_stack(shop: Shop, pid: int) -> None:
    assert shop.run("sql", "-c", "insert into things values (9, 'mine')").returncode == 0
    done = shop.run("reset", "--json")
    assert (done.returncode, json.loads(done.stdout)["reset"]) == (0, True), done.stderr
    rows = shop.json("sql", "--json", "-c", "select id, name from things order by id")
    assert rows == [{"id": 1, "name": "from the migration"}, {"id": 2, "name": "from the seed"}]
    assert shop.json("status", "-o", "json")["stack"]["pid"] == pid


class TestStatus:
    def test_json_has_the_variables_and_every_service(
        self, shop: Shop, variables: dict[str, str], pid: int
    ) -> None:
        status = shop.json("status", "-o", "json")
        stack = status.pop("stack")
        assert status == variables
        assert stack["pid"] == pid
        assert stack["services"].keys() == {"rest", "auth", "storage", "realtime"}
        assert any(said.startswith("auth.external.github.enabled is on") for said in stack["differences"])

    def test_env_can_be_sourced(self, shop: Shop, variables: dict[str, str]) -> None:
        lines = shop.run("status", "-o", "env").stdout.splitlines()
        assert dict(line.split("=", 1) for line in lines) == {k: f'"{v}"' for k, v in variables.items()}

    def test_a_variable_can_be_renamed(self, shop: Shop, variables: dict[str, str]) -> None:
        printed = shop.run("status", "-o", "env", "--override-name", "api.url=VITE_SUPABASE_URL").stdout
        assert f'VITE_SUPABASE_URL="{variables["SUPABASE_URL"]}"' in printed

    def test_the_table_shows_addresses_keys_and_services(self, shop: Shop, variables: dict[str, str]) -> None:
        table = shop.run("status").stdout
        for shown in (*variables.values(), "realtime", str(shop.data_dir)):
            assert shown in table


def test_the_project_is_found_from_below_and_by_name(shop: Shop) -> None:
    below = shop.root / "src" / "deep"
    below.mkdir(parents=True)
    assert Shop(below, shop.temporary).run("status", "-o", "env").returncode == 0
    outside = Shop(shop.temporary, shop.temporary)
    assert outside.run("status").returncode == 1
    assert outside.run("status", "-o", "env", "--project", shop.root).returncode == 0


class TestSql:
    def test_a_table_is_printed(self, shop: Shop) -> None:
        printed = shop.run(
            "sql", "-c", "select 1 as one, null as nothing, true as yes, 'a\nb' as text"
        ).stdout
        assert "one" in printed
        assert "(1 row)" in printed

    def test_json_keeps_the_types(self, shop: Shop) -> None:
        (row,) = shop.json(
            "sql", "--json", "-c", """select 1 as a, null as b, '{"c": [1]}'::jsonb as d, now() as e"""
        )
        assert (row["a"], row["b"], row["d"]) == (1, None, {"c": [1]})
        assert isinstance(row["e"], str)

    def test_files_and_standard_input_are_read(self, shop: Shop) -> None:
        (shop.root / "q.sql").write_text("select 2 as n")
        assert shop.json("sql", "--json", "q.sql") == [{"n": 2}]
        done = shop.run("sql", "--json", stdin="select 3 as n")
        assert json.loads(done.stdout) == [{"n": 3}]

    def test_statements_are_one_transaction(self, shop: Shop) -> None:
        failed = shop.run("sql", "-c", "create table half (n int); select 1/0")
        assert failed.returncode == 1
        assert failed.stderr.startswith("error: 22012: division by zero")
        assert shop.json("sql", "--json", "-c", "select to_regclass('half') as it") == [{"it": None}]

    def test_a_percent_sign_is_nothing_special(self, shop: Shop) -> None:
        assert shop.json("sql", "--json", "-c", "select '100%s' as p") == [{"p": "100%s"}]

    def test_it_runs_as_postgres_or_whom_one_asks_for(self, shop: Shop) -> None:
        assert shop.json("sql", "--json", "-c", "select current_user as u") == [{"u": "postgres"}]
        asked = shop.json("sql", "--json", "--role", "supabase_admin", "-c", "select current_user as u")
        assert asked == [{"u": "supabase_admin"}]

    @pytest.mark.parametrize(
        ("role", "fault"), [("no_such", "does not exist"), ("anon", "is not permitted to log in")]
    )
    def test_a_role_that_cannot_log_in_is_an_error_not_a_traceback(
        self, shop: Shop, role: str, fault: str
    ) -> None:
        failed = shop.run("sql", "--role", role, "-c", "select 1")
        assert failed.returncode == 1
        assert f'error: role "{role}" {fault}\nhint: Connect as postgres' in failed.stderr
        assert "Traceback" not in failed.stderr

    def test_psql_is_connected(self, shop: Shop) -> None:
        shop.environment["PGHOST"] = "/elsewhere"
        try:
            done = shop.run("psql", "--", "-Atc", "select current_user, count(*) from things")
        finally:
            del shop.environment["PGHOST"]
        assert done.stdout == "postgres|2\n", done.stderr

    def test_psql_s_exit_status_is_passed_on(self, shop: Shop) -> None:
        assert shop.run("psql", "--", "-v", "ON_ERROR_STOP=1", stdin="select 1/0;").returncode == 3


class TestLogs:
    def test_both_logs_are_shown_with_their_names(self, shop: Shop) -> None:
        shop.run("sql", "-c", "select no_such_column")
        shop.run("status")
        shown = shop.run("logs").stdout
        assert "postgres | " in shown
        assert "stack    | " in shown
        only = shop.run("logs", "postgres", "-n", "3").stdout.splitlines()
        assert len(only) == 3
        assert "no_such_column" in "".join(only)

    def test_new_lines_are_followed(self, shop: Shop) -> None:
        with shop.start("logs", "-f", "-n", "1") as follower:
            read_line(follower.stdout)
            shop.run("sql", "-c", "select followed_column")
            while "followed_column" not in read_line(follower.stdout):
                pass
            follower.send_signal(2)
            assert follower.wait(timeout=20) == 0

    def test_no_key_is_in_any_log(self, shop: Shop, variables: dict[str, str]) -> None:
        url = f"{variables['SUPABASE_URL']}/auth/v1/health?apikey={variables['SUPABASE_PUBLISHABLE_KEY']}"
        urllib.request.urlopen(url).close()
        text = "".join(log.read_text() for log in shop.data_dir.glob("*.log"))
        secrets = [value for name, value in variables.items() if name.endswith(("KEY", "SECRET"))]
        assert [secret for secret in secrets if secret in text] == []


def test_the_server_answers_for_the_inbox_too(variables: dict[str, str]) -> None:
    with urllib.request.urlopen(variables["SUPABASE_INBOX_URL"]) as answer:
        assert answer.status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its privileges")
def test_no_process_of_postgres_is_root_s(pid: int) -> None:
    servers = [each for each in psutil.Process(pid).children(recursive=True) if "postgres" in each.name()]
    assert len(servers) > 3
    assert all(0 not in server.uids() for server in servers)
