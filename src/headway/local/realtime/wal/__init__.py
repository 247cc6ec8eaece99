"""Postgres's write-ahead log, read as a stream of changes."""
