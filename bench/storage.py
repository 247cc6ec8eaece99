"""1 GB through a plain upload, through TUS and back, beside a bare streamed copy through the same server.

The server is a whole stack in its own process, so that its memory can be watched. Beside it, on another port
of the same process and with the same server settings, listens an application that does nothing but write the
request's body to a file: the bare copy.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.report import Figure

NAME = "Storage: 1 GB in and out"

_MIB = 1024 * 1024
_SIZE = 1_000_000_000
_RUNS = 3
_CHUNK = 6 * _MIB
_PIECE = os.urandom(_MIB)
_BUCKET = "bench"
_SUPABASE_DIR = Path(__file__).parents[1] / "supabase"


class _Client:
    """A connection that costs as little as possible, so that the server is what is measured."""

    def __init__(self, address: dict[str, Any], port: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", address[port]))
        self._reader = self._socket.makefile("rb")
        self._key = address["key"]

    def request(self, method: str, path: str, headers: dict[str, str], size: int = 0) -> dict[str, str]:
        """Send a request with ``size`` bytes and read the answer: its headers and ``:status``."""
        lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {self._key}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method != "GET":
            lines.append(f"content-length: {size}")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        view = memoryview(_PIECE)
        while size:
            size -= (sent := min(size, _MIB))
            self._socket.sendall(view[:sent])
        answer = {":status": self._reader.readline().split()[1].decode()}
        while line := self._reader.readline().strip():
            name, _, value = line.decode().partition(":")
            answer[name.lower()] = value.strip()
        left = int(answer.get("content-length", 0))
        buffer = bytearray(_MIB)
        while left:
            left -= (got := self._reader.readinto(memoryview(buffer)[: min(left, _MIB)]))
            if not got:
                raise ConnectionError("the server closed the connection")
        if not answer[":status"].startswith("2"):
            raise RuntimeError(f"{method} {path}: {answer} {bytes(buffer[:300])!r}")
        return answer

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


@contextmanager
def _connected(address: dict[str, Any], port: str) -> Iterator[_Client]:
    client = _Client(address, port)
    try:
        yield client
    finally:
        client.close()


class _Memory:
    """The server's highest resident size while something runs, above what it was before."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def growth_mb(self, work: Callable[[], None]) -> float:
        before = peak = self._process.memory_info().rss
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.02):
                peak = max(peak, self._process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            work()
        finally:
            done.set()
            watcher.join()
        return (max(peak, self._process.memory_info().rss) - before) / 1e6


def _bare(address: dict[str, Any], size: int) -> None:
    with _connected(address, "bare_port") as client:
        client.request("POST", "/", {}, size)


def _plain(address: dict[str, Any], size: int) -> None:
    with _connected(address, "port") as client:
        client.request(
            "POST",
            f"/storage/v1/object/{_BUCKET}/plain.bin",
            {"content-type": "application/octet-stream", "x-upsert": "true"},
            size,
        )


def _resumable(address: dict[str, Any], size: int) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    tus = {"tus-resumable": "1.0.0", "x-upsert": "true"}
    with _connected(address, "port") as client:
        created = client.request(
            "POST",
            "/storage/v1/upload/resumable",
            {
                **tus,
                "upload-length": str(size),
                "upload-metadata": f"bucketName {encoded(_BUCKET)},objectName {encoded('tus.bin')}",
            },
        )
        path = "/" + created["location"].split("/", 3)[3]
        answer: dict[str, str] = {}
        for offset in range(0, size, _CHUNK):
            answer = client.request(
                "PATCH",
                path,
                {**tus, "upload-offset": str(offset), "content-type": "application/offset+octet-stream"},
                min(_CHUNK, size - offset),
            )
        if answer.get("tus-complete") != "1":
            raise RuntimeError(f"the upload did not complete: {answer}")


def _download(address: dict[str, Any], _: int) -> None:
    with _connected(address, "port") as client:
        client.request("GET", f"/storage/v1/object/authenticated/{_BUCKET}/plain.bin", {})


def _measure(address: dict[str, Any]) -> list[Figure]:
    works = {"bare": _bare, "plain": _plain, "tus": _resumable, "download": _download}
    with _connected(address, "port") as client:
        client.request("GET", "/storage/v1/status", {})
    for work in works.values():
        work(address, 16 * _MIB)
    memory = _Memory(address["pid"])
    rates: dict[str, list[float]] = {name: [] for name in works}
    growths: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(_RUNS):
        # Interleaved, so that a busy moment of the machine falls on all of them.
        for name, work in works.items():
            began = time.perf_counter()
            growth = memory.growth_mb(lambda work=work: work(address, _SIZE))  # type: ignore[misc]
            rates[name].append(_SIZE / 1e6 / (time.perf_counter() - began))
            growths[name].append(growth)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {
        name: statistics.median(
            mine / bare * 100 for mine, bare in zip(rates[name], rates["bare"], strict=True)
        )
        for name in works
    }
    of = f"1 GB, median of {_RUNS}"
    figures = [Figure(f"bare streamed copy, {of}", medians["bare"], "MB/s")]
    for name, label in (("plain", "plain upload"), ("tus", "TUS upload in 6 MiB chunks")):
        figures += [
            Figure(f"{label}, {of}", medians[name], "MB/s"),
            Figure(label, ratios[name], "% of the bare copy", 40, at_most=False),
            Figure(f"{label}: growth of the server's memory, worst run", max(growths[name]), "MB", 50),
        ]
    figures += [
        Figure(f"download, {of}", medians["download"], "MB/s"),
        Figure("download: growth of the server's memory, worst run", max(growths["download"]), "MB", 50),
    ]
    return figures


async def run() -> list[Figure]:
    """Measure in a server process of its own."""
    directory = Path(tempfile.mkdtemp(prefix="headway-bench-"))
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.storage",
        str(directory),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        line = await server.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start; its own output says why")
        return await asyncio.to_thread(_measure, json.loads(line))
    finally:
        server.stdin.close()
        await server.wait()
        shutil.rmtree(directory, ignore_errors=True)


async def _serve(directory: Path) -> None:
    """Be the server until standard input ends."""
    import asyncpg  # noqa: F401 — loaded before the memory is looked at

    from headway.local.config import load_config
    from headway.local.gateway.server import HttpServer, bind
    from headway.local.stack import Stack
    from headway.settings import LocalSettings

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        with (directory / "bare.bin").open("wb", buffering=0) as file:
            while True:
                message = await receive()
                file.write(message["body"])
                if not message["more_body"]:
                    break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    settings = LocalSettings(api_port=0, db_port=0, inbox_port=0)
    config = load_config(_SUPABASE_DIR / "config.toml")
    async with Stack(_SUPABASE_DIR, directory / "stack", config, settings) as stack:
        connection = await stack.database.connect("postgres")
        await connection.execute(f"insert into storage.buckets (id, name) values ('{_BUCKET}', '{_BUCKET}')")
        await connection.close()
        server = HttpServer(bare, bind("127.0.0.1", 0, setting="bench"))
        await server.start()
        address = {
            "pid": os.getpid(),
            "port": int(stack.public_url.rpartition(":")[2]),
            "bare_port": server.port,
            "key": stack.keys.service_role_key,
        }
        print(json.dumps(address), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await server.stop()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
