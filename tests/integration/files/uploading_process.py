"""A process that uploads one file and says what happened, for tests that kill it or measure its memory."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

import httpx

from headway.client.files import Files, ResumeStore, TransferProgress


class _Party:
    def __init__(self, url: str, key: str, token: str, user_id: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self.http = http
        self._headers = {"apikey": key, "Authorization": f"Bearer {token}"}
        self._user_id = user_id

    async def headers(self) -> dict[str, str]:
        return self._headers

    async def owner(self) -> str:
        return self._user_id


def _peak() -> int:
    """The most memory that this process had, in KiB."""
    if sys.platform == "linux":
        # getrusage's peak is that of the test process at first, which has started this one.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def _main(order: dict[str, str]) -> None:
    first = 0
    resumed = 0

    def tell(progress: TransferProgress) -> None:
        nonlocal first, resumed
        first = first or progress.done
        resumed = progress.resumed

    async with httpx.AsyncClient() as http:
        party = _Party(order["url"], order["key"], order["token"], order["user_id"], http)
        files = Files(party, resume_store=ResumeStore(Path(order["memory"])))
        await files.upload(b"warm up")
        before = _peak()
        ref = await files.upload(Path(order["source"]), on_progress=tell)
        uploaded = _peak()
        if target := order.get("target"):
            await files.download(ref, target)
    report = {
        "ref": ref.model_dump(mode="json"),
        "first": first,
        "resumed": resumed,
        "upload_kib": uploaded - before,
        "download_kib": _peak() - uploaded,
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
