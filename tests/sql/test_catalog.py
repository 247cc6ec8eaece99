"""What the migrations build is what catalog.txt says: tables, checks, functions, policies, grants, indexes.

To write the file anew after a change, and review the diff:
``UPDATE_EXPECTED=1 .venv/bin/python -m pytest tests/sql/test_catalog.py``
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from headway.local.database import Database
from support.catalog import describe

CATALOG = Path(__file__).with_name("catalog.txt")


def test_the_catalogue_is_as_committed(migrated_database: Database) -> None:
    built = [f"{line}\n" for line in describe(migrated_database)]
    if os.environ.get("UPDATE_EXPECTED"):
        CATALOG.write_text("".join(built))
    committed = CATALOG.read_text().splitlines(keepends=True)
    changes = "".join(difflib.unified_diff(committed, built, "catalog.txt", "the migrations", n=0))
    assert not changes, f"the migrations build something else than {CATALOG.name} says:\n{changes}"
