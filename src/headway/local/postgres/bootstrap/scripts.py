"""The SQL files of the bootstrap, in the order of their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

__all__ = ["Script", "checksum", "cluster_scripts", "database_scripts"]

_FIRST_DATABASE_SCRIPT = "030"


@dataclass(frozen=True, slots=True)
class Script:
    """One file: what it is called and what it says."""

    name: str
    sql: str


@cache
def _scripts() -> tuple[Script, ...]:
    folder = files(__package__) / "sql"
    return tuple(
        Script(entry.name, entry.read_text("utf-8"))
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".sql")
    )


def cluster_scripts() -> tuple[Script, ...]:
    """The files about roles, which belong to the cluster: applied once per cluster."""
    return tuple(script for script in _scripts() if script.name < _FIRST_DATABASE_SCRIPT)


def database_scripts() -> tuple[Script, ...]:
    """The files about schemas and what is in them: applied once per database."""
    return tuple(script for script in _scripts() if script.name >= _FIRST_DATABASE_SCRIPT)


def checksum(scripts: tuple[Script, ...]) -> str:
    """A short digest that changes when any of the files does.

    Args:
        scripts: Files in their order.
    """
    digest = sha256()
    for script in scripts:
        digest.update(f"{script.name}\0{script.sql}\0".encode())
    return digest.hexdigest()[:16]
