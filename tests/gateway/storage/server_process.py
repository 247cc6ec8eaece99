"""Storage behind a port in a process of its own, which a test can kill while Postgres goes on.

``python server_process.py '{"database": {...}, "keys": {...}, "data_dir": "..."}'`` prints its port and
serves until it is killed, or until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from headway.local.config import ProjectConfig
from headway.local.database import Database
from headway.local.gateway.server import HttpServer, bind
from headway.local.identity import TokenVerifier
from headway.local.keys import SigningKey, StackKeys
from headway.local.service import StackContext
from headway.local.storage.service import StorageService
from headway.settings import LocalSettings


async def serve(database: Database, keys: StackKeys, data_dir: Path) -> None:
    listener = bind("127.0.0.1", 0, setting="test")
    port = listener.getsockname()[1]
    service = StorageService(
        StackContext(
            config=ProjectConfig(),
            settings=LocalSettings(durable=False, resumable_chunk_bytes=0),
            keys=keys,
            verifier=TokenVerifier(keys),
            database=database,
            data_dir=data_dir,
            public_url=f"http://127.0.0.1:{port}",
        )
    )
    await service.start()
    server = HttpServer(service.app, listener)
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()
    await service.stop()


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    stack_keys = StackKeys(**{**given["keys"], "signing_key": SigningKey(**given["keys"]["signing_key"])})
    asyncio.run(serve(Database(**given["database"]), stack_keys, Path(given["data_dir"])))
