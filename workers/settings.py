"""What the pipelines' settings have in common: read from the environment, and errors name the variable."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from headway import ConfigError

__all__ = ["PipelineSettings"]


class PipelineSettings(BaseSettings):
    """Settings of a pipeline. ``.env.example`` has a section for each class."""

    # "NAME=" in a compose file means that it is not set.
    model_config = SettingsConfigDict(
        env_file=None, env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment, or say which variable is missing or wrong.

        Args:
            overrides: Values that win over the environment, by field name; ``None`` means not given.

        Raises:
            ConfigError: naming every variable at fault; values of secrets are never shown.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            faults = [
                f"{'.'.join(map(str, e['loc']))}: {'is not set' if e['type'] == 'missing' else e['msg']}"
                for e in error.errors(include_input=False, include_url=False)
            ]
            raise ConfigError(
                "; ".join(faults),
                hint="Set it in the worker's environment; .env.example lists every variable.",
                code="config_invalid",
            ) from None
