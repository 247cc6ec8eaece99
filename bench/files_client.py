"""The client of ``bench.files``: says its figures as one line of JSON."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from headway import AsyncHeadway

_MIB = 1024 * 1024
_SIZE = 256 * _MIB
_RUNS = 3
_CHUNK = 6 * _MIB


def _peak_mb() -> float:
    # Linux passes getrusage's peak on to whatever a large process starts; this one is the process's own.
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB


async def _rates(*works: Callable[[], Awaitable[object]]) -> list[float]:
    """Megabytes a second of each, in turns: what the disk has to catch up on slows all of them alike."""
    rates: list[list[float]] = [[] for _ in works]
    for _ in range(_RUNS):
        for taken, work in zip(rates, works, strict=True):
            began = time.perf_counter()
            await work()
            taken.append(_SIZE / 1e6 / (time.perf_counter() - began))
    return [statistics.median(taken) for taken in rates]


async def _measure(folder: Path) -> dict[str, float]:
    url, key = os.environ["SUPABASE_URL"], os.environ["SUPABASE_PUBLISHABLE_KEY"]
    source = folder / "large.bin"
    with source.open("wb") as file:
        for _ in range(_SIZE // _MIB):
            file.write(os.urandom(_MIB))
    async with httpx.AsyncClient(timeout=120) as http:
        session = (
            await http.post(f"{url}/auth/v1/signup", headers={"apikey": key}, json={"data": {}})
        ).json()
        token, user = session["access_token"], session["user"]["id"]
        headers = {"apikey": key, "Authorization": f"Bearer {token}", "x-upsert": "true"}
        address = f"{url}/storage/v1/object/job-files/{user}/bare.bin"
        values = {"bucketName": "job-files", "objectName": f"{user}/bare.bin"}
        metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in values.items())

        async def bare_upload() -> None:
            tus = {**headers, "tus-resumable": "1.0.0"}
            begin = {**tus, "upload-length": str(_SIZE), "upload-metadata": metadata}
            answer = await http.post(f"{url}/storage/v1/upload/resumable", headers=begin)
            where = answer.raise_for_status().headers["location"]
            with source.open("rb") as file:
                for start in range(0, _SIZE, _CHUNK):
                    chunk = {
                        **tus,
                        "upload-offset": str(start),
                        "content-type": "application/offset+octet-stream",
                    }
                    (await http.patch(where, headers=chunk, content=file.read(_CHUNK))).raise_for_status()

        async def bare_download() -> None:
            async with http.stream("GET", address, headers=headers) as answer:
                with (folder / "bare.bin").open("wb") as file:
                    async for piece in answer.aiter_bytes():
                        file.write(piece)

        async with AsyncHeadway(url=url, key=key, access_token=token) as hw:
            await hw.upload(b"warm up", path=f"{user}/warm.bin")
            path = f"{user}/large.bin"
            before = _peak_mb()
            ref = await hw.upload(source, path=path, replace=True)
            uploaded = _peak_mb()
            await hw.download(ref, folder / "back.bin")
            figures = {"upload_mb": uploaded - before, "download_mb": _peak_mb() - uploaded}
            figures["upload"], figures["bare_upload"] = await _rates(
                lambda: hw.upload(source, path=path, replace=True), bare_upload
            )
            figures["download"], figures["bare_download"] = await _rates(
                lambda: hw.download(ref, folder / "back.bin"), bare_download
            )
    return figures


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as name:
        print(json.dumps(asyncio.run(_measure(Path(name)))), flush=True)
