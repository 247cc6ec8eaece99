"""The Node.js that is on PATH, with the official JavaScript clients installed beside the scripts."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

JS_DIR = Path(__file__).parents[1] / "js"
_OLDEST_MAJOR = 20


@dataclass(frozen=True)
class Node:
    """Runs the scripts of ``tests/js``."""

    executable: str

    def test(self, script: str, environment: Mapping[str, str], temporary: Path) -> None:
        """Run one ``node --test`` file and fail with its output unless every test in it passed.

        Args:
            script: A file name in ``tests/js``.
            environment: What the script needs to know.
            temporary: A directory for whatever it unpacks.
        """
        finished = subprocess.run(
            [self.executable, "--test", "--test-reporter=spec", script],
            cwd=JS_DIR,
            env={**os.environ, **environment, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=150,
            check=False,
        )
        if finished.returncode != 0:
            pytest.fail(f"{script} failed:\n{finished.stdout}", pytrace=False)


def _install(npm: str) -> None:
    """``npm ci`` once per lock file, however many test processes ask at the same time."""
    stamp = JS_DIR / "node_modules" / ".installed"
    wanted = hashlib.sha256((JS_DIR / "package-lock.json").read_bytes()).hexdigest()
    with (JS_DIR / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        finished = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=JS_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=170,
            check=False,
        )
        if finished.returncode != 0:
            pytest.fail(f"the JavaScript clients could not be installed:\n{finished.stdout}", pytrace=False)
        stamp.write_text(wanted)


@pytest.fixture(scope="session")
def node() -> Node:
    """Node with the clients installed; tests that use it are skipped where there is no Node."""
    executable, npm = shutil.which("node"), shutil.which("npm")
    if executable is None or npm is None:
        pytest.skip("Node.js and npm are not on PATH: the official JavaScript clients cannot be driven")
    version = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < _OLDEST_MAJOR:
        pytest.skip(f"Node.js {version.strip()} is older than {_OLDEST_MAJOR}, which supabase-js needs")
    _install(npm)
    return Node(executable)
