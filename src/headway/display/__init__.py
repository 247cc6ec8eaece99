"""Jobs on the screen: terminals, notebooks, logs. Needs ``rich`` (``headway[display]``)."""

from __future__ import annotations

from headway.errors import ConfigError

try:
    from headway.display.progress import Mode, ProgressDisplay
except ImportError as error:
    raise ConfigError(
        f"{error.name} is not installed", hint="pip install 'headway[display]'", code="extra_missing"
    ) from error

__all__ = ["Mode", "ProgressDisplay"]
