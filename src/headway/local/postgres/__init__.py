"""The stack's own Postgres: binaries, life cycle, bootstrap and migrations."""
