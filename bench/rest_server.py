"""The server that ``bench.rest`` measures, in a process of its own: ``python -m bench.rest_server``.

The Data API behind the real gateway, with a table under row level security. Prints its addresses as one line
of JSON and runs until its input ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
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
from headway.local.rest.service import build
from headway.local.service import StackContext
from headway.settings import LocalSettings

SCHEMA = """
    CREATE TABLE public.notes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        owner uuid NOT NULL, title text NOT NULL, body text, done boolean NOT NULL DEFAULT false,
        rank int NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON public.notes (owner, id);
    ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON public.notes USING (owner = (SELECT auth.uid()));
    GRANT ALL ON public.notes TO authenticated;
    INSERT INTO public.notes (owner, title, body, rank)
    SELECT ('00000000-0000-4000-8000-' || lpad((n % 10)::text, 12, '0'))::uuid,
        'note ' || n, repeat('lorem ipsum ', 6), n FROM generate_series(1, 1000) n;
    ANALYZE public.notes;
"""


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
        connection = await database.connect("postgres")
        await connection.execute(SCHEMA)
        await connection.close()
        service = build(
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
            Gateway(KeyRing(keys), {"rest": service.app}, admin), bind("127.0.0.1", 0, setting="bench")
        )
        await gateway.start()
        gc.freeze()  # as `headway up` does
        address = {
            "port": gateway.port,
            "jwt_secret": keys.jwt_secret,
            "key": keys.publishable_key,
            "socket_dir": database.socket_dir,
            "db_port": database.port,
        }
        print(json.dumps(address), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await gateway.stop()
        await service.stop()
    finally:
        await postgres.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as directory:
        uvloop.run(_serve(Path(directory)))
