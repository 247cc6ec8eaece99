"""A clean environment for every test, and the fixtures that several folders share."""

from __future__ import annotations

import os

pytest_plugins = ["support.node", "support.postgres", "support.stack"]

# Before any test module reads the environment: a developer's own project must never be reached by accident.
for _name in list(os.environ):
    if _name.startswith(("SUPABASE_", "HEADWAY_", "OPENAI_", "GEMINI_", "GOOGLE_")):
        del os.environ[_name]
