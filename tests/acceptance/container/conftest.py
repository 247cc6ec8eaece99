"""What the image holds, made by the image's own steps, without a container engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .image import Image

ROOT = Path(__file__).parents[3]


def interpreter() -> str:
    """A Python that another user can run too, and that has pip; this one when there is none."""
    for candidate in (sys._base_executable, "/usr/local/bin/python3", "/usr/bin/python3"):  # type: ignore[attr-defined]
        if os.geteuid() == 0 and not _open_to_all(Path(os.path.realpath(candidate))):
            continue
        check = "import sys, venv, pip; raise SystemExit(sys.version_info < (3, 11))"
        try:
            if subprocess.run([candidate, "-c", check], check=False, capture_output=True).returncode == 0:
                return candidate
        except OSError:
            continue
    return sys.executable


def _open_to_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.parents if parent.exists()) and path.exists()


@pytest.fixture(scope="package")
def image() -> Iterator[Image]:
    """``docker/install.sh all``, in a folder that every user can read."""
    folder = Path(tempfile.mkdtemp(prefix="headway-image-"))
    try:
        folder.chmod(0o755)
        target = folder / "headway"
        steps = subprocess.run(
            [ROOT / "docker" / "install.sh", "all", target],
            check=False, cwd="/", env={**os.environ, "PYTHON": interpreter()}, capture_output=True, text=True,
            timeout=380,
        )  # fmt: skip
        assert steps.returncode == 0, steps.stdout + steps.stderr
        yield Image(target)
    finally:
        shutil.rmtree(folder)
