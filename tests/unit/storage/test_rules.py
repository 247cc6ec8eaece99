"""The pure rules of Storage: names, bodies, robots tags, conditions, routes and tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.storage.blob_names import BlobMissing, BlobName
from headway.local.storage.bodies import Choice, Flag, ListOf, Nullable, OneOf, Record, Text, Whole
from headway.local.storage.database_faults import fault_of, outcome_is_unknown
from headway.local.storage.faults import StorageFault, key_already_exists
from headway.local.storage.names import check_bucket_name, check_key, parse_size_setting
from headway.local.storage.preconditions import not_modified, requested_range
from headway.local.storage.replies import Reply, http_date, js_time
from headway.local.storage.requests import StorageRequest
from headway.local.storage.robots import check_robots_tag
from headway.local.storage.routing import Route, Router
from headway.local.storage.tokens import SignedUrls

NOON = datetime(2026, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC)


def accepted(check: Callable[[str], None], value: str, code: str) -> bool:
    """Whether a check lets a value pass; it may refuse it with this code only."""
    try:
        check(value)
    except StorageFault as fault:
        if fault.code != code:
            raise
        return False
    return True


@given(st.text())
def test_a_key_that_passes_is_plain_ascii_and_leads_nowhere(key: str) -> None:
    if accepted(check_key, key, "InvalidKey"):
        assert key.isascii()
        assert key.isprintable()
        assert not {"\\", "%", "\0"} & set(key)
        assert not {".", ".."} & set(key.split("/"))
        assert 0 < len(key) <= 1024


@given(st.text())
def test_a_bucket_name_that_passes_is_one_segment(name: str) -> None:
    if accepted(check_bucket_name, name, "InvalidBucketName"):
        assert "/" not in name
        assert 0 < len(name) <= 100


@given(st.text(), st.text(), st.uuids())
def test_a_blobs_name_is_made_of_nothing_that_a_caller_wrote(bucket: str, key: str, version: Any) -> None:
    name = BlobName(bucket, key, str(version)).file_name
    assert re.fullmatch(r"[0-9a-f]{64}\.[0-9a-f-]{36}", name)
    other = BlobName(bucket + "x", key, str(version)).file_name
    assert other.split(".")[0] != name.split(".")[0]


@given(st.text())
def test_a_version_that_is_no_uuid_names_no_blob(version: str) -> None:
    with pytest.raises(BlobMissing):
        _ = BlobName("b", "k", f"{version}/").file_name


def test_bucket_and_key_cannot_be_shifted_into_each_other() -> None:
    version = "0" * 32
    assert BlobName("ab", "c", version).file_name != BlobName("a", "bc", version).file_name


@pytest.mark.parametrize(
    ("text", "size"),
    [("20MB", 20_000_000), ("1.5gb", 1_500_000_000), ("3B", 3), ("2KB", 2000), ("0.5kb", 500)],
)
def test_sizes_of_the_api_are_decimal(text: str, size: int) -> None:
    assert parse_size_setting(text) == size


@pytest.mark.parametrize("text", ["", "20", "MB", "20 MB", "20MiB", "-1MB", "1e3B", "20MB\n"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(StorageFault, match="Invalid file size format"):
        parse_size_setting(text)


@pytest.mark.parametrize(
    ("rule", "value", "result"),
    [
        (Whole(), "12", 12),
        (Whole(), 12.0, 12),
        (Text(), 5, "5"),
        (Text(), None, ""),
        (Text(), True, "true"),
        (Flag(), "true", True),
        (Flag(), 0, False),
        (ListOf(Text()), "one", ["one"]),
        (Nullable(Whole()), None, None),
        (OneOf((Whole(), Text())), "x", "x"),
        (Choice(("asc",)), "asc", "asc"),
        (Record({"a": Whole()}), {"a": "1", "b": 2}, {"a": 1}),
    ],
)
def test_scalars_are_coerced_as_the_real_service_does(rule: Any, value: Any, result: Any) -> None:
    assert rule.check(value, "body") == result


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (Whole(), "1.5", "body must be integer"),
        (Whole(), True, "body must be integer"),
        (Whole(), 2**60, "body must be integer"),
        (Whole(), float("inf"), "body must be integer"),
        (Whole(minimum=1), 0, "body must be >= 1"),
        (Text(), {}, "body must be string"),
        (Text(re.compile("a+")), "b", 'body must match pattern "a+"'),
        (Flag(), "yes", "body must be boolean"),
        (ListOf(Text()), {}, "body must be array"),
        (ListOf(Text(), min_items=1), [], "body must NOT have fewer than 1 items"),
        (ListOf(Whole()), [1, "x"], "body/1 must be integer"),
        (Choice(("asc",)), "up", "body must be equal to one of the allowed values"),
        (Record({}, required=("a",)), {}, "body must have required property 'a'"),
        (Record({"a": Record({"b": Flag()})}), {"a": {"b": 7}}, "body/a/b must be boolean"),
        (OneOf((Whole(), Flag())), "x", "body must be integer"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_place(rule: Any, value: Any, message: str) -> None:
    with pytest.raises(StorageFault) as refused:
        rule.check(value, "body")
    assert refused.value.message == message


@pytest.mark.parametrize(
    "tag",
    [
        "none",
        "noindex, nofollow",
        "max-snippet: -1, max-image-preview: large, max-video-preview: 0",
        "googlebot: noindex",
        "googlebot: max-snippet: 5",
        "unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT",
        "unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT, noindex",
        "unavailable_after: 2025-12-03T13:09:53Z, googlebot: none",
        "noindex,",
    ],
)
def test_robots_tags(tag: str) -> None:
    assert check_robots_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    [
        "",
        " ",
        ",",
        "a b",
        "no index",
        "max-snippet",
        "max-snippet:",
        "max-snippet: -2",
        "max-image-preview: huge",
        "unavailable_after: soon",
        "unavailable_after:",
        "bot:",
        "bot: x",
        "none\r\nx: y",
        "no\0ne",
    ],
)
def test_robots_tags_that_are_none(tag: str) -> None:
    with pytest.raises(StorageFault):
        check_robots_tag(tag)


@given(st.text(max_size=200))
def test_no_robots_tag_raises_anything_else(tag: str) -> None:
    accepted(lambda text: check_robots_tag(text) and None, tag, "InvalidRequest")


@given(st.integers(0, 100), st.integers(0, 120), st.integers(0, 120))
def test_a_range_is_within_the_content(size: int, first: int, last: int) -> None:
    headers = {"range": f"bytes={first}-{last}"}
    if first >= size or last < first:
        with pytest.raises(StorageFault) as refused:
            requested_range(headers, size, '"e"', NOON)
        assert refused.value.http_status == 416
        return
    part = requested_range(headers, size, '"e"', NOON)
    assert part is not None
    assert part == (first, min(last, size - 1) - first + 1)


def test_conditions() -> None:
    assert requested_range({}, 10, '"e"', NOON) is None
    assert requested_range({"range": "bytes=1-", "if-range": '"f"'}, 10, '"e"', NOON) is None
    assert requested_range({"range": "bytes=1-", "if-range": http_date(NOON)}, 10, '"e"', NOON) == (1, 9)
    assert requested_range({"range": "bytes=1-", "if-range": "W/"}, 10, '"e"', NOON) is None
    assert not_modified({"if-modified-since": http_date(NOON)}, '"e"', NOON)
    assert not not_modified({"if-modified-since": http_date(NOON)}, '"e"', None)
    assert not_modified({"if-none-match": '"a", "e"'}, '"e"', None)
    assert not not_modified({"if-none-match": "e"}, '"e"', None)
    assert not not_modified({}, '"e"', NOON)


def test_times_as_javascript_writes_them() -> None:
    assert js_time(NOON) == "2026-01-01T12:00:00.999Z"
    assert js_time(None) is None


async def _handler(_: StorageRequest, __: dict[str, str]) -> Reply:
    return Reply(200)


def _request(path: str) -> StorageRequest:
    async def receive() -> Any:
        raise AssertionError("no body is read")

    scope = {"method": "GET", "path": path, "raw_path": path.encode(), "headers": [], "query_string": b""}
    return StorageRequest(scope, receive)


@pytest.mark.parametrize(
    ("path", "template", "values"),
    [
        ("/object/sign/b/k", "/object/sign/:b/*", {"b": "b", "*": "k"}),
        ("/object/list/b", "/object/list/:b", {"b": "b"}),
        ("/object/list/b/k", "/object/:b/*", {"b": "list", "*": "b/k"}),
        ("/object/b/", "/object/:b/*", {"b": "b", "*": ""}),
        ("/object/b/a%2Fb//c", "/object/:b/*", {"b": "b", "*": "a/b//c"}),
        ("/object/a%2Fb/c", "/object/:b/*", {"b": "a/b", "*": "c"}),
        ("/bucket/", "/bucket", {}),
    ],
)
def test_paths_are_matched_before_they_are_decoded(path: str, template: str, values: dict[str, str]) -> None:
    templates = ["/object/sign/:b/*", "/object/list/:b", "/object/:b/*", "/bucket"]
    found = Router([Route("GET", text, "", _handler) for text in templates]).find(_request(path))
    assert found is not None
    assert (found[0].template, found[1]) == (template, values)


@pytest.mark.parametrize("path", ["/", "/object", "/object/b", "/object//k", "/bucket/x", "//bucket"])
def test_paths_of_nothing(path: str) -> None:
    assert (
        Router([Route("GET", t, "", _handler) for t in ("/object/:b/*", "/bucket")]).find(_request(path))
        is None
    )


@pytest.mark.parametrize(
    "path", ["/object/b/%", "/object/b/%f", "/object/b/%gg", "/object/b/%ff", "/object/%80/k"]
)
def test_broken_escapes(path: str) -> None:
    with pytest.raises(StorageFault, match="not a valid url component"):
        Router([Route("GET", "/object/:b/*", "", _handler)]).find(_request(path))


def test_a_token_is_for_one_action_on_one_object() -> None:
    urls = SignedUrls("a secret of more than thirty-two bytes")
    token = urls.for_upload("b", "k/x", 60, owner="me", upsert=True)
    assert urls.verify(token, "upload", "b", "k/x").owner == "me"
    assert urls.verify(token, "upload", "b", "k/x").upsert is True
    for scope, bucket, key in (("download", "b", "k/x"), ("upload", "b", "k"), ("upload", "b/k", "y")):
        with pytest.raises(StorageFault) as refused:
            urls.verify(token, scope, bucket, key)  # type: ignore[arg-type]
        assert refused.value.code == "InvalidSignature"
    with pytest.raises(StorageFault, match="signature verification failed"):
        SignedUrls("another secret of thirty-two bytes!").verify(token, "upload", "b", "k/x")


@pytest.mark.parametrize(
    "claim", [{"exp": "soon"}, {"exp": None}, {}, {"exp": 1}, {"exp": 2**40, "nbf": 2**39}]
)
def test_a_token_without_a_moment_to_come_is_refused(claim: dict[str, Any]) -> None:
    secret = "a secret of more than thirty-two bytes"
    token = jwt.encode({"url": "b/k", "scope": "download", **claim}, secret, algorithm="HS256")
    with pytest.raises(StorageFault) as refused:
        SignedUrls(secret).verify(token, "download", "b", "k")
    assert refused.value.code in ("InvalidJWT", "ExpiredToken")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (asyncpg.InsufficientPrivilegeError("permission denied for table objects"), 403, "AccessDenied"),
        (asyncpg.UniqueViolationError("x"), 409, "ResourceAlreadyExists"),
        (asyncpg.ForeignKeyViolationError("x"), 404, "InvalidRequest"),
        (asyncpg.LockNotAvailableError("x"), 503, "LockTimeout"),
        (asyncpg.QueryCanceledError("x"), 544, "DatabaseTimeout"),
        (asyncpg.ReadOnlySQLTransactionError("x"), 503, "DatabaseReadOnly"),
        (asyncpg.InvalidObjectDefinitionError("x"), 503, "DatabaseInvalidObjectDefinition"),
        (asyncpg.UntranslatableCharacterError("x"), 400, "InvalidParameter"),
        (asyncpg.UndefinedTableError("x"), 503, "DatabaseSchemaMismatch"),
        (asyncpg.TooManyConnectionsError("x"), 429, "SlowDown"),
        (asyncpg.DivisionByZeroError("secret value"), 500, "DatabaseError"),
        (asyncpg.InterfaceError("x"), 500, "DatabaseError"),
    ],
)
def test_database_errors_become_the_real_services(error: Any, status: int, code: str) -> None:
    fault = fault_of(error)
    assert (fault.status, fault.code) == (status, code)
    assert "secret" not in fault.message


def test_what_the_policies_hide_is_not_told() -> None:
    message = 'new row violates row-level security policy "owners only" for table "objects"'
    fault = fault_of(asyncpg.InsufficientPrivilegeError(message))
    assert fault.message == "new row violates row-level security policy"


def test_bytes_are_kept_where_the_commit_may_have_happened() -> None:
    def caused_by(cause: BaseException | None) -> StorageFault:
        fault = key_already_exists()
        fault.__cause__ = cause
        return fault

    assert not outcome_is_unknown(caused_by(None))
    assert not outcome_is_unknown(caused_by(asyncpg.UniqueViolationError("x")))
    assert not outcome_is_unknown(caused_by(caused_by(asyncpg.UniqueViolationError("x"))))
    assert outcome_is_unknown(caused_by(asyncpg.AdminShutdownError("x")))
    assert outcome_is_unknown(caused_by(asyncpg.ConnectionDoesNotExistError("x")))
    assert outcome_is_unknown(caused_by(asyncpg.InterfaceError("x")))
    assert outcome_is_unknown(caused_by(caused_by(asyncpg.ConnectionDoesNotExistError("x"))))
    assert outcome_is_unknown(OSError())
