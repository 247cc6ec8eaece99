"""The server that ``bench.realtime`` measures, in a process of its own: ``python -m bench.realtime_server``.

Realtime behind the real gateway, with a Postgres that keeps stock durability, and on another port an
application that only echoes. Prints its addresses as one line of JSON and runs until its input ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import uvloop

from headway.local.config import ProjectConfig
from headway.local.gateway.app import Gateway
from headway.local.gateway.keyring import KeyRing
from headway.local.gateway.server import HttpServer, bind
from headway.local.identity import TokenVerifier
from headway.local.keys import StackKeys
from headway.local.postgres.binaries import resolve_binaries
from headway.local.postgres.bootstrap import bootstrap
from headway.local.postgres.server import PostgresServer
from headway.local.realtime.service import RealtimeService
from headway.local.service import StackContext
from headway.settings import LocalSettings


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def _serve(data_dir: Path) -> None:
    keys = StackKeys.generate()
    postgres = PostgresServer(
        resolve_binaries(LocalSettings()),
        data_dir=data_dir / "postgres",
        tcp_port=0,
        password=keys.db_password,
        durable=True,
    )
    database = await postgres.start()
    try:
        await bootstrap(database, password=keys.db_password)
        service = RealtimeService(
            StackContext(
                config=ProjectConfig(),
                settings=LocalSettings(),
                keys=keys,
                verifier=TokenVerifier(keys),
                database=database,
                data_dir=data_dir,
                public_url="",
            )
        )

        async def admin(method: str, action: str) -> tuple[int, dict[str, Any]]:
            return 404, {}

        await service.start()
        gateway = HttpServer(
            Gateway(KeyRing(keys), {"realtime": service.app}, admin), bind("127.0.0.1", 0, setting="bench")
        )
        echo = HttpServer(_echo, bind("127.0.0.1", 0, setting="bench"))
        await gateway.start()
        await echo.start()
        print(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "port": gateway.port,
                    "echo_port": echo.port,
                    "jwt_secret": keys.jwt_secret,
                    "key": keys.publishable_key,
                    "secret_key": keys.secret_key,
                    "socket_dir": database.socket_dir,
                    "db_port": database.port,
                }
            ),
            flush=True,
        )
        await asyncio.to_thread(sys.stdin.read)
        await service.stop()
        await echo.stop()
        await gateway.stop()
    finally:
        await postgres.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as directory:
        uvloop.run(_serve(Path(directory)))
