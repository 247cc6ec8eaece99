"""Answers and errors as the real service words them, by plain HTTP."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import httpx
import pytest

from headway.errors import ConfigError
from headway.local.config import ProjectConfig
from headway.local.storage.callers import Callers
from headway.local.storage.catalog import Catalog
from headway.local.storage.configured import create_configured_buckets
from support.stack import TestStack

from .harness import ALICE, StorageSite


def refusal(answer: httpx.Response) -> tuple[int, str, str, str]:
    """HTTP status, real status, error and message of an error."""
    body = answer.json()
    assert set(body) == {"statusCode", "error", "message", "code"}
    return answer.status_code, body["statusCode"], body["error"], body["message"]


def test_nearly_every_error_is_http_400_with_the_real_status_inside(
    site: StorageSite, service: httpx.Client
) -> None:
    bucket = site.bucket()
    missing = service.get(f"/object/{bucket}/none.txt")
    assert missing.status_code == 400
    assert missing.json() == {
        "statusCode": "404",
        "error": "not_found",
        "message": "Object not found",
        "code": "NoSuchKey",
    }
    assert refusal(service.get("/bucket/none")) == (400, "404", "Bucket not found", "Bucket not found")
    again = service.post("/bucket", json={"name": bucket})
    assert again.json()["code"] == "BucketAlreadyExists"
    assert refusal(again) == (400, "409", "Duplicate", "The resource already exists")
    assert refusal(service.post("/bucket", json={"name": "a/b"})) == (
        400,
        "400",
        "Invalid Input",
        "Bucket name invalid",
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "body must have required property 'name'"),
        ({"name": "x", "public": "perhaps"}, "body/public must be boolean"),
        ({"name": "x", "allowed_mime_types": [{}]}, "body/allowed_mime_types/0 must be string"),
        ([], "body must be object"),
    ],
)
def test_a_body_of_the_wrong_shape_names_the_field(service: httpx.Client, body: Any, message: str) -> None:
    answer = service.post("/bucket", json=body)
    assert refusal(answer) == (400, "400", "Error", message)
    assert answer.json()["code"] == "InvalidRequest"


def test_bodies_that_are_no_json(service: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    broken = service.post("/bucket", content=b"{", headers=headers)
    assert "not valid JSON" in broken.json()["message"]
    assert "cannot be empty" in service.post("/bucket", headers=headers).json()["message"]
    assert (
        service.post("/bucket", content=b"x", headers={"content-type": "text/plain"}).json()["message"]
        == "body must be object"
    )
    large = service.post("/bucket", content=b" " * (2 * 1024 * 1024), headers=headers)
    assert (large.status_code, large.json()["statusCode"]) == (413, "413")


def test_a_route_that_is_not_there_is_a_real_404(service: httpx.Client) -> None:
    answer = service.get("/nowhere?x=1")
    assert refusal(answer) == (404, "404", "Not Found", "Route GET:/nowhere?x=1 not found")


def test_bucket_settings(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket(file_size_limit="2MB", allowed_mime_types=["image/*", ""])
    shown = service.get(f"/bucket/{bucket}").json()
    assert set(shown) == {
        "id",
        "name",
        "owner",
        "public",
        "created_at",
        "updated_at",
        "file_size_limit",
        "allowed_mime_types",
    }
    assert (shown["file_size_limit"], shown["allowed_mime_types"]) == (2_000_000, ["image/*"])
    assert shown["created_at"].endswith("Z")
    assert service.put(f"/bucket/{bucket}", json={"file_size_limit": None}).json() == {
        "message": "Successfully updated"
    }
    assert service.get(f"/bucket/{bucket}").json()["file_size_limit"] is None
    assert refusal(service.put(f"/bucket/{bucket}", json={}))[0] == 400
    assert refusal(service.put("/bucket/none", json={"public": True}))[1] == "404"
    too_much = service.put(f"/bucket/{bucket}", json={"file_size_limit": "1GB"})
    assert refusal(too_much) == (
        400,
        "413",
        "Payload too large",
        "The object exceeded the maximum allowed size",
    )
    nonsense = service.put(f"/bucket/{bucket}", json={"allowed_mime_types": ["no type"]})
    assert refusal(nonsense)[1:3] == ("415", "invalid_mime_type")


def test_listing_buckets_pages_sorts_and_searches(site: StorageSite, service: httpx.Client) -> None:
    mark = uuid.uuid4().hex[:8]
    for name in ("b", "a", "c"):
        service.post("/bucket", json={"name": f"{mark}_{name}"})
        site.buckets.append(f"{mark}_{name}")
    query = {"search": f"{mark}_", "sortColumn": "name", "sortOrder": "desc"}
    names = [entry["name"] for entry in service.get("/bucket", params=query).json()]
    assert names == [f"{mark}_c", f"{mark}_b", f"{mark}_a"]
    page = service.get("/bucket", params={**query, "limit": 1, "offset": 1}).json()
    assert [entry["name"] for entry in page] == [f"{mark}_b"]
    assert service.get("/bucket", params={"search": "%"}).json() == []
    assert (
        service.get("/bucket", params={"limit": "x"}).json()["message"] == "querystring/limit must be integer"
    )
    old = service.get("/bucket", params=query, headers={"x-client-info": "supabase-py/2.17.9"}).json()
    assert "type" not in old[0]


def test_the_buckets_of_config_toml_are_there(service: httpx.Client) -> None:
    shown = service.get("/bucket/configured").json()
    assert (shown["public"], shown["file_size_limit"]) == (True, 2 * 1024 * 1024)
    assert shown["allowed_mime_types"] == ["image/*", "text/plain"]
    assert service.get("/bucket/plain").json()["public"] is False


@pytest.mark.parametrize(
    ("bucket", "fault"),
    [
        ({"a/b": {}}, "Bucket name invalid"),
        ({"a": {"file_size_limit": "100MiB"}}, "larger than storage.file_size_limit"),
        ({"a": {"allowed_mime_types": ["png"]}}, "mime type png is not supported"),
    ],
)
async def test_impossible_buckets_in_config_toml_are_named(
    storage_stack: TestStack, bucket: dict[str, Any], fault: str
) -> None:
    config = ProjectConfig.model_validate({"storage": {"buckets": bucket}})
    context = storage_stack.context
    catalog = Catalog(context.database)
    await catalog.start()
    try:
        with pytest.raises(ConfigError, match=fault) as refused:
            await create_configured_buckets(catalog, Callers(context.verifier, context.keys), config.storage)
    finally:
        await catalog.stop()
    assert "storage.buckets.a" in refused.value.message


def test_raw_upload_takes_everything_from_headers(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    answer = service.post(
        f"/object/{bucket}/raw.bin",
        content=b"12345",
        headers={
            "content-type": "application/x-thing",
            "cache-control": "max-age=9",
            "x-metadata": base64.b64encode(json.dumps({"k": [1, None]}).encode()).decode(),
            "x-robots-tag": "noindex, max-snippet: 5",
        },
    )
    assert answer.status_code == 200
    assert set(answer.json()) == {"Id", "Key"}
    assert answer.json()["Key"] == f"{bucket}/raw.bin"
    got = service.get(f"/object/{bucket}/raw.bin")
    assert got.headers["content-type"] == "application/x-thing"
    assert got.headers["cache-control"] == "max-age=9"
    assert got.headers["x-robots-tag"] == "noindex, max-snippet: 5"
    info = service.get(f"/object/info/{bucket}/raw.bin").json()
    assert set(info) == {
        "id",
        "name",
        "version",
        "bucket_id",
        "size",
        "content_type",
        "cache_control",
        "etag",
        "metadata",
        "last_modified",
        "created_at",
    }
    assert info["metadata"] == {"k": [1, None]}
    ((metadata,),) = site.execute("select metadata from storage.objects where bucket_id = %s", bucket)
    assert set(metadata) == {
        "eTag",
        "size",
        "mimetype",
        "cacheControl",
        "lastModified",
        "contentLength",
        "httpStatusCode",
        "xRobotsTag",
    }


def test_what_is_not_said_has_the_real_services_defaults(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    info = service.get(f"/object/info/{bucket}/a").json()
    assert (info["content_type"], info["cache_control"]) == ("application/octet-stream", "no-cache")
    assert info["metadata"] == {}
    assert info["etag"] == '"c4ca4238a0b923820dcc509a6f75849b"'


def test_user_metadata_that_cannot_be_read_is_passed_over(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    for name, header in (("a", "%%%"), ("b", base64.b64encode(b"{").decode())):
        assert service.post(
            f"/object/{bucket}/{name}", content=b"1", headers={"x-metadata": header}
        ).is_success
        assert service.get(f"/object/info/{bucket}/{name}").json()["metadata"] == {}


def test_copy_answers_the_whole_row_and_can_change_what_is_said_of_it(
    site: StorageSite, service: httpx.Client
) -> None:
    bucket, other = site.bucket(), site.bucket()
    service.post(f"/object/{bucket}/a.txt", content=b"abc", headers={"content-type": "text/plain"})
    body = {"bucketId": bucket, "sourceKey": "a.txt", "destinationBucket": other, "destinationKey": "b.txt"}
    copied = service.post("/object/copy", json=body).json()
    assert copied["Key"] == f"{other}/b.txt"
    assert (copied["bucket_id"], copied["name"], copied["owner"]) == (other, "b.txt", "")
    assert copied["id"] == copied["Id"]
    assert refusal(service.post("/object/copy", json=body))[1] == "409"
    changed = service.post(
        "/object/copy",
        json={**body, "copyMetadata": False, "metadata": {"mimetype": "text/css"}},
        headers={"x-upsert": "true", "x-metadata": base64.b64encode(b'{"new":1}').decode()},
    ).json()
    assert changed["metadata"]["mimetype"] == "text/css"
    assert changed["metadata"]["cacheControl"] == "no-cache"
    assert changed["user_metadata"] == {"new": 1}
    assert service.get(f"/object/{other}/b.txt").content == b"abc"
    assert refusal(service.post("/object/copy", json={**body, "sourceKey": "none"}))[1] == "404"


def test_move_across_buckets(site: StorageSite, service: httpx.Client) -> None:
    bucket, other = site.bucket(), site.bucket()
    service.post(f"/object/{bucket}/a.txt", content=b"abc")
    body = {"bucketId": bucket, "sourceKey": "a.txt", "destinationBucket": other, "destinationKey": "x/b.txt"}
    answer = service.post("/object/move", json=body).json()
    assert (answer["message"], answer["Key"]) == ("Successfully moved", "x/b.txt")
    assert service.get(f"/object/{other}/x/b.txt").content == b"abc"
    assert refusal(service.get(f"/object/{bucket}/a.txt"))[1] == "404"
    assert refusal(service.post("/object/move", json=body))[1] == "404"
    service.post(f"/object/{bucket}/a.txt", content=b"new")
    assert refusal(service.post("/object/move", json=body))[1:3] == ("409", "Duplicate")
    onto_itself = {"bucketId": other, "sourceKey": "x/b.txt", "destinationKey": "x/b.txt"}
    assert service.post("/object/move", json=onto_itself).is_success
    assert service.get(f"/object/{other}/x/b.txt").content == b"abc"


def test_deleting(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    before = site.stored_files()
    assert service.delete(f"/object/{bucket}/a").json() == {"message": "Successfully deleted"}
    assert len(before - site.stored_files()) == 1
    assert refusal(service.delete(f"/object/{bucket}/a"))[1] == "404"
    many = service.request("DELETE", f"/object/{bucket}", json={"prefixes": ["a"] * 1001})
    assert refusal(many)[3] == "Bulk object requests are limited to 1000 objects per request."
    none = service.request("DELETE", f"/object/{bucket}", json={"prefixes": []})
    assert refusal(none)[3] == "body/prefixes must NOT have fewer than 1 items"
    assert service.request("DELETE", f"/object/{bucket}", json={"prefixes": ["a\0b"]}).json() == []


def test_rows_cannot_be_deleted_by_sql(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    with pytest.raises(Exception, match="Direct deletion from storage tables is not allowed"):
        site.execute("delete from storage.objects where bucket_id = %s", bucket)
    assert service.delete(f"/object/{bucket}/a").is_success


def test_a_row_without_bytes_is_not_found_and_not_cached(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    for name, version in (("a", str(uuid.uuid4())), ("b", "../../../etc/passwd"), ("c", None)):
        site.execute(
            "insert into storage.objects (bucket_id, name, version) values (%s, %s, %s)",
            bucket,
            name,
            version,
        )
        answer = service.get(f"/object/{bucket}/{name}")
        assert refusal(answer) == (400, "404", "Not found", "The resource was not found")
        assert answer.headers["cache-control"] == "no-store"
    assert (
        refusal(
            service.post("/object/copy", json={"bucketId": bucket, "sourceKey": "b", "destinationKey": "d"})
        )[1]
        == "404"
    )


def test_an_object_renamed_by_sql_loses_its_bytes_as_on_hosted(
    site: StorageSite, service: httpx.Client
) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    site.execute("update storage.objects set name = 'b' where bucket_id = %s", bucket)
    assert refusal(service.get(f"/object/{bucket}/b"))[1] == "404"


def test_bytes_of_another_object_cannot_be_had_by_its_version(
    site: StorageSite, service: httpx.Client
) -> None:
    bucket, secret = site.bucket(), site.bucket()
    service.post(f"/object/{secret}/a", content=b"secret")
    version = site.rows(secret)["a"]
    site.execute(
        "insert into storage.objects (bucket_id, name, version) values (%s, 'a', %s)", bucket, version
    )
    assert refusal(service.get(f"/object/{bucket}/a"))[1] == "404"


def test_tokens(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    service.post(f"/object/{bucket}/a", content=b"1")
    path = f"/object/authenticated/{bucket}/a"
    with site.client(None) as nobody:
        answer = nobody.get(path)
    assert refusal(answer) == (
        400,
        "400",
        "Error",
        "headers must have required property 'authorization'",
    )
    for token, message in (
        ("garbage", "Invalid Compact JWS"),
        (site.token(ALICE, exp=1), '"exp" claim timestamp check failed'),
        (site.token(ALICE)[:-4] + "AAAA", "signature verification failed"),
        ("eyJhbGciOiJub25lIn0.e30.", '"alg" (Algorithm) Header Parameter value not allowed'),
    ):
        with site.client(token) as client:
            answer = client.get(path)
            assert refusal(answer) == (400, "403", "Unauthorized", message)
            assert answer.json()["code"] == "AccessDenied"
            # The route that serves public buckets too takes such a caller for nobody.
            assert refusal(client.get(f"/object/{bucket}/a"))[1] == "404"
    with site.client(site.token(ALICE, role="no_such_role")) as client:
        assert refusal(client.get(path))[3] == "database error, code: 22023"


def test_emptying_is_for_the_service_role_and_says_so_with_a_real_403(
    site: StorageSite, alice: httpx.Client, service: httpx.Client
) -> None:
    bucket = site.bucket()
    answer = alice.post(f"/bucket/{bucket}/empty")
    assert refusal(answer) == (403, "403", "Unauthorized", "Access denied: Invalid role")
    assert refusal(service.post("/bucket/none/empty"))[1] == "404"


def test_features_that_are_off(service: httpx.Client) -> None:
    for path in ("public/b/a.png", "authenticated/b/a.png", "sign/b/a.png?token=x"):
        answer = service.get(f"/render/image/{path}")
        assert refusal(answer) == (
            403,
            "403",
            "FeatureNotEnabled",
            "feature not enabled for this tenant",
        )
    assert service.delete("/cdn/b/a.png").status_code == 403
    assert service.get("/s3/b").status_code == 404


def test_health(site: StorageSite, service: httpx.Client) -> None:
    assert service.get("/health").json() == {"healthy": True}
    with site.client(None) as nobody:
        assert nobody.get("/status").status_code == 200


def test_status_counts(site: StorageSite, service: httpx.Client) -> None:
    bucket = site.bucket()
    before = site.stack.service("storage").status()["uploaded"]
    service.post(f"/object/{bucket}/a", content=b"1")
    status = site.stack.service("storage").status()
    assert status["uploaded"] == before + 1
    assert status["uploading"] == 0
