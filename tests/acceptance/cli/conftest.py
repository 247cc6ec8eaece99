"""Real ``headway`` processes on projects and temporary directories of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from support.processes import all_gone, ended, family

HEADWAY = [sys.executable, "-m", "headway.cli"]
FREE_PORTS = ["--port", "0", "--db-port", "0", "--inbox-port", "0"]

MIGRATION = """\
create table public.things (id int primary key, name text not null);
insert into public.things values (1, 'from the migration');
"""
SEED = "insert into public.things values (2, 'from the seed');\n"


@dataclass
class Shop:
    """A project, and how ``headway`` is run in it.

    Args:
        root: The project's folder.
        temporary: What TMPDIR is for the processes; nothing else uses it.
    """

    root: Path
    temporary: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        return self.root / ".headway"

    def _environment(self) -> dict[str, str]:
        # Dozens of starts: as with an installed package, each finds its bytecode.
        base = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        durable = {"HEADWAY_LOCAL_DURABLE": "false"}
        return {**base, **durable, "TMPDIR": str(self.temporary), **self.environment}

    def run(
        self, *arguments: str | Path, stdin: str = "", timeout: float = 90
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*HEADWAY, *map(str, arguments)],
            cwd=self.root,
            env=self._environment(),
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def json(self, *arguments: str | Path) -> Any:
        """What a command that must succeed printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def start(
        self, *arguments: str, command: Sequence[str] = HEADWAY, **options: Any
    ) -> Iterator[subprocess.Popen[str]]:
        """A running process, ended with everything below it when the block ends."""
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=self.root,
            env=self._environment(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        try:
            yield process
        finally:
            below = family(process.pid)
            for number in (signal.SIGTERM, signal.SIGKILL):
                if process.poll() is None:
                    process.send_signal(number)
                    try:
                        process.wait(timeout=30)
                    except subprocess.TimeoutExpired:
                        continue
            gone = all_gone(below, timeout=20)
            stubborn = [each for each in below if not ended(each)]
            for survivor in stubborn:
                survivor.kill()
            for stream in (process.stdin, process.stdout, process.stderr):
                assert stream is not None
                stream.close()
            assert gone, f"left behind: {stubborn}"

    @contextmanager
    def up(self, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
        """A stack in the foreground, and the variables that it printed."""
        with self.start("up", "--json", *FREE_PORTS, *options) as process:
            yield process, read_json(process)


def read_json(process: subprocess.Popen[str]) -> Any:
    """The JSON object that a process prints first."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            return json.loads("".join(lines))
    assert process.stderr is not None
    raise AssertionError(f"it ended with {process.wait()}: {process.stderr.read()}")


def read_line(stream: IO[str] | None) -> str:
    """The next line of a process's output, which must not have ended."""
    assert stream is not None
    line = stream.readline()
    assert line, "the output has ended"
    return line.rstrip("\n")


@contextmanager
def new_shop() -> Iterator[Shop]:
    """A project with one migration and a seed; its temporary directory must be empty at the end."""
    with tempfile.TemporaryDirectory(prefix="hw-") as name:
        place = Path(name)
        place.chmod(0o755)
        temporary = place / "t"
        temporary.mkdir(mode=0o755)
        migrations = place / "app" / "supabase" / "migrations"
        migrations.mkdir(parents=True)
        (migrations / "20260101000000_things.sql").write_text(MIGRATION)
        (migrations.parent / "seed.sql").write_text(SEED)
        (migrations.parent / "config.toml").write_text("[auth.external.github]\nenabled = true\n")
        yield Shop(place / "app", temporary)
        assert list(temporary.iterdir()) == [], "something was left in the temporary directory"


@pytest.fixture
def shop() -> Iterator[Shop]:
    with new_shop() as made:
        yield made
