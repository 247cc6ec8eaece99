"""``python -m headway.cli``: the same as ``headway``."""

from headway.cli.main import run

run()
