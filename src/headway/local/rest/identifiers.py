"""Names of database objects, and the one way in which they become SQL."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

__all__ = ["QName", "quote", "quote_list"]


class QName(NamedTuple):
    """A schema-qualified name; without a schema for what only the statement knows, such as a CTE."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        """The name as quoted SQL."""
        return f"{quote(self.schema)}.{quote(self.name)}" if self.schema else quote(self.name)


def quote(name: str) -> str:
    """A name as a delimited SQL identifier, which can end nowhere but at its own closing quote.

    NUL cannot occur in an identifier (nor in the protocol's text), so it is dropped, as PostgREST does.

    Args:
        name: Any text.
    """
    return '"' + name.replace("\0", "").replace('"', '""') + '"'


@lru_cache(maxsize=64)
def quote_list(names: tuple[str, ...]) -> str:
    """Names as a comma-separated list of identifiers, the form ``search_path`` takes.

    Args:
        names: Any texts.
    """
    return ", ".join(map(quote, names))
