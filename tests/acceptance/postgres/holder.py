"""Run as a script: a process that owns a server, tells how it goes, and ends as it is told.

``python holder.py DATA_DIR GUARD [durable]`` prints ``ready PID`` once the server answers. A line on standard
input is an order: ``die`` (SIGKILL to itself) or ``stop``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from headway.local.postgres.binaries import resolve_binaries
from headway.local.postgres.server import PostgresServer
from headway.settings import LocalSettings


async def main(data_dir: str, guard: str, durable: str = "") -> None:
    server = PostgresServer(
        resolve_binaries(LocalSettings()),
        data_dir=Path(data_dir),
        durable=bool(durable),
        guard="pipe" if guard == "pipe" else "pdeathsig",
    )
    await server.start()
    print("ready", server.pid, flush=True)
    order = await asyncio.to_thread(sys.stdin.readline)
    if order.strip() == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
