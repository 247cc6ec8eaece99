"""Which project a command is about, and the stack that runs there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.errors import HeadwayError
from headway.local.holding import RunningStack, read_running
from headway.local.project import Project, find_project
from headway.settings import LocalSettings

__all__ = ["RunningTarget", "load_settings", "running_target", "target_project"]


def load_settings(given: Mapping[str, Any]) -> LocalSettings:
    """The settings of the environment, with the command line's on top.

    Args:
        given: By field name; ``None`` means not given.

    Raises:
        ConfigError: one of them is wrong.
    """
    return LocalSettings.load(**given)


def target_project(project: Path | None, data_dir: Path | None) -> Project:
    """The project that a command is about.

    Args:
        project: The option ``--project``.
        data_dir: The option ``--data-dir``.

    Raises:
        ConfigError: there is none.
    """
    return find_project(load_settings({"data_dir": data_dir}), project=project)


@dataclass(frozen=True, slots=True)
class RunningTarget:
    """A running stack and the project it serves."""

    project: Project
    stack: RunningStack

    def administer(self, method: str, action: str, *, timeout_s: float) -> Any:
        """Ask the stack's own endpoint, as the holder of its secret key.

        Args:
            method: ``GET`` or ``POST``.
            action: ``status`` or ``reset``.
            timeout_s: How long to wait for the answer.

        Raises:
            HeadwayError: what the stack answered instead of doing it, or why it could not be asked.
        """
        import http.client
        from urllib.parse import urlsplit

        from headway.local.keys import load_or_create_keys

        key = load_or_create_keys(self.project.keys_path).secret_key
        address = urlsplit(self.stack.api_url)
        connection = http.client.HTTPConnection(
            address.hostname or "127.0.0.1", address.port, timeout=timeout_s
        )
        try:
            connection.request(method, f"/_headway/{action}", headers={"apikey": key})
            answer = connection.getresponse()
            body = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise HeadwayError(
                f"The stack at {self.stack.api_url} (process {self.stack.pid}) does not answer: {error}",
                hint="See `headway logs`; `headway down` stops it.",
                code="no_answer",
            ) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise HeadwayError(
                body.get("message", f"The stack answered {answer.status}"),
                hint=body.get("hint"),
                code=body.get("code") or "refused",
            )
        return body


def running_target(project: Path | None, data_dir: Path | None) -> RunningTarget:
    """The running stack that a command is about.

    Args:
        project: The option ``--project``.
        data_dir: The option ``--data-dir``.

    Raises:
        HeadwayError: none is running (code ``not_running``).
    """
    target = target_project(project, data_dir)
    running = read_running(target.data_dir)
    if running is None:
        raise HeadwayError(
            f"No stack is running on {target.data_dir}",
            hint="Start one with `headway up`.",
            code="not_running",
        )
    return RunningTarget(target, running)
