"""A submission is refused before it is sent where the engine would refuse it, in the engine's words."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from headway.core.json_limits import MOST_PAYLOAD_BYTES, storable
from headway.core.submission import InputFile, Notify, Submission, read_submission, submissions_body
from headway.errors import InvalidRequest

from .documents import JOB, OTHER

FILE = {"name": "cv", "bucket": "cvs", "path": "u/cv.pdf"}


class Payload(BaseModel):
    born: date
    tags: set[str] = set()


def refused(**fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        read_submission({"kind": "cv.parse", **fields})
    assert raised.value.hint
    assert raised.value.message.startswith(f"{raised.value.details}: ")
    return raised.value


def nested(levels: int) -> Any:
    document: Any = 1
    for _ in range(levels):
        document = [document]
    return document


def test_the_least_submission_has_an_id_of_its_own() -> None:
    one, other = read_submission({"kind": "cv.parse"}), read_submission({"kind": "cv.parse"})
    assert one.id != other.id
    assert one.body() == {"id": str(one.id), "kind": "cv.parse", "payload": {}}


def test_every_field_reaches_the_body_as_the_engine_reads_it() -> None:
    fields = {
        "id": JOB,
        "kind": "cv.parse",
        "payload": {"a": None},
        "queue": "q",
        "priority": 9,
        "run_at": datetime(2026, 11, 22, 10, tzinfo=UTC),
        "idempotency_key": "k",
        "idempotency_seconds": 60,
        "unique_key": "u",
        "organization_id": OTHER,
        "project_id": str(OTHER),
        "owner_id": OTHER,
        "parent_id": OTHER,
        "batch_id": OTHER,
        "tags": ["a", "b"],
        "retention_seconds": 60,
        "max_attempts": 3,
        "cost_budget": Decimal("0.000000000001"),
        "notify": {"email": "a@b.example", "on": ["failed"]},
        "files": [FILE | {"bytes": 3, "sha256": "0" * 64, "content_type": "text/plain"}],
    }
    body = read_submission(fields).body()
    assert body == fields | {
        "id": str(JOB),
        "run_at": "2026-11-22T10:00:00+00:00",
        "organization_id": str(OTHER),
        "project_id": str(OTHER),
        "owner_id": str(OTHER),
        "parent_id": str(OTHER),
        "batch_id": str(OTHER),
        "cost_budget": "0.000000000001",
    }
    assert json.loads(json.dumps(body)) == body
    delays = {"debounce_key": "d", "debounce_seconds": 2.5}
    assert read_submission({"kind": "a", **delays}).body().items() >= delays.items()
    assert read_submission({"kind": "a", "delay_seconds": 9}).body()["delay_seconds"] == 9
    assert set(body) | set(delays) | {"delay_seconds"} == set(Submission.model_fields)


def test_none_counts_as_left_out_but_not_within_the_payload() -> None:
    body = read_submission({"kind": "a", "queue": None, "payload": {"n": None}, "files": None}).body()
    assert set(body) == {"id", "kind", "payload"}
    assert body["payload"] == {"n": None}


def test_payloads_may_be_models_and_values_that_become_json() -> None:
    payload = Payload(born=date(1980, 1, 2), tags={"x"})
    assert read_submission({"kind": "a", "payload": payload}).payload == {"born": "1980-01-02", "tags": ["x"]}
    assert storable({"id": JOB, "cost": Decimal("1.10")}, "payload") == {"id": str(JOB), "cost": "1.10"}
    assert storable([1, None, "é😀"], "payload") == [1, None, "é😀"]


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"kind": None}, "HW102", "kind"),
        ({"kind": ""}, "HW103", "kind"),
        ({"kind": 3}, "HW100", "kind"),
        ({"colour": 1}, "HW101", "colour"),
        ({"id": "x"}, "HW100", "id"),
        ({"priority": 10}, "HW103", "priority"),
        ({"priority": "5"}, "HW100", "priority"),
        ({"priority": True}, "HW100", "priority"),
        ({"run_at": datetime(2026, 1, 1)}, "HW100", "run_at"),  # noqa: DTZ001 - without an offset on purpose
        ({"run_at": "tomorrow"}, "HW100", "run_at"),
        ({"delay_seconds": -1}, "HW103", "delay_seconds"),
        ({"delay_seconds": float("nan")}, "HW103", "delay_seconds"),
        ({"delay_seconds": 1, "run_at": datetime(2026, 1, 1, tzinfo=UTC)}, "HW100", "delay_seconds"),
        ({"debounce_key": "a", "unique_key": "b"}, "HW100", "debounce_key"),
        ({"debounce_key": "a", "delay_seconds": 1}, "HW100", "debounce_key"),
        ({"debounce_seconds": 1}, "HW102", "debounce_key"),
        ({"idempotency_seconds": 1}, "HW102", "idempotency_key"),
        ({"idempotency_key": "k" * 256}, "HW103", "idempotency_key"),
        ({"tags": ["a"] * 33}, "HW103", "tags"),
        ({"tags": ["ok", ""]}, "HW103", "tags[1]"),
        ({"tags": "text"}, "HW100", "tags"),
        ({"tags": ["a\x00b"]}, "HW105", "tags[0]"),
        ({"tags": ["\ud800"]}, "HW105", "tags[0]"),
        ({"unique_key": "a\x00"}, "HW105", "unique_key"),
        ({"retention_seconds": 59}, "HW103", "retention_seconds"),
        ({"max_attempts": 0}, "HW103", "max_attempts"),
        ({"cost_budget": -1}, "HW103", "cost_budget"),
        ({"cost_budget": float("inf")}, "HW100", "cost_budget"),
        ({"notify": {}}, "HW102", "notify"),
        ({"notify": {"webhook": "ftp://x"}}, "HW100", "notify.webhook"),
        ({"notify": {"webhook": "https://user:pass@x/"}}, "HW100", "notify.webhook"),
        ({"notify": {"email": "a@b@c"}}, "HW100", "notify.email"),
        ({"notify": {"email": "a@b", "on": ["sometimes"]}}, "HW100", "notify.on[0]"),
        ({"notify": {"email": "a@b", "sms": "1"}}, "HW101", "notify.sms"),
        ({"files": [{"name": "a"}]}, "HW102", "files[0].bucket"),
        ({"files": [FILE, FILE]}, "HW100", "files"),
        ({"files": [FILE | {"sha256": "ABC"}]}, "HW100", "files[0].sha256"),
        ({"files": [FILE | {"bytes": -1}]}, "HW103", "files[0].bytes"),
        ({"files": [FILE | {"colour": 1}]}, "HW101", "files[0].colour"),
        ({"payload": {"a": ["x\x00"]}}, "HW105", "payload.a[0]"),
        ({"payload": {"a\x00": 1}}, "HW105", "payload"),
        ({"payload": {"a": "\ud83d"}}, "HW105", "payload.a"),
        ({"payload": nested(65)}, "HW106", "payload"),
        ({"payload": nested(100_000)}, "HW106", "payload"),
        ({"payload": [1.5, float("inf")]}, "HW100", "payload[1]"),
        ({"payload": {"f": object()}}, "HW100", "payload"),
        ({"payload": b"\xff"}, "HW105", "payload"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)
def test_a_wrong_field_is_named_with_the_engines_code(fields: dict[str, Any], code: str, field: str) -> None:
    error = refused(**fields)
    assert (error.code, error.details) == (code, field)


def test_a_payload_that_contains_itself_is_too_deep() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    assert refused(payload=loop).code == "HW106"


def test_64_levels_are_enough_and_not_too_many() -> None:
    assert storable(nested(64), "payload") == nested(64)


def test_size_is_measured_as_the_engine_does() -> None:
    # {"a": "é"} as jsonb is written out: one space, and é in two bytes.
    assert storable({"a": "é"}, "payload", most_bytes=11) == {"a": "é"}
    with pytest.raises(InvalidRequest, match="has 11 bytes, more than 10") as raised:
        storable({"a": "é"}, "payload", most_bytes=10)
    assert raised.value.code == "HW104"
    assert refused(payload="x" * MOST_PAYLOAD_BYTES).code == "HW104"


def test_no_refusal_shows_the_value() -> None:
    for fields in (
        {"id": "hush-secret"},
        {"notify": {"webhook": "https://u:hush-secret@x/"}},
        {"priority": "hush-secret"},
    ):
        error = refused(**fields)
        assert "hush-secret" not in f"{error} {error.details} {error.hint}"
        assert error.__suppress_context__


def test_the_hint_of_an_unknown_field_lists_those_that_exist() -> None:
    assert "idempotency_key" in str(refused(colour=1).hint)
    assert str(refused(files=[FILE | {"x": 1}]).hint) == f"Known fields: {', '.join(InputFile.model_fields)}."
    assert str(refused(notify={"x": 1}).hint) == f"Known fields: {', '.join(Notify.model_fields)}."


def test_fields_of_one_among_many_are_named_with_its_place() -> None:
    for fields, field in (
        ({"kind": "a", "priority": 11}, "jobs[3].priority"),
        ({"kind": "a", "payload": float("nan")}, "jobs[3].payload"),
        ({"kind": "a", "tags": ["\x00"]}, "jobs[3].tags[0]"),
        ({"kind": "a", "debounce_seconds": 1}, "jobs[3].debounce_key"),
    ):
        with pytest.raises(InvalidRequest) as raised:
            read_submission(fields, "jobs[3]")
        assert raised.value.details == field


def test_many_jobs_and_their_batch() -> None:
    jobs = [read_submission({"kind": "a"}) for _ in range(3)]
    assert submissions_body(jobs) == {"jobs": [job.body() for job in jobs]}
    assert submissions_body(jobs, batch_id=JOB)["batch"] == {"id": str(JOB)}
    named = submissions_body(jobs, batch_name="import")["batch"]
    assert UUID(named["id"])
    assert named["name"] == "import"


def test_too_few_too_many_and_twins_are_refused() -> None:
    job = read_submission({"kind": "a"})
    for jobs, code, field in (
        ([], "HW102", "jobs"),
        ([job, job], "HW201", "jobs[1].id"),
        ([job] * 10_001, "HW103", "jobs"),
    ):
        with pytest.raises(InvalidRequest) as raised:
            submissions_body(jobs)
        assert (raised.value.code, raised.value.details) == (code, field)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_plain_json_is_sent_as_it_is_or_refused_for_a_nul(payload: Any) -> None:
    if "\\u0000" in json.dumps(payload).replace("\\\\", ""):
        with pytest.raises(InvalidRequest, match="NUL"):
            storable(payload, "payload")
    else:
        assert storable(payload, "payload") == payload
