"""``postgres_changes``: rows from the log to those who asked for them and may see them."""
