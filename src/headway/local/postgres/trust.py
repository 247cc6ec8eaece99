"""Which extensions the role ``postgres`` may create though it is no superuser.

Hosted projects let it by the module supautils (``supautils.privileged_extensions``). Here the control files
of a packaged installation say ``trusted = true``, PostgreSQL's own way. What reads the server's files or the
pages of tables stays for superusers, as it does there.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

__all__ = ["TRUSTED", "trust_extensions"]

TRUSTED = (
    "autoinc",
    "bloom",
    "dblink",
    "dict_xsyn",
    "earthdistance",
    "insert_username",
    "moddatetime",
    "pg_buffercache",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_walinspect",
    "pgrowlocks",
    "postgres_fdw",
    "refint",
    "sslinfo",
    "vector",
)
"""Beyond those that PostgreSQL itself trusts, such as pgcrypto, pg_trgm, citext and hstore."""

_SAYS_TRUSTED = re.compile(rb"^\s*trusted\s*=", re.MULTILINE)


def trust_extensions(directory: Path) -> None:
    """Mark the extensions of a copied installation as trusted; the original's files stay as they are.

    Args:
        directory: A ``share/extension`` directory of our own, whose files may be links to the original's.
    """
    for name in TRUSTED:
        control = directory / f"{name}.control"
        if not control.is_file():
            continue
        content = control.read_bytes()
        if _SAYS_TRUSTED.search(content) is None:
            # A new file under the old name: writing into a hard link would change the package.
            fresh = control.with_name(f".{control.name}.{secrets.token_hex(4)}")
            fresh.write_bytes(content.rstrip(b"\n") + b"\ntrusted = true\n")
            fresh.chmod(0o644)
            fresh.replace(control)
