"""The v1 and v2 lists: folders, order, pages and cursors."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg2.extensions
import pytest

from support.stack import TestStack

from .harness import StorageSite
from .test_http_shapes import refusal

NAMES = [
    "a.txt",
    "b_.txt",
    "bx.txt",
    "dir/1.txt",
    "dir/2.txt",
    "dir/sub/x.txt",
    "dir2/y.txt",
    "e.txt",
    "Z.txt",
]


@pytest.fixture(scope="module")
def bucket(storage_stack: TestStack, storage_admin: psycopg2.extensions.connection) -> Iterator[str]:
    """A bucket with ``NAMES``."""
    site = StorageSite(storage_stack, storage_admin)
    bucket = site.bucket()
    with site.service() as client:
        for name in NAMES:
            assert client.post(f"/object/{bucket}/{name}", content=b"1").is_success
    yield bucket
    site.clean()


def v2_pages(client: httpx.Client, bucket: str, **body: Any) -> tuple[list[str], list[str]]:
    """All objects and folders, page by page."""
    objects: list[str] = []
    folders: list[str] = []
    cursor: str | None = None
    for _ in range(50):
        page = client.post(
            f"/object/list-v2/{bucket}", json={**body, **({"cursor": cursor} if cursor else {})}
        ).json()
        assert len(page["objects"]) + len(page["folders"]) <= body.get("limit", 1000)
        objects += [entry["name"] for entry in page["objects"]]
        folders += [entry["name"] for entry in page["folders"]]
        assert all(entry["id"] is None for entry in page["folders"])
        if not page["hasNext"]:
            assert "nextCursor" not in page
            return objects, folders
        cursor = page["nextCursor"]
    raise AssertionError("the pages never end")


def test_v1_shows_one_level_with_folders_that_have_no_id(service: httpx.Client, bucket: str) -> None:
    entries = service.post(f"/object/list/{bucket}", json={"prefix": ""}).json()
    assert {entry["name"] for entry in entries} == {
        *(name for name in NAMES if "/" not in name),
        "dir",
        "dir2",
    }
    for entry in entries:
        assert set(entry) == {"name", "id", "updated_at", "created_at", "last_accessed_at", "metadata"}
        assert (entry["id"] is None) == (entry["name"] in ("dir", "dir2"))
        assert (entry["metadata"] is None) == (entry["id"] is None)


def test_v1_prefix_search_pages_and_order(service: httpx.Client, bucket: str) -> None:
    def names(**body: Any) -> list[str]:
        answer = service.post(f"/object/list/{bucket}", json={"prefix": "", **body})
        return [entry["name"] for entry in answer.json()]

    assert names(prefix="dir") == names(prefix="dir/") == ["sub", "1.txt", "2.txt"]
    assert names(search="b_") == ["b_.txt"]
    assert names(search="dir") == ["dir", "dir2"]
    everything = names()
    assert names(limit=2) + names(limit=2, offset=2) + names(limit=9, offset=4) == everything
    by_time = names(sortBy={"column": "created_at", "order": "desc"})
    assert [name for name in by_time if name.endswith(".txt")] == [
        "Z.txt",
        "e.txt",
        "bx.txt",
        "b_.txt",
        "a.txt",
    ]
    assert names(prefix="nowhere") == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "body must have required property 'prefix'"),
        ({"prefix": "", "limit": 0}, "body/limit must be >= 1"),
        (
            {"prefix": "", "sortBy": {"column": "id"}},
            "body/sortBy/column must be equal to one of the allowed values",
        ),
        ({"prefix": "", "offset": 1e300}, "body/offset must be integer"),
    ],
)
def test_v1_refuses_what_it_cannot_sort_or_page_by(
    service: httpx.Client, bucket: str, body: dict[str, Any], message: str
) -> None:
    assert refusal(service.post(f"/object/list/{bucket}", json=body))[3] == message


@pytest.mark.parametrize("limit", [1, 3, 1000])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_v2_by_name_in_pages_of_any_size(service: httpx.Client, bucket: str, limit: int, order: str) -> None:
    backwards = order == "desc"
    sort = {"column": "name", "order": order}
    objects, folders = v2_pages(service, bucket, limit=limit, sortBy=sort)
    assert (objects, folders) == (sorted(NAMES, reverse=backwards), [])
    objects, folders = v2_pages(service, bucket, limit=limit, with_delimiter=True, sortBy=sort)
    assert objects == sorted((n for n in NAMES if "/" not in n), reverse=backwards)
    assert folders == sorted(["dir/", "dir2/"], reverse=backwards)


def test_v2_by_time(site: StorageSite, service: httpx.Client, bucket: str) -> None:
    # Two at the same moment, and moments that differ by less than the cursor's milliseconds.
    site.execute("alter table storage.objects disable trigger user")
    try:
        for index, name in enumerate(NAMES):
            site.execute(
                "update storage.objects set created_at = moment, updated_at = moment"
                " from (select timestamptz '2026-01-01' + %s * interval '0.4 ms' as moment) as of"
                " where bucket_id = %s and name = %s",
                index // 2,
                bucket,
                name,
            )
    finally:
        site.execute("alter table storage.objects enable trigger user")
    for column in ("created_at", "updated_at"):
        for order in ("asc", "desc"):
            for limit in (1, 4):
                sort = {"column": column, "order": order}
                objects, _ = v2_pages(service, bucket, limit=limit, sortBy=sort)
                assert sorted(objects) == sorted(NAMES), (sort, limit)
                objects, folders = v2_pages(service, bucket, limit=limit, with_delimiter=True, sortBy=sort)
                assert sorted(objects) == sorted(n for n in NAMES if "/" not in n), (sort, limit)
                assert sorted(folders) == ["dir/", "dir2/"], (sort, limit)


def test_v2_below_a_prefix(service: httpx.Client, bucket: str) -> None:
    assert v2_pages(service, bucket, prefix="dir/") == (["dir/1.txt", "dir/2.txt", "dir/sub/x.txt"], [])
    assert v2_pages(service, bucket, prefix="dir/", with_delimiter=True) == (
        ["dir/1.txt", "dir/2.txt"],
        ["dir/sub/"],
    )
    assert v2_pages(service, bucket, prefix="b_") == (["b_.txt"], [])
    assert v2_pages(service, bucket, prefix="nowhere/") == ([], [])


@pytest.mark.parametrize(
    "cursor",
    [
        "???",
        "",
        base64.b64encode(b"x:1").decode(),
        base64.b64encode(b"l:a\nc:id").decode(),
        base64.b64encode(b"l:a\no:asc; drop table").decode(),
        base64.b64encode(b"l:a\na:now").decode(),
    ],
)
def test_v2_refuses_a_made_up_cursor(service: httpx.Client, bucket: str, cursor: str) -> None:
    answer = service.post(f"/object/list-v2/{bucket}", json={"cursor": cursor})
    if cursor:
        assert refusal(answer)[3] == "Invalid Parameter continuation token"
    else:
        assert len(answer.json()["objects"]) == len(NAMES)


def test_lists_show_what_the_policies_show(site: StorageSite, alice: httpx.Client, bucket: str) -> None:
    site.allow(bucket, "select", "name like 'dir/%'")
    entries = alice.post(f"/object/list/{bucket}", json={"prefix": ""}).json()
    assert [entry["name"] for entry in entries] == ["dir"]
    assert v2_pages(alice, bucket)[0] == ["dir/1.txt", "dir/2.txt", "dir/sub/x.txt"]
    with site.client(None) as nobody:
        assert nobody.post(f"/object/list/{bucket}", json={"prefix": ""}).status_code == 400
