"""The stack that ``bench.worker`` measures, in a process of its own: ``python -m bench.worker_stack``.

Prints its addresses as one line of JSON; answers every line of its input with how many requests it has
served, by path; runs until its input ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from headway.local.config import load_config
from headway.local.stack import Stack
from headway.settings import LocalSettings

_SUPABASE = Path(__file__).parents[1] / "supabase"


class _Counting(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        method, target = str(record.args[0]), str(record.args[1])  # type: ignore[index]
        self.counts[f"{method} {target.partition('?')[0]}"] += 1


async def _serve(directory: Path) -> None:
    settings = LocalSettings(data_dir=directory, api_port=0, db_port=0, inbox_port=0, durable=False)
    stack = Stack(_SUPABASE, directory, load_config(_SUPABASE / "config.toml"), settings)
    counting = _Counting()
    access = logging.getLogger("headway.access")
    access.addHandler(counting)
    access.setLevel(logging.INFO)
    access.propagate = False
    await stack.start()
    try:
        gc.freeze()  # as `headway up` does
        address = {
            "url": stack.public_url,
            "key": stack.keys.secret_key,
            "publishable_key": stack.keys.publishable_key,
            "socket_dir": stack.database.socket_dir,
            "db_port": stack.database.port,
        }
        print(json.dumps(address), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(counting.counts), flush=True)
    finally:
        await stack.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as directory:
        uvloop.run(_serve(Path(directory)))
