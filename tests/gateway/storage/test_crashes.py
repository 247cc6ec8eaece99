"""SIGKILL at the worst moments: between the file and the row, and in the middle of the bytes.

The moment is caught by a trigger that waits for a lock: it lets the probes through and holds the real write.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from headway.local.database import Database
from headway.local.keys import StackKeys

from . import tus
from .harness import until

LOCK = 4242
_HOLD_WRITES = f"""
create function public.hold_writes() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock({LOCK});
  return new;
end $$;
create trigger hold_writes before insert on storage.objects
  for each row when (new.version <> '1') execute function public.hold_writes();
"""
_HELD = """
select 1 from pg_locks where locktype = 'advisory' and objid = %s and not granted
   and database = (select oid from pg_database where datname = current_database())
"""


@dataclass
class KillableStorage:
    """Storage in a process that can be killed and started again on the same files and rows."""

    database: Database
    data_dir: Path
    keys: StackKeys = field(default_factory=StackKeys.generate)
    process: subprocess.Popen[str] | None = None
    url: str = ""

    @property
    def root(self) -> Path:
        return self.data_dir / "storage"

    def start(self) -> None:
        given = {
            "database": asdict(self.database),
            "keys": asdict(self.keys),
            "data_dir": str(self.data_dir),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("server_process.py")), json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        port = self.process.stdout.readline().strip()
        assert port, "the server did not start"
        self.url = f"http://127.0.0.1:{port}"

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.communicate()

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {self.keys.service_role_key}"},
            timeout=30,
            verify=False,
        )

    def execute(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.database.conninfo("supabase_admin"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                return cursor.fetchall() if cursor.description else []

    @contextmanager
    def writes_held(self) -> Iterator[None]:
        """Every write of an object's row waits until the block ends."""
        with closing(psycopg2.connect(self.database.conninfo("supabase_admin"))) as connection:
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
            yield

    def wait_until_writes_are_held(self, count: int) -> None:
        until(lambda: len(self.execute(_HELD, LOCK)) == count, f"{count} writes that wait")

    def blobs(self) -> set[str]:
        return {path.name for path in (self.root / "objects").glob("*/*")}

    def files(self, area: str) -> list[str]:
        return [path.name for path in (self.root / area).iterdir()]


@pytest.fixture
def storage(database: Database, tmp_path: Path) -> Iterator[KillableStorage]:
    """Started, with a bucket ``b``, and able to hold writes."""
    storage = KillableStorage(database, tmp_path)
    storage.start()
    try:
        storage.execute(_HOLD_WRITES)
        with storage.client() as client:
            assert client.post("/bucket", json={"name": "b"}).is_success
        yield storage
    finally:
        storage.kill()


def send_and_be_cut_off(storage: KillableStorage, method: str, path: str, **options: Any) -> threading.Thread:
    """Send a request whose answer never comes."""

    def send() -> None:
        with storage.client() as client, pytest.raises(httpx.TransportError):
            client.request(method, path, **options)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def wait_for_the_sweep(storage: KillableStorage, wanted: int) -> None:
    until(lambda: len(storage.blobs()) == wanted, f"{wanted} files")


def test_a_crash_between_file_and_row(storage: KillableStorage) -> None:
    """Neither an orphan that is served, nor a row without a file: for every way to write an object."""
    with storage.client() as client:
        client.post("/object/b/old", content=b"old")
        path = tus.create(client, "b", "resumable", 10).headers["location"].removeprefix(storage.url)
        assert tus.patch(client, path, 0, b"01234").status_code == 204
    last = {"tus-resumable": "1.0.0", "upload-offset": "5", "content-type": tus.PATCH}
    copy = {"bucketId": "b", "sourceKey": "old", "destinationKey": "copy"}
    with storage.writes_held():
        threads = [
            send_and_be_cut_off(storage, "POST", "/object/b/new", content=b"x" * 100_000),
            send_and_be_cut_off(storage, "PATCH", path, content=b"56789", headers=last),
        ]
        storage.wait_until_writes_are_held(2)
        # One after the other: both take the lock of the name.
        threads.append(send_and_be_cut_off(storage, "PUT", "/object/b/old", content=b"new"))
        storage.wait_until_writes_are_held(3)
        files = len(storage.blobs())
        storage.kill()
        for thread in threads:
            thread.join()
    assert files == 4
    storage.start()
    with storage.client() as client:
        assert client.get("/object/b/old").content == b"old"
        for name in ("new", "resumable"):
            assert client.get(f"/object/b/{name}").json()["code"] == "NoSuchKey"
        listed = client.post("/object/list/b", json={"prefix": ""}).json()
        assert [entry["name"] for entry in listed] == ["old"]
        # A client that asks must not be told that its upload is complete while there is no object.
        assert tus.head(client, path).headers["upload-offset"] == "5"
        wait_for_the_sweep(storage, 1)
        assert storage.files("incoming") == []

        assert client.get("/object/b/old").content == b"old"
        assert client.put("/object/b/old", content=b"new").is_success
        assert client.get("/object/b/old").content == b"new"
        assert client.post("/object/b/new", content=b"again").is_success
        assert client.get("/object/b/new").content == b"again"
        assert tus.patch(client, path, 5, b"56789").headers["tus-complete"] == "1"
        assert client.get("/object/b/resumable").content == b"0123456789"
        assert len(storage.blobs()) == 3
        assert storage.files("resumable") == []

        with storage.writes_held():
            thread = send_and_be_cut_off(storage, "POST", "/object/copy", json=copy)
            storage.wait_until_writes_are_held(1)
            assert len(storage.blobs()) == 4
            storage.kill()
            thread.join()
    storage.start()
    wait_for_the_sweep(storage, 3)
    with storage.client() as client:
        assert client.get("/object/b/old").content == b"new"
        assert client.get("/object/b/copy").json()["code"] == "NoSuchKey"


def test_a_crash_in_the_middle_of_the_bytes(storage: KillableStorage) -> None:
    content = bytes(range(256)) * 10_000
    with storage.client() as client:
        created = tus.create(client, "b", "a", len(content), contentType="text/css")
        path = created.headers["location"].removeprefix(storage.url)
        assert tus.patch(client, path, 0, content[:1_000_000]).status_code == 204
    dead = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"?" * 1_500_000
        dead.wait(30)
        yield b"?"

    headers = {"tus-resumable": "1.0.0", "upload-offset": "1000000", "content-type": tus.PATCH}
    threads = [
        send_and_be_cut_off(storage, "PATCH", path, content=body(), headers=headers),
        send_and_be_cut_off(storage, "POST", "/object/b/plain", content=body()),
    ]
    file = storage.root / "resumable" / tus.upload_id(path)
    until(lambda: storage.files("incoming") and file.stat().st_size > 1_000_000, "bytes of both")
    storage.kill()
    dead.set()
    for thread in threads:
        thread.join()
    storage.start()
    assert storage.files("incoming") == []
    with storage.client() as client:
        assert client.get("/object/b/plain").json()["code"] == "NoSuchKey"
        # What was never acknowledged is asked for again.
        assert tus.head(client, path).headers["upload-offset"] == "1000000"
        assert tus.patch(client, path, 1_000_000, content[1_000_000:]).headers["tus-complete"] == "1"
        assert client.get("/object/b/a").content == content


def test_what_a_crash_left_is_put_right_at_start(storage: KillableStorage) -> None:
    with storage.client() as client:
        client.post("/object/b/kept", content=b"1")
        client.post("/bucket", json={"name": "emptied"})
        client.post("/object/emptied/a", content=b"1")
        short = tus.create(client, "b", "short", 10).headers["location"].removeprefix(storage.url)
        lost = tus.create(client, "b", "lost", 10).headers["location"].removeprefix(storage.url)
        for path in (short, lost):
            assert tus.patch(client, path, 0, b"01234567").status_code == 204
    storage.kill()
    # A loss of power took bytes that were acknowledged, and the queue had not been worked off.
    with (storage.root / "resumable" / tus.upload_id(short)).open("r+b") as file:
        file.truncate(3)
    (storage.root / "resumable" / tus.upload_id(lost)).unlink()
    storage.execute("insert into _storage_local.emptied_buckets (bucket_id) values ('emptied')")
    (storage.root / "objects" / "not-ours").mkdir()
    (storage.root / "objects" / "not-ours" / "a file").write_bytes(b"?")
    orphan = f"{'0' * 64}.{uuid.uuid4()}"
    (storage.root / "objects" / "00").mkdir(exist_ok=True)
    (storage.root / "objects" / "00" / orphan).write_bytes(b"?")
    storage.start()
    with storage.client() as client:
        assert tus.head(client, short).headers["upload-offset"] == "3"
        assert tus.patch(client, short, 3, b"3456789").headers["tus-complete"] == "1"
        assert client.get("/object/b/short").content == b"0123456789"
        assert tus.head(client, lost).status_code == 404
        queue = "select 1 from _storage_local.emptied_buckets"
        until(lambda: not storage.execute(queue), "an empty bucket")
        names = storage.execute("select name from storage.objects order by name")
        assert names == [("kept",), ("short",)]
        wait_for_the_sweep(storage, 3)
        assert orphan not in storage.blobs()
        assert "a file" in storage.blobs()
        assert client.get("/object/b/kept").content == b"1"


def test_a_database_connection_that_dies_leaves_nothing_half_done(storage: KillableStorage) -> None:
    with storage.writes_held(), storage.client() as client:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(client.post("/object/b/a", content=b"x")))
        thread.start()
        storage.wait_until_writes_are_held(1)
        storage.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'headway storage' and datname = current_database()"
        )
        thread.join()
    assert answers[0].status_code == 500
    assert answers[0].json()["code"] == "DatabaseError"
    with storage.client() as client:
        assert client.get("/object/b/a").json()["code"] == "NoSuchKey"
        assert client.post("/object/b/a", content=b"y").is_success
        assert client.get("/object/b/a").content == b"y"
