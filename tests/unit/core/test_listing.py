"""A list's watcher sees each job's latest state, whenever it appears."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.core.listing import JobUpdate, Listing
from headway.errors import SchemaMismatch

from .documents import JOB, OTHER, brief, job_row, moment


def told(jobs: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {"jobs": jobs, "count": len(jobs), "truncated": False} | fields


def seen(updates: list[JobUpdate]) -> list[tuple[UUID, int, bool]]:
    return [(update.job.id, update.job.revision, update.appeared) for update in updates]


def test_the_list_is_read_first_and_later_jobs_appear_by_message() -> None:
    listing = Listing()
    assert listing.needs_reading
    ticket = listing.begin_reading()
    assert seen(listing.take_rows([job_row()], ticket)) == [(JOB, 4, True)]
    assert not listing.needs_reading
    assert seen(listing.take_message(told([brief(id=str(OTHER), seq=1, revision=1)]))) == [(OTHER, 1, True)]
    assert [job.id for job in listing.active] == [JOB, OTHER]


def test_older_and_repeated_states_are_not_told() -> None:
    listing = Listing()
    listing.take_message(told([brief(seq=5, revision=9)]))
    assert listing.take_message(told([brief(seq=5, revision=9)])) == []
    assert listing.take_rows([job_row(seq=4, revision=8)], listing.begin_reading()) == []
    assert seen(listing.take_message(told([brief(seq=5, revision=10)]))) == [(JOB, 10, False)]


def test_a_truncated_message_asks_for_the_list() -> None:
    listing = Listing()
    listing.take_rows([], listing.begin_reading())
    listing.take_message(told([brief()], count=40, truncated=True))
    assert listing.needs_reading


def test_what_was_lost_while_reading_is_read_again() -> None:
    listing = Listing()
    ticket = listing.begin_reading()
    listing.miss()
    listing.take_rows([], ticket)
    assert listing.needs_reading
    listing.take_rows([], listing.begin_reading())
    assert not listing.needs_reading
    listing.take_rows([], ticket)
    assert not listing.needs_reading


def test_an_ended_job_is_told_once_and_again_when_a_person_retries_it() -> None:
    listing = Listing()
    (end,) = listing.take_message(told([brief(seq=7, revision=9, status="failed")]))
    assert end.ended
    assert listing.active == ()
    assert listing.take_message(told([brief(seq=6, revision=8)])) == []
    (again,) = listing.take_message(told([brief(seq=8, revision=10, status="pending", run=2)]))
    assert (again.appeared, again.ended) == (False, False)
    assert [job.id for job in listing.active] == [JOB]


def test_the_memory_of_ended_jobs_is_bounded() -> None:
    listing = Listing(remembered_ends=2)
    for number in range(5):
        listing.take_message(told([brief(id=str(UUID(int=number)), status="completed", percent=100)]))
    assert len(listing._ended) == 2


def test_jobs_are_told_in_the_order_of_their_changes() -> None:
    listing = Listing()
    jobs = [brief(id=str(UUID(int=n)), updated_at=moment(n)) for n in (3, 1, 2)]
    assert [u.job.id.int for u in listing.take_message(told(jobs))] == [1, 2, 3]
    assert listing.changed_at is not None
    assert listing.changed_at.second == 3


@pytest.mark.parametrize("bad", [{}, {"jobs": [{}], "count": 1}, {"jobs": [brief()], "count": -1}])
def test_what_is_malformed_changes_nothing(bad: dict[str, object]) -> None:
    listing = Listing()
    with pytest.raises(SchemaMismatch):
        listing.take_message(bad)
    ticket = listing.begin_reading()
    with pytest.raises(SchemaMismatch):
        listing.take_rows([{"id": 3}], ticket)
    assert listing.needs_reading
    assert listing.active == ()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_is_lost_and_shuffled_the_last_state_told_is_the_latest(seed: int) -> None:
    rnd = random.Random(seed)
    now: dict[str, dict[str, Any]] = {}
    messages = []
    for step in range(rnd.randrange(1, 60)):
        changed = [str(UUID(int=rnd.randrange(30))) for _ in range(rnd.randrange(1, 40))]
        for job in dict.fromkeys(changed):
            before = now.get(job, brief(id=job, seq=1, revision=0, status="pending"))
            status = rnd.choice(("pending", "processing", "failed"))
            now[job] = before | {
                "seq": before["seq"] + rnd.randrange(2),
                "revision": before["revision"] + 1,
                "status": status,
                "updated_at": moment(step),
            }
        shown = [now[job] for job in dict.fromkeys(changed)]
        messages.append(told(shown[:25], count=len(shown), truncated=len(shown) > 25))
    delivered = [m for m in messages if rnd.random() < 0.7] * 2
    rnd.shuffle(delivered)
    listing = Listing()
    last: dict[str, tuple[int, int]] = {}

    def note(updates: list[JobUpdate]) -> None:
        for update in updates:
            key = str(update.job.id)
            assert update.appeared is (key not in last)
            assert last.get(key, (0, 0)) < (update.job.seq, update.job.revision)
            last[key] = (update.job.seq, update.job.revision)

    for pushed in delivered:
        note(listing.take_message(pushed))
    listing.miss()
    note(listing.take_rows(list(now.values()), listing.begin_reading()))
    assert last == {job: (then["seq"], then["revision"]) for job, then in now.items()}
    assert {str(job.id) for job in listing.active} == {j for j, t in now.items() if t["status"] != "failed"}
    assert not listing.needs_reading
