"""The mails that Auth writes, and the inbox where they land."""
