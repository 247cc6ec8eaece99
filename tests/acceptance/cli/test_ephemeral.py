"""A throwaway stack serves one command, passes its end on, and leaves nothing, whatever happens."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from headway.cli.environment import NAMES
from support.processes import all_gone, family

from .conftest import HEADWAY, Shop, read_json, read_line

EPHEMERAL = ("up", "--ephemeral", "--")


def test_the_command_has_the_environment_and_its_exit_status_is_returned(shop: Shop) -> None:
    shop.environment = {"SUPABASE_URL": "https://another.supabase.co", "OWN": "kept"}
    done = shop.run(*EPHEMERAL, "sh", "-c", "env; cat; exit 7", stdin="through\n")
    assert done.returncode == 7, done.stderr
    lines = done.stdout.splitlines()
    seen = dict(line.split("=", 1) for line in lines if "=" in line)
    assert seen.keys() >= set(NAMES.values())
    assert seen["SUPABASE_URL"].startswith("http://127.0.0.1:")
    assert seen["OWN"] == "kept"
    assert lines[-1] == "through"
    assert not shop.data_dir.exists()


def test_the_stack_is_the_project_s_and_answers(shop: Shop) -> None:
    script = (
        "import os, psycopg2\n"
        "with psycopg2.connect(os.environ['SUPABASE_DB_URL']) as connection:\n"
        "    cursor = connection.cursor()\n"
        "    cursor.execute('select current_user, count(*) from things')\n"
        "    print(*cursor.fetchone())\n"
    )
    done = shop.run(*EPHEMERAL, sys.executable, "-c", script)
    assert done.stdout == "postgres 2\n", done.stderr


def test_a_command_that_a_signal_ended_has_a_shell_s_status(shop: Shop) -> None:
    script = "sleep 600 >/dev/null 2>&1 & echo $!; kill -KILL $$"
    done = shop.run(*EPHEMERAL, "sh", "-c", script)
    assert done.returncode == 128 + signal.SIGKILL, done.stderr
    left = family(int(done.stdout))
    assert all_gone(left, timeout=0), "what the command left running is still there"


def test_signals_are_forwarded(shop: Shop) -> None:
    script = "trap 'echo usr1' USR1; trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done"
    with shop.start(*EPHEMERAL, "sh", "-c", script) as process:
        processes = family(process.pid)
        assert read_line(process.stdout) == "ready"
        process.send_signal(signal.SIGUSR1)
        assert read_line(process.stdout) == "usr1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 42
        assert all_gone(processes, timeout=1)


def test_a_signal_during_the_start_ends_it(shop: Shop) -> None:
    with shop.start(*EPHEMERAL, "echo", "never") as process:
        while not any(shop.temporary.glob("headway-ephemeral-*/postgres.lock")):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
        assert process.returncode == 128 + signal.SIGTERM
        assert stdout == ""
        assert "Traceback" not in stderr


def test_nothing_survives_a_kill(shop: Shop) -> None:
    with shop.start(*EPHEMERAL, "sh", "-c", "echo $$; sleep 600") as process:
        command = int(read_line(process.stdout))
        assert any(shop.temporary.iterdir())
        processes = family(process.pid)
        names = [each.name() for each in processes]
        assert names.count("postgres") > 3
        assert command in [each.pid for each in processes]
        process.kill()
        process.wait()
        assert all_gone(processes), [each for each in processes if each.is_running()]
    # The reaper was one of those processes, and removing is the last thing it does.
    assert list(shop.temporary.iterdir()) == []


def test_without_a_command_it_runs_until_a_signal(shop: Shop) -> None:
    with shop.start("up", "--ephemeral", "--json") as process:
        variables = read_json(process)
        assert variables["SUPABASE_URL"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert not shop.data_dir.exists()


def test_a_stack_that_does_not_start_runs_no_command(shop: Shop) -> None:
    (shop.root / "supabase" / "migrations" / "20260102000000_broken.sql").write_text("nonsense;")
    done = shop.run(*EPHEMERAL, "echo", "never")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "20260102000000_broken.sql" in done.stderr


def test_a_terminal_s_interrupt_reaches_the_command_alone(shop: Shop) -> None:
    # Between us and it is a terminal, whose foreground process group Ctrl-C goes to.
    terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    script = "trap 'echo interrupted; exit 5' INT; test -t 0 && echo ready; while :; do sleep 0.05; done"
    with shop.start(
        *EPHEMERAL, "sh", "-c", script, command=[sys.executable, "-c", terminal, *HEADWAY]
    ) as process:
        assert process.stdin is not None
        while read_line(process.stdout).strip() != "ready":
            pass
        process.stdin.write("\x03")
        process.stdin.flush()
        while "interrupted" not in read_line(process.stdout):
            pass
        assert process.wait(timeout=30) == 5


def test_a_project_without_supabase_is_served_when_named(tmp_path: Path, shop: Shop) -> None:
    outside = Shop(tmp_path, shop.temporary)
    assert outside.run(*EPHEMERAL, "true").returncode == 1
    done = outside.run("up", "--ephemeral", "--quiet", "--project", ".", "--", "true")
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(tmp_path) == []
