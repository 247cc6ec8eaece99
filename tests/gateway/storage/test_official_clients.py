"""Every feature through supabase-py, by its asynchronous and its synchronous client alike."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from storage3.exceptions import StorageApiError
from supabase import AsyncClientOptions, ClientOptions, acreate_client, create_client

from .harness import ALICE, StorageSite, until


class Official:
    """A Supabase client whose methods can be awaited whichever kind it is."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def bucket(self, method: str, *args: Any) -> Any:
        return await self._settled(getattr(self.client.storage, method)(*args))

    async def files(self, bucket: str, method: str, *args: Any) -> Any:
        return await self._settled(getattr(self.client.storage.from_(bucket), method)(*args))

    @staticmethod
    async def _settled(result: Any) -> Any:
        return await result if inspect.isawaitable(result) else result


@pytest.fixture(params=["async", "sync"])
async def official(request: pytest.FixtureRequest, site: StorageSite) -> AsyncIterator[Official]:
    """supabase-py with the secret key."""
    keys = site.stack.keys
    if request.param == "async":
        async with httpx.AsyncClient() as session:
            options = AsyncClientOptions(httpx_client=session)
            yield Official(await acreate_client(site.stack.url, keys.secret_key, options))
    else:
        with httpx.Client() as session:
            yield Official(
                create_client(site.stack.url, keys.secret_key, ClientOptions(httpx_client=session))
            )


async def test_the_life_of_a_bucket(official: Official, site: StorageSite) -> None:
    name = site.bucket()
    another = f"{name}-2"
    await official.bucket(
        "create_bucket",
        another,
        None,
        {"public": True, "file_size_limit": 1000, "allowed_mime_types": ["image/png"]},
    )
    shown = await official.bucket("get_bucket", another)
    assert (shown.id, shown.name, shown.public) == (another, another, True)
    assert (shown.file_size_limit, shown.allowed_mime_types) == (1000, ["image/png"])
    assert shown.owner == ""
    assert {name, another} <= {bucket.id for bucket in await official.bucket("list_buckets")}
    answer = await official.bucket("update_bucket", another, {"public": False})
    assert answer == {"message": "Successfully updated"}
    assert (await official.bucket("get_bucket", another)).public is False
    assert await official.bucket("delete_bucket", another) == {"message": "Successfully deleted"}
    with pytest.raises(StorageApiError) as refused:
        await official.bucket("get_bucket", another)
    assert (refused.value.status, refused.value.code) == ("404", "Bucket not found")


async def test_a_bucket_that_is_not_empty_stays(official: Official, site: StorageSite) -> None:
    bucket = site.bucket()
    await official.files(bucket, "upload", "a.txt", b"a")
    with pytest.raises(StorageApiError) as refused:
        await official.bucket("delete_bucket", bucket)
    assert refused.value.status == "409"
    assert refused.value.message == "The bucket you tried to delete is not empty"


async def test_upload_download_and_replace(official: Official, site: StorageSite) -> None:
    bucket = site.bucket()
    stored = await official.files(
        bucket,
        "upload",
        "dir/a.txt",
        b"first",
        {"content-type": "text/plain", "cache-control": "60", "metadata": {"source": "test"}},
    )
    assert (stored.path, stored.full_path) == ("dir/a.txt", f"{bucket}/dir/a.txt")
    assert await official.files(bucket, "download", "dir/a.txt") == b"first"
    info = await official.files(bucket, "info", "dir/a.txt")
    assert info["size"] == 5
    assert info["content_type"] == "text/plain"
    assert info["cache_control"] == "max-age=60"
    assert info["metadata"] == {"source": "test"}

    with pytest.raises(StorageApiError) as refused:
        await official.files(bucket, "upload", "dir/a.txt", b"second")
    assert (refused.value.code, refused.value.status) == ("Duplicate", "409")
    await official.files(bucket, "upload", "dir/a.txt", b"second", {"upsert": "true"})
    assert await official.files(bucket, "download", "dir/a.txt") == b"second"
    await official.files(bucket, "update", "dir/a.txt", b"third")
    assert await official.files(bucket, "download", "dir/a.txt") == b"third"


async def test_upload_from_a_path(official: Official, site: StorageSite, tmp_path: Path) -> None:
    bucket = site.bucket()
    path = tmp_path / "large.bin"
    path.write_bytes(content := bytes(range(256)) * 12_000)
    await official.files(bucket, "upload", "large.bin", path)
    assert await official.files(bucket, "download", "large.bin") == content


async def test_exists_info_and_missing_objects(official: Official, site: StorageSite) -> None:
    bucket = site.bucket()
    await official.files(bucket, "upload", "here.txt", b"1")
    assert await official.files(bucket, "exists", "here.txt") is True
    assert await official.files(bucket, "exists", "there.txt") is False
    for method in ("info", "download"):
        with pytest.raises(StorageApiError) as refused:
            await official.files(bucket, method, "there.txt")
        assert (refused.value.code, refused.value.status) == ("not_found", "404")
        assert refused.value.message == "Object not found"


async def test_move_copy_and_remove(official: Official, site: StorageSite) -> None:
    bucket = site.bucket()
    await official.files(bucket, "upload", "a.txt", b"content")
    moved = await official.files(bucket, "move", "a.txt", "b/c.txt")
    assert moved["message"] == "Successfully moved"
    copied = await official.files(bucket, "copy", "b/c.txt", "d.txt")
    assert copied["Key"] == f"{bucket}/d.txt"
    assert await official.files(bucket, "exists", "a.txt") is False
    assert await official.files(bucket, "download", "b/c.txt") == b"content"
    assert await official.files(bucket, "download", "d.txt") == b"content"
    removed = await official.files(bucket, "remove", ["b/c.txt", "d.txt", "never-was.txt"])
    assert {row["name"] for row in removed} == {"b/c.txt", "d.txt"}
    assert site.rows(bucket) == {}


async def test_list(official: Official, site: StorageSite) -> None:
    bucket = site.bucket()
    for name in ("b.txt", "a.txt", "dir/c.txt", "dir/sub/d.txt"):
        await official.files(bucket, "upload", name, b"1")
    top = await official.files(bucket, "list")
    assert {(entry["name"], entry["id"] is None) for entry in top} == {
        ("dir", True),
        ("a.txt", False),
        ("b.txt", False),
    }
    inside = await official.files(bucket, "list", "dir")
    assert {entry["name"] for entry in inside} == {"c.txt", "sub"}
    backwards = await official.files(
        bucket, "list", "", {"sortBy": {"column": "name", "order": "desc"}, "search": "b"}
    )
    assert [entry["name"] for entry in backwards] == ["b.txt"]


async def test_list_v2(official: Official, site: StorageSite) -> None:
    bucket = site.bucket()
    for name in ("a.txt", "b.txt", "c.txt", "dir/d.txt", "dir/e.txt"):
        await official.files(bucket, "upload", name, b"1")
    first = await official.files(bucket, "list_v2", {"limit": 3, "with_delimiter": True})
    assert (first.hasNext, [entry.name for entry in first.objects]) == (True, ["a.txt", "b.txt", "c.txt"])
    rest = await official.files(
        bucket, "list_v2", {"limit": 3, "with_delimiter": True, "cursor": first.nextCursor}
    )
    assert (rest.hasNext, [entry.name for entry in rest.folders]) == (False, ["dir/"])
    flat = await official.files(bucket, "list_v2", {"prefix": "dir/"})
    assert [entry.name for entry in flat.objects] == ["dir/d.txt", "dir/e.txt"]


async def test_signed_and_public_urls(official: Official, site: StorageSite) -> None:
    bucket, public = site.bucket(), site.bucket(public=True)
    for name in (bucket, public):
        await official.files(name, "upload", "dir/a b.txt", b"content", {"content-type": "text/plain"})
    signed = await official.files(bucket, "create_signed_url", "dir/a b.txt", 60, {"download": "x.txt"})
    many = await official.files(bucket, "create_signed_urls", ["dir/a b.txt", "none"], 60)
    address = await official.files(public, "get_public_url", "dir/a b.txt")
    async with httpx.AsyncClient() as anyone:
        answer = await anyone.get(signed["signedURL"])
        assert (answer.status_code, answer.content) == (200, b"content")
        assert answer.headers["content-disposition"].startswith("attachment; filename=x.txt")
        assert (await anyone.get(many[0]["signedURL"])).content == b"content"
        assert (await anyone.get(address)).content == b"content"
    assert many[1]["error"] == "Either the object does not exist or you do not have access to it"
    assert many[1]["signedURL"] is None


async def test_signed_uploads(official: Official, site: StorageSite) -> None:
    bucket = site.bucket()
    signed = await official.files(bucket, "create_signed_upload_url", "dir/new.txt")
    stored = await official.files(
        bucket,
        "upload_to_signed_url",
        signed["path"],
        signed["token"],
        b"by token",
        {"content-type": "text/css"},
    )
    assert stored.full_path == f"{bucket}/dir/new.txt"
    assert await official.files(bucket, "download", "dir/new.txt") == b"by token"
    assert (await official.files(bucket, "info", "dir/new.txt"))["content_type"] == "text/css"
    with pytest.raises(StorageApiError) as refused:
        await official.files(bucket, "upload_to_signed_url", signed["path"], signed["token"], b"again")
    assert refused.value.code == "Duplicate"


async def test_emptying_a_bucket(official: Official, site: StorageSite) -> None:
    bucket = site.bucket()
    for index in range(3):
        await official.files(bucket, "upload", f"{index}.txt", b"1")
    answer = await official.bucket("empty_bucket", bucket)
    assert answer == {"message": "Empty bucket has been queued. Completion may take up to an hour."}
    # Asynchronous, as there: the queue's row goes with the last object's.
    queue = "select 1 from _storage_local.emptied_buckets where bucket_id = %s"
    until(lambda: not site.execute(queue, bucket), "an empty bucket")
    assert site.rows(bucket) == {}
    assert await official.bucket("delete_bucket", bucket) == {"message": "Successfully deleted"}


async def test_a_signed_in_user_owns_what_they_upload(site: StorageSite) -> None:
    bucket = site.bucket()
    site.allow_own_folder(bucket)
    async with httpx.AsyncClient() as session:
        client = await acreate_client(
            site.stack.url,
            site.stack.keys.publishable_key,
            AsyncClientOptions(
                httpx_client=session, headers={"Authorization": f"Bearer {site.token(ALICE)}"}
            ),
        )
        files = client.storage.from_(bucket)
        await files.upload(f"{ALICE}/a.txt", b"mine")
        assert await files.download(f"{ALICE}/a.txt") == b"mine"
        with pytest.raises(StorageApiError) as refused:
            await files.upload("elsewhere/a.txt", b"not mine")
    assert refused.value.message == "new row violates row-level security policy"
    assert (refused.value.code, refused.value.status) == ("Unauthorized", "403")
    ((owner, owner_id),) = site.execute(
        "select owner::text, owner_id from storage.objects where bucket_id = %s", bucket
    )
    assert (owner, owner_id) == (ALICE, ALICE)


async def test_an_image_transformation_is_refused_as_where_the_feature_is_off(
    official: Official, site: StorageSite
) -> None:
    bucket = site.bucket()
    await official.files(bucket, "upload", "a.png", b"no image")
    with pytest.raises(StorageApiError) as refused:
        await official.files(bucket, "download", "a.png", {"transform": {"width": 10}})
    assert (refused.value.code, refused.value.status) == ("FeatureNotEnabled", "403")
