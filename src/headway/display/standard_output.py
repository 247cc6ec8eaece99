"""Standard output as it is at the moment, whatever characters it knows."""

from __future__ import annotations

import sys
from typing import Any, TextIO

__all__ = ["StandardOutput"]


class StandardOutput:
    """Writes ``?`` for what standard output cannot encode, rather than raise.

    What jobs say may be in any script; a log that is written in ASCII is no reason to lose a watch.
    """

    def write(self, text: str) -> int:
        """Write a text; what cannot be encoded is replaced."""
        out = _present()
        try:
            return out.write(text)
        except UnicodeEncodeError:
            return out.write(text.encode(out.encoding, "replace").decode(out.encoding))

    @property
    def rich_proxied_file(self) -> StandardOutput:
        """Rich looks for this where it has put a proxy of its own before standard output."""
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(_present(), name)


def _present() -> TextIO:
    # While rich redraws, standard output is a proxy that writes to the console, which would write here again.
    found: TextIO = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
    return found
