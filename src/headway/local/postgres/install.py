"""A private copy of a Postgres installation, readable by whoever runs the server.

Packages live where a dropped user may have no way in (a virtual environment below root's home), and before
version 18 Postgres finds extensions only inside its own installation. So the packaged installation is linked,
or copied where links are impossible, into a cache, together with the extension files that Headway adds.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from headway.errors import ConfigError
from headway.local.postgres.accounts import ServerAccount
from headway.local.postgres.trust import TRUSTED, trust_extensions

__all__ = ["cache_dir", "exclusive", "extension_digest", "install_copy", "install_extensions"]

_UNUSED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "doc", "man", "*.a", "__pycache__")


def cache_dir(account: ServerAccount) -> Path:
    """A directory for files made once per machine, which ``account`` can read and nobody else can write.

    Args:
        account: The user that Postgres runs as.

    Raises:
        ConfigError: no candidate is usable.
    """
    for candidate in _candidates():
        if _claim(candidate) and account.can_enter(candidate):
            return candidate
    raise ConfigError(
        "There is no place to cache the Postgres installation",
        hint="Make XDG_CACHE_HOME or TMPDIR point to a directory that you can write.",
        code="cache_unusable",
    )


def _candidates() -> Iterator[Path]:
    mac = sys.platform == "darwin"
    if os.geteuid() == 0:
        yield Path("/Library/Caches/headway" if mac else "/var/cache/headway")
    else:
        if configured := os.environ.get("XDG_CACHE_HOME"):
            yield Path(configured, "headway")
        home = Path(os.path.expanduser("~"))  # noqa: PTH111 — Path.home() raises where there is no home
        yield home / ("Library/Caches" if mac else ".cache") / "headway"
    yield Path(tempfile.gettempdir(), f"headway-cache-{os.geteuid()}")


def _claim(directory: Path) -> bool:
    """Make the directory unless it is there; refuse one that another user could have prepared."""
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o755)
        entry = directory.lstat()
    except OSError:
        return False
    mine = stat.S_ISDIR(entry.st_mode) and entry.st_uid == os.geteuid()
    return mine and not entry.st_mode & 0o022 and os.access(directory, os.W_OK | os.X_OK)


def extension_digest(extensions: Mapping[str, bytes]) -> str:
    """A short name for a set of extension files and what is trusted, by their content.

    Args:
        extensions: File names and contents.
    """
    digest = sha256(",".join(TRUSTED).encode())
    for name in sorted(extensions):
        for part in (name.encode(), extensions[name]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()[:12]


def install_copy(
    parts: Mapping[str, Path], destination: Path, extensions: Mapping[str, bytes], account: ServerAccount
) -> None:
    """Put an installation at ``destination``, whole or not at all; safe when several processes do so at once.

    Args:
        parts: Directories to copy, by their place below the destination.
        destination: A directory in the cache; nothing is done when it is there already.
        extensions: Extension files that the installation shall offer unless it has its own.
        account: The user that has to be able to read the copy.
    """
    if destination.is_dir():
        return
    with exclusive(destination.parent):
        if destination.is_dir():
            return
        partial = destination.parent / f".partial-{secrets.token_hex(6)}"
        partial.mkdir(mode=0o755)

        def place(source: str, target: str) -> None:
            _link_or_copy(source, target, account)

        for inner, origin in parts.items():
            shutil.copytree(origin, partial / inner, copy_function=place, ignore=_UNUSED, symlinks=True)
        for shared in partial.glob("**/share/**/extension"):
            install_extensions(shared, extensions)
            trust_extensions(shared)
        for directory in (partial, *(p for p in partial.rglob("*") if p.is_dir() and not p.is_symlink())):
            directory.chmod(0o755)
        partial.rename(destination)


def install_extensions(directory: Path, extensions: Mapping[str, bytes]) -> None:
    """Write extension files, leaving alone every extension that the directory already has.

    Args:
        directory: A ``share/extension`` directory, or one on ``extension_control_path``.
        extensions: File names and contents.
    """
    own = {name.removesuffix(".control") for name in extensions if name.endswith(".control")}
    offered = {name for name in own if not (directory / f"{name}.control").exists()}
    for name, content in extensions.items():
        if name.removesuffix(".control").split("--")[0] in offered:
            # Renamed into place, since another process may be reading.
            fresh = directory / f".{name}.{secrets.token_hex(4)}"
            fresh.write_bytes(content)
            fresh.chmod(0o644)
            fresh.replace(directory / name)


def _link_or_copy(source: str, target: str, account: ServerAccount) -> None:
    entry = Path(source).stat()
    if account.can_use(entry):
        try:
            os.link(source, target)
        except OSError:
            pass  # another file system, or one without hard links
        else:
            return
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if entry.st_mode & stat.S_IXUSR else 0o644)


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold a directory of the cache alone, made if need be, and sweep what interrupted holders left.

    Args:
        directory: Its half-made entries are called ``.partial-*``.
    """
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for abandoned in directory.glob(".partial-*"):
            shutil.rmtree(abandoned)
        yield
    finally:
        os.close(descriptor)
