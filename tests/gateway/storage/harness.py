"""Callers, buckets and policies for the tests of Storage."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg2.extensions

from support.stack import TestStack

FILE_SIZE_LIMIT = 20 * 1024 * 1024
CONFIGURED_BUCKETS: dict[str, dict[str, Any]] = {
    "configured": {
        "public": True,
        "file_size_limit": "2MiB",
        "allowed_mime_types": ["image/*", "text/plain"],
    },
    "plain": {},
}

ALICE = "a11ce000-0000-4000-8000-000000000001"
MALLORY = "ba110000-0000-4000-8000-000000000002"


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a state that the server reaches by itself.

    Args:
        condition: Whether it is reached.
        what: What is waited for, for the failure.
    """
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.005)


@dataclass
class StorageSite:
    """A stack's Storage, with everything that one test makes in it."""

    stack: TestStack
    connection: psycopg2.extensions.connection
    """As the superuser, with autocommit."""
    policies: list[str] = field(default_factory=list)
    buckets: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.stack.url}/storage/v1"

    @property
    def root(self) -> Path:
        """Where the stack keeps the bytes."""
        return self.stack.context.data_dir / "storage"

    def token(self, user: str | None, *, role: str = "authenticated", **claims: Any) -> str:
        """A token as Auth would sign it on an older project."""
        now = int(time.time())
        payload = {"role": role, "iat": now, "exp": now + 3600, **({"sub": user} if user else {}), **claims}
        return jwt.encode(payload, self.stack.keys.jwt_secret, algorithm="HS256")

    def client(self, token: str | None) -> httpx.Client:
        """A plain HTTP client with a bearer token, or with none."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=False)

    def service(self) -> httpx.Client:
        return self.client(self.stack.keys.service_role_key)

    def bucket(self, *, public: bool = False, **settings: Any) -> str:
        """A new bucket, gone with its objects after the test."""
        name = f"b-{uuid.uuid4().hex[:12]}"
        with self.service() as client:
            answer = client.post("/bucket", json={"name": name, "public": public, **settings})
        assert answer.status_code == 200, answer.text
        self.buckets.append(name)
        return name

    def allow(self, bucket: str, verb: str, condition: str = "true", *, to: str = "authenticated") -> str:
        """A policy on the objects of one bucket."""
        name = f"test {uuid.uuid4().hex}"
        inner = f"bucket_id = '{bucket}' and ({condition})"
        clause = {
            "insert": f"with check ({inner})",
            "update": f"using ({inner}) with check ({inner})",
        }.get(verb, f"using ({inner})")
        self.execute(f'create policy "{name}" on storage.objects for {verb} to {to} {clause}')
        self.policies.append(name)
        return name

    def allow_own_folder(self, bucket: str) -> None:
        """Everyone does as they like below a folder of their own id, and sees nothing else."""
        for verb in ("select", "insert", "update", "delete"):
            self.allow(bucket, verb, "(storage.foldername(name))[1] = auth.uid()::text")

    def execute(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def rows(self, bucket: str) -> dict[str, str]:
        """The versions of a bucket's objects by name."""
        return dict(self.execute("select name, version from storage.objects where bucket_id = %s", bucket))

    def stored_files(self) -> set[str]:
        """The file names of all blobs."""
        return {path.name for path in (self.root / "objects").glob("*/*")}

    def clean(self) -> None:
        for name in self.policies:
            self.execute(f'drop policy "{name}" on storage.objects')
        self.execute(
            "begin; set local storage.allow_delete_query = 'true';"
            " delete from storage.objects where bucket_id = any(%s);"
            " delete from storage.buckets where id = any(%s); commit",
            self.buckets,
            self.buckets,
        )
