"""Malformed submissions: our own SQLSTATE, the field, a remedy, and nothing stored."""

from __future__ import annotations

import json

import asyncpg
import pytest

from support.engine import Engine, Refused

MB = 1024 * 1024


def body(**fields: object) -> str:
    return json.dumps({"kind": "cv.parse", **fields})


def nested(levels: int) -> str:
    return '{"kind": "cv.parse", "payload": ' + "[" * levels + "]" * levels + "}"


REFUSED = [
    ("not an object", "[]", "HW100", "body"),
    ("a number", "3", "HW100", "body"),
    ("null", "null", "HW100", "body"),
    ("no kind", "{}", "HW102", "kind"),
    ("a kind of null", '{"kind": null}', "HW102", "kind"),
    ("an empty kind", '{"kind": ""}', "HW103", "kind"),
    ("a kind that is a number", '{"kind": 5}', "HW100", "kind"),
    ("a kind that is an object", '{"kind": {"a": 1}}', "HW100", "kind"),
    ("a kind of 1 MB", json.dumps({"kind": "x" * MB}), "HW103", "kind"),
    ("an unknown field", body(prioriti=3), "HW101", "prioriti"),
    ("a payload over the limit", body(payload="x" * MB), "HW104", "payload"),
    ("NUL in the payload", body(payload="a\0b"), "HW105", "payload"),
    ("NUL deep in the payload", body(payload={"a": [1, {"b": "\0"}]}), "HW105", "payload.a[1].b"),
    ("NUL in a key of the payload", body(payload={"a": {"\0": 1}}), "HW105", "payload.a"),
    ("NUL in a text field", body(unique_key="\0"), "HW105", "unique_key"),
    ("a lone surrogate", '{"kind": "cv.parse", "payload": "\\ud800"}', "HW105", "body"),
    ("a number with a million digits", '{"kind": "cv.parse", "payload": 1e999999}', "HW105", "body"),
    ("65 levels", nested(66), "HW106", "payload"),
    ("2000 levels", nested(2000), "HW106", "payload"),
    ("a negative priority", body(priority=-1), "HW103", "priority"),
    ("a priority of ten", body(priority=10), "HW103", "priority"),
    ("a priority of 10^30", body(priority=10**30), "HW103", "priority"),
    ("a broken priority", body(priority=1.5), "HW100", "priority"),
    ("a priority in words", body(priority="high"), "HW100", "priority"),
    ("the year 9999", body(run_at="9999-12-31T23:59:59Z"), "HW103", "run_at"),
    ("the year 1", body(run_at="0001-01-01T00:00:00Z"), "HW103", "run_at"),
    ("the 30th of February", body(run_at="2026-02-30T00:00:00Z"), "HW100", "run_at"),
    ("a time without an offset", body(run_at="2026-11-22T10:00:00"), "HW100", "run_at"),
    ("infinity", body(run_at="infinity"), "HW100", "run_at"),
    ("tomorrow", body(run_at="tomorrow"), "HW100", "run_at"),
    ("a time as a number", body(run_at=1790000000), "HW100", "run_at"),
    ("a negative delay", body(delay_seconds=-1), "HW103", "delay_seconds"),
    ("a delay of a century", body(delay_seconds=3.2e9), "HW103", "delay_seconds"),
    ("a delay in words", body(delay_seconds="soon"), "HW100", "delay_seconds"),
    ("an id that is none", body(id="42"), "HW100", "id"),
    ("an id of 36 wrong characters", body(id="g" * 36), "HW100", "id"),
    ("an id that is a number", body(id=42), "HW100", "id"),
    ("a queue nobody serves", body(queue="nowhere"), "HW108", "queue"),
    ("a long key", body(idempotency_key="k" * 256), "HW103", "idempotency_key"),
    ("an empty key", body(idempotency_key=""), "HW103", "idempotency_key"),
    ("tags that are a string", body(tags="a"), "HW100", "tags"),
    ("too many tags", body(tags=["t"] * 33), "HW103", "tags"),
    ("a tag that is null", body(tags=[None]), "HW100", "tags"),
    ("a retention of a second", body(retention_seconds=1), "HW103", "retention_seconds"),
    ("a retention of ten years", body(retention_seconds=315360000), "HW103", "retention_seconds"),
    ("no attempt at all", body(max_attempts=0), "HW103", "max_attempts"),
    ("a negative budget", body(cost_budget=-1), "HW103", "cost_budget"),
    ("a budget in words", body(cost_budget="much"), "HW100", "cost_budget"),
    ("a wish that is a string", body(notify="me"), "HW100", "notify"),
    ("a wish that names nobody", body(notify={"on": ["failed"]}), "HW102", "notify"),
    ("a webhook that is a file", body(notify={"webhook": "file:///etc/passwd"}), "HW100", "notify.webhook"),
    ("an address with a line break", body(notify={"email": "a@b\nBcc: c@d"}), "HW100", "notify.email"),
    ("files that are no array", body(files={}), "HW100", "files"),
    ("a file without a path", body(files=[{"name": "a", "bucket": "cvs"}]), "HW102", "files[0]"),
    ("a file that is not there", body(files=[{"name": "a", "bucket": "cvs", "path": "b"}]), "HW301", "files"),
    ("an organisation that is none", body(organization_id="x"), "HW100", "organization_id"),
    ("no such parent", body(parent_id="00000000-0000-4000-8000-000000000000"), "HW301", "parent_id"),
    ("no such batch", body(batch_id="00000000-0000-4000-8000-000000000000"), "HW301", "batch_id"),
]


async def test_malformed_submissions_are_refused_with_field_and_remedy_and_store_nothing(
    engine: Engine,
) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    for what, written, code, field in REFUSED:
        with pytest.raises(Refused) as refusal:
            await user.submit_body(written)
        assert (refusal.value.code, refusal.value.field) == (code, field), what
        assert len(refusal.value.hint) > 5, what
        assert field in str(refusal.value), what
        assert len(str(refusal.value)) < 500, what
    for table in ("jobs", "job_inputs", "job_events", "job_files", "batches"):
        assert await engine.admin.fetchval(f"select count(*) from headway.{table}") == 0, table
    assert await engine.messages() == []


async def test_payloads_from_one_byte_to_one_megabyte_are_stored_as_they_are(engine: Engine) -> None:
    worker = await engine.worker("cv.parse")
    user = await engine.user()
    deepest = json.loads(nested(65))["payload"]
    for payload in (1, "", "x" * (MB - 2), deepest, {"\u00e9": "\U0001f600 \\u0000"}, [None, True, 1.5]):
        answer = await user.submit("cv.parse", payload)
        lease = await worker.claim_one()
        stored = await engine.admin.fetchval(
            "select payload::text from headway.job_inputs where job_id = $1::uuid", answer["id"]
        )
        assert json.loads(stored) == payload
        await worker.finish(lease)


async def test_nesting_past_what_postgres_parses_is_refused_by_postgres(engine: Engine) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    with pytest.raises(asyncpg.StatementTooComplexError):
        await user.submit_body(nested(100_000))
    assert await engine.admin.fetchval("select count(*) from headway.jobs") == 0


async def test_null_means_left_out(engine: Engine) -> None:
    await engine.worker("cv.parse")
    user = await engine.user()
    fields = (
        "id payload queue priority run_at delay_seconds idempotency_key idempotency_seconds unique_key"
        " debounce_key debounce_seconds organization_id project_id owner_id parent_id batch_id tags"
        " retention_seconds max_attempts cost_budget notify files"
    )
    answer = await user.submit("cv.parse", **dict.fromkeys(fields.split()))
    assert answer["created"]
    assert await engine.admin.fetchval("select payload::text from headway.job_inputs") == "{}"
