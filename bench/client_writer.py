"""Writes progress as a worker does, in a process of its own: ``python -m bench.client_writer``.

Reads one line of JSON (``url``, ``key``, ``kind``, ``jobs``, ``beats``, ``pause``, ``together``), claims so
many jobs, says so, and after one more line beats for them in turn, ``together`` in one call. Each update
carries the moment at which its call was made, by the machine's monotonic clock, in ``metrics``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from typing import Any

import httpx


async def _write(order: dict[str, Any]) -> None:
    headers = {
        "apikey": order["key"],
        "Authorization": f"Bearer {order['key']}",
        "Content-Profile": "headway",
    }
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:

        async def rpc(function: str, **arguments: Any) -> Any:
            response = await http.post(f"{order['url']}/rest/v1/rpc/{function}", json=arguments)
            assert response.status_code < 400, response.text
            return response.json() if response.content else None

        worker, leases = str(uuid.uuid4()), []
        await rpc("register_worker", worker_id=worker, name="writer", kinds=[{"kind": order["kind"]}])
        while len(leases) < order["jobs"]:
            leases += await rpc(
                "claim",
                worker_id=worker,
                request_id=str(uuid.uuid4()),
                kinds=[order["kind"]],
                max_jobs=order["jobs"] - len(leases),
                lease_seconds=300,
            )
        held = [{key: lease[key] for key in ("job_id", "attempt", "lease_token")} for lease in leases]
        print("claimed", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        due = time.monotonic()
        for beat in range(order["beats"]):
            start = beat * order["together"] % len(held)
            some = held[start : start + order["together"]]
            said = {"percent": min(99, beat / order["beats"] * 100), "message": str(beat)}
            at = {"metrics": {"at": time.monotonic()}}
            await rpc(
                "heartbeat", worker_id=worker, jobs=[one | said | at for one in some], lease_seconds=300
            )
            due += order["pause"]
            await asyncio.sleep(max(due - time.monotonic(), 0))
        outcomes = [one | {"outcome": "completed"} for one in held]
        await rpc("finish", worker_id=worker, outcomes=outcomes)


if __name__ == "__main__":
    asyncio.run(_write(json.loads(sys.stdin.readline())))
