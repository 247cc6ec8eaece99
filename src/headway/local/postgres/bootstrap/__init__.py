"""Makes a Postgres cluster look like a hosted Supabase project: roles, schemas, tables, functions, grants."""

from headway.local.postgres.bootstrap.apply import bootstrap
from headway.local.postgres.bootstrap.differences import environment_warnings

__all__ = ["bootstrap", "environment_warnings"]
