"""Marks in lists, and ids in order."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.client.page import cursor_after, read_cursor
from headway.core.ids import new_id
from headway.core.job import JobRecord
from headway.errors import InvalidRequest


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_mark_leads_back_to_where_it_was_made(at: datetime, job_id: uuid.UUID) -> None:
    last = JobRecord.model_construct(created_at=at, id=job_id)
    assert read_cursor(cursor_after([last])) == (at, job_id)


@given(st.text())
def test_whatever_is_no_mark_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_cursor(text)
    assert refusal.value.details == "cursor"


def test_ids_follow_each_other_in_time_and_never_repeat() -> None:
    before = time.time_ns() // 1_000_000
    ids = [new_id() for _ in range(20_000)]
    after = time.time_ns() // 1_000_000
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    for made in (ids[0], ids[-1]):
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert before <= made.int >> 80 <= after + 10


def test_a_clock_that_is_set_back_does_not_set_ids_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert new_id() > first
