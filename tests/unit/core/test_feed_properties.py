"""From a random true history and a hostile delivery of it, a feed tells exactly what happened."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.core.feed import Feed, Update

from .documents import JOB, event, message, moment, row, snapshot, state

ENDS = ("completed", "failed", "cancelled")


@dataclass
class History:
    """What the engine has done to one job: its rows, and its state after every change."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    """Every revision's, from the first."""
    messages: list[dict[str, Any]] = field(default_factory=list)
    """As pushed, in order."""

    @property
    def now(self) -> dict[str, Any]:
        return self.states[-1]

    def rows_after(self, seq: int, most: int) -> list[dict[str, Any]]:
        return [r for r in self.rows if r["seq"] > seq][:most]


class Engine:
    """A small model of the engine's rules, enough to make true histories."""

    def __init__(self, rnd: random.Random) -> None:
        self.rnd = rnd
        self.history = History()
        self.current = state(
            status="pending", percent=0, stage=None, message=None, attempt=0, seq=0, revision=0, metrics={}
        )
        self.change(("submitted", {}))

    def change(self, *events: tuple[str, dict[str, Any]], **changes: Any) -> None:
        """One transition: its events, and the state after it."""
        now = self.current | changes
        now["seq"] += len(events)
        now["revision"] += 1
        now["updated_at"] = moment(now["revision"])
        told = []
        for place, (kind, data) in enumerate(events):
            seq = now["seq"] - len(events) + 1 + place
            common = {"run": now["run"], "attempt": now["attempt"], "at": now["updated_at"], "data": data}
            self.history.rows.append(row(seq, kind, **common))
            shown = event(seq, kind, **common)
            if self.rnd.random() < 0.1:
                shown |= {"data": {}, "data_omitted": True}
            told.append(shown)
        self.current = now
        self.history.states.append(now)
        if now["seq"] > 1:
            pushed = message(*told) | now
            if told and self.rnd.random() < 0.1:
                pushed |= {"events": [], "events_omitted": True}
            self.history.messages.append(pushed)

    def run(self) -> None:
        """One run of the job to its end."""
        while True:
            attempt = self.current["attempt"] + 1
            self.change(("started", {}), status="processing", attempt=attempt, error=None)
            for number in range(self.rnd.randrange(6)):
                self.work(number)
            outcome = self.rnd.choice((*ENDS, "retry_scheduled", "snoozed"))
            if outcome in ENDS:
                percent = 100 if outcome == "completed" else self.current["percent"]
                self.change((outcome, {}), status=outcome, percent=percent, finished_at=moment(1))
                return
            percent = 0 if outcome == "retry_scheduled" else self.current["percent"]
            self.change((outcome, {}), status="pending", percent=percent)

    def work(self, number: int) -> None:
        percent = min(99, self.current["percent"] + self.rnd.randrange(10))
        kind = self.rnd.choice(("progress", "progress", "stage", "emitted", "both"))
        if kind == "progress":
            self.change(percent=percent, message=f"{number}")
            return
        stage = ("stage_started", {"stage": f"s{number}", "percent": percent, "message": "now"})
        emitted = ("emitted", {"name": "chunk", "data": number})
        events = {"stage": (stage,), "emitted": (emitted,), "both": (stage, emitted)}[kind]
        changes = {} if kind == "emitted" else {"stage": f"s{number}", "message": "now"}
        self.change(*events, percent=percent, **changes)

    def retry(self) -> None:
        self.change(
            ("retried", {}),
            status="pending",
            run=self.current["run"] + 1,
            percent=0,
            stage=None,
            finished_at=None,
        )


def true_history(rnd: random.Random, runs: int) -> History:
    engine = Engine(rnd)
    engine.run()
    for _ in range(runs - 1):
        engine.retry()
        engine.run()
    return engine.history


def whole(state_then: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in state_then.items() if name not in ("id", "job_id")}
    return snapshot(**shown)


class Delivery:
    """Hands a history to a feed in a hostile way, and helps when the feed asks."""

    def __init__(self, history: History, feed: Feed, rnd: random.Random) -> None:
        self.history, self.feed, self.rnd = history, feed, rnd
        self.updates: list[Update] = []

    def attack(self, first: int) -> None:
        """Messages dropped, doubled and shuffled; snapshots and parts of the events in between."""
        loss = self.rnd.random()
        inbox = [m for m in self.history.messages if self.rnd.random() > loss]
        inbox += [self.rnd.choice(inbox) for _ in range(len(inbox) // 2)]
        width = self.rnd.choice((1, 3, 1000))
        order = sorted(range(len(inbox)), key=lambda place: place + self.rnd.random() * width)
        for place in order:
            self.updates += self.feed.take_message(inbox[place])
            dice = self.rnd.random()
            if dice < 0.15:
                late = self.rnd.randrange(first, len(self.history.states))
                self.updates += self.feed.take_snapshot(whole(self.history.states[late]))
            elif dice < 0.3:
                after = self.rnd.randrange(len(self.history.rows))
                self.updates += self.feed.take_events(
                    self.history.rows_after(after, self.rnd.randrange(1, 4))
                )
            elif dice < 0.4:
                self.help(self.rnd.randrange(1, 4))

    def help(self, most: int = 2) -> None:
        """Answer what the feed asks for, as the engine would now."""
        if self.feed.needs_snapshot:
            self.updates += self.feed.take_snapshot(whole(self.history.now))
        while (after := self.feed.needs_events_after) is not None:
            rows = self.history.rows_after(after, most)
            assert rows, "the feed asks for events that do not exist"
            self.updates += self.feed.take_events(rows)

    def settle(self) -> None:
        """The network is well again: a fresh snapshot, and whatever is asked for."""
        self.updates += self.feed.take_snapshot(whole(self.history.now))
        self.help()


hostile = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@hostile
@given(st.integers(0, 2**32), st.integers(1, 3), st.booleans())
def test_a_saved_seq_goes_on_with_exactly_what_follows(seed: int, runs: int, follow: bool) -> None:
    rnd = random.Random(seed)
    history = true_history(rnd, runs)
    after = rnd.randrange(len(history.rows))
    delivery = Delivery(history, Feed(JOB, after, follow_retries=follow), rnd)
    # A watch that starts after an end tells the next run if that had begun when it started.
    known = after + (after > 0 and history.rows[after - 1]["type"] in ENDS)
    first = next(place for place, then in enumerate(history.states) if then["seq"] >= known)
    delivery.attack(first)
    delivery.settle()

    expected = history.rows_after(after, 10_000)
    if not follow:
        end = next((place for place, r in enumerate(expected) if r["type"] in ENDS), len(expected))
        expected = expected[: end + 1]
    events = [update.event for update in delivery.updates if update.event is not None]
    assert [(e.seq, e.type, e.run, e.attempt, e.data) for e in events] == [
        (r["seq"], r["type"], r["run"], r["attempt"], r["data"]) for r in expected
    ]
    assert delivery.feed.ended is not follow
    check_updates(delivery.updates, history)


@hostile
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_a_fresh_watch_begins_with_a_snapshot_and_misses_nothing_after_it(seed: int, runs: int) -> None:
    rnd = random.Random(seed)
    history = true_history(rnd, runs)
    start = rnd.randrange(len(history.states))
    feed = Feed(JOB)
    delivery = Delivery(history, feed, rnd)
    early = rnd.sample(history.messages, k=len(history.messages) // 3)
    for pushed in early:
        assert feed.take_message(pushed) == []
    delivery.updates += feed.take_snapshot(whole(history.states[start]))
    delivery.attack(start)
    delivery.settle()

    begun = delivery.updates[0]
    assert begun.snapshot is not None
    assert begun.job.revision == history.states[start]["revision"]
    expected = history.rows_after(history.states[start]["seq"], 10_000)
    end = next((place for place, r in enumerate(expected) if r["type"] in ENDS), len(expected))
    if history.states[start]["status"] in ENDS:
        expected = []
    assert [u.event.seq for u in delivery.updates if u.event] == [r["seq"] for r in expected[: end + 1]]
    assert feed.ended
    assert delivery.updates[-1].ended
    check_updates(delivery.updates, history)


def check_updates(updates: list[Update], history: History) -> None:
    """What holds for every stream of updates."""
    by_revision = {then["revision"]: then for then in history.states}
    by_seq = {r["seq"]: r for r in history.rows}
    assert [u.seq for u in updates] == sorted(u.seq for u in updates)
    assert [u.ended for u in updates[:-1]].count(True) <= sum(r["type"] in ENDS for r in history.rows)
    percent: dict[tuple[int, int], float] = {}
    for update in updates:
        job = update.job
        if update.event is None:
            then = by_revision[job.revision]
            assert (job.seq, job.percent, job.message) == (then["seq"], then["percent"], then["message"])
        else:
            assert update.event.seq == job.seq
            fact = by_seq[job.seq]
            assert (job.run, job.attempt) == (fact["run"], fact["attempt"])
            status = next(then["status"] for then in history.states if then["seq"] >= job.seq)
            assert job.status == status
        if job.status == "processing":
            assert job.percent >= percent.get((job.run, job.attempt), 0.0)
            percent[job.run, job.attempt] = job.percent
    progress = [u.job.revision for u in updates if u.event is None]
    assert progress == sorted(set(progress))
