"""A project is found from anywhere inside it, and its data are kept to its user and out of git."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from headway.errors import ConfigError
from headway.local.project import find_project, packaged_supabase_dir
from headway.settings import LocalSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    (root / "supabase" / "migrations").mkdir(parents=True)
    (root / "src" / "deep").mkdir(parents=True)
    return root


@pytest.mark.parametrize("inside", [".", "src/deep", "supabase", "supabase/migrations"])
def test_the_nearest_project_around_is_found(root: Path, inside: str) -> None:
    assert find_project(LocalSettings(), start=root / inside).root == root


def test_an_inner_project_wins_over_an_outer_one(root: Path) -> None:
    inner = root / "packages" / "one"
    (inner / "supabase").mkdir(parents=True)
    assert find_project(LocalSettings(), start=inner).root == inner


def test_without_a_project_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no supabase folder") as raised:
        find_project(LocalSettings(), start=tmp_path)
    assert "--project" in (raised.value.hint or "")


def test_a_named_folder_needs_no_supabase_in_it(tmp_path: Path) -> None:
    assert find_project(LocalSettings(), project=tmp_path).root == tmp_path


def test_a_named_folder_has_to_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no directory"):
        find_project(LocalSettings(), project=tmp_path / "typo")


def test_data_live_in_the_project_unless_told_otherwise(root: Path, tmp_path: Path) -> None:
    assert find_project(LocalSettings(), project=root).data_dir == root / ".headway"
    elsewhere = LocalSettings(data_dir=tmp_path / "data")
    assert find_project(elsewhere, project=root).data_dir == tmp_path / "data"


def test_data_are_this_user_s_and_unseen_by_git(root: Path) -> None:
    project = find_project(LocalSettings(), project=root)
    project.prepare()
    project.prepare()
    assert stat.S_IMODE(project.data_dir.stat().st_mode) == 0o700
    assert (project.data_dir / ".gitignore").read_text().splitlines()[-1] == "*"


def test_data_that_cannot_be_kept_are_named(root: Path) -> None:
    (root / ".headway").write_text("a file")
    with pytest.raises(ConfigError, match=r"\.headway") as raised:
        find_project(LocalSettings(), project=root).prepare()
    assert "HEADWAY_LOCAL_DATA_DIR" in (raised.value.hint or "")


def test_headway_s_own_migrations_are_found() -> None:
    assert list((packaged_supabase_dir() / "migrations").glob("*.sql"))
