"""Where a project's files are, and where its stack keeps its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headway.errors import ConfigError
from headway.local.config import ProjectConfig, load_config
from headway.settings import LocalSettings

__all__ = ["Project", "find_project", "packaged_supabase_dir"]


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with ``supabase/`` in it, and the data of the stack that serves it.

    Args:
        root: The project's folder.
        data_dir: Everything that the stack keeps.
    """

    root: Path
    data_dir: Path

    @property
    def supabase_dir(self) -> Path:
        """The folder that the Supabase CLI reads as well; it may be absent."""
        return self.root / "supabase"

    @property
    def keys_path(self) -> Path:
        """The stack's keys."""
        return self.data_dir / "keys.json"

    @property
    def postgres_dir(self) -> Path:
        """Postgres's data directory."""
        return self.data_dir / "postgres"

    @property
    def stack_log(self) -> Path:
        """What the gateway and the services log."""
        return self.data_dir / "stack.log"

    @property
    def postgres_log(self) -> Path:
        """What Postgres logs."""
        return self.data_dir / "postgres.log"

    def config(self) -> ProjectConfig:
        """``supabase/config.toml``, or its defaults.

        Raises:
            ConfigError: it has a fault.
        """
        return load_config(self.supabase_dir / "config.toml")

    def prepare(self) -> None:
        """Make the data directory: for this user alone, and unseen by git.

        Raises:
            ConfigError: it cannot be made.
        """
        try:
            if not self.data_dir.is_dir():
                self.data_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
            ignore = self.data_dir / ".gitignore"
            if not ignore.exists():
                ignore.write_text(
                    "# Made by Headway: data of the local stack, keys among them.\n*\n", "utf-8"
                )
        except OSError as error:
            raise ConfigError(
                f"{self.data_dir} cannot be written: {error.strerror}",
                hint="Set HEADWAY_LOCAL_DATA_DIR (or --data-dir) to a directory that you can write.",
                code="data_dir_unwritable",
            ) from error


def find_project(
    settings: LocalSettings, *, project: Path | None = None, start: Path | None = None
) -> Project:
    """The project to work on: the one named, else the nearest around ``start``.

    Args:
        settings: ``data_dir`` is looked at; ``.headway`` in the project when unset.
        project: The project's folder, with or without ``supabase/`` in it.
        start: Where to begin looking upwards; the current directory when omitted.

    Raises:
        ConfigError: the named folder is not there, or there is no project around.
    """
    if project is not None:
        root = project.absolute()
        if not root.is_dir():
            raise ConfigError(
                f"There is no directory {root}", hint="Correct --project.", code="project_not_found"
            )
    else:
        root = _nearest((start or Path.cwd()).absolute())
    data_dir = settings.data_dir.absolute() if settings.data_dir is not None else root / ".headway"
    return Project(root, data_dir)


def _nearest(start: Path) -> Path:
    for folder in (start, *start.parents):
        if (folder / "supabase").is_dir():
            return folder
    raise ConfigError(
        f"There is no supabase folder in {start} or above it",
        hint="Change into a project, name one with --project, or make one: mkdir -p supabase/migrations.",
        code="project_not_found",
    )


def packaged_supabase_dir() -> Path:
    """The ``supabase`` folder of Headway itself: its migrations and the configuration they need."""
    package = Path(__file__).parents[1]
    shipped = package / "_supabase"
    return shipped if shipped.is_dir() else package.parents[1] / "supabase"
