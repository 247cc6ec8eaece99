"""The client for code without an event loop: live, from any thread, gone without a trace."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import BaseModel
from supabase import AsyncClient, create_client
from supabase.lib.client_options import SyncClientOptions

from headway.client import Headway, SyncWatch, TransferProgress
from headway.core.feed import Update
from headway.errors import ConfigError, Denied, JobFailed, NotFound, TimedOut, TransportError

from .shift import Shift


class Answer(BaseModel):
    ok: bool


def ours() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("headway")}


def no_thread_is_left() -> bool:
    """Whether our threads have ended; the pool's are told to, and do so in their own time."""
    for thread in ours():
        thread.join(10)
    return not ours()


def test_updates_come_while_the_job_runs(shift: Shift) -> None:
    queue = shift.kind()
    with shift.headway() as hw:
        job = hw.submit(queue.kind, {"n": 1}, tags=["t"])
        hand = None
        seen = []
        for update in job.watch():
            seen.append((update.event.type if update.event else None, update.percent))
            # The next move is made only when the last one was told: what comes is live.
            if update.seq == 1:
                hand = shift.take(queue)
                shift.run(hand.progress(stage="read", percent=30))
            elif update.percent == 30 and hand is not None:
                shift.run(hand.progress(percent=60))
            elif update.percent == 60 and hand is not None:
                shift.run(hand.finish(result={"ok": True}))
        assert [name for name, _ in seen if name] == ["submitted", "started", "stage_started", "completed"]
        assert seen[-1] == ("completed", 100)
        assert job.result(into=Answer).ok is True
        assert hw.get(job.id).status == "completed"
        assert [j.id for j in hw.list(tags=["t"])] == [job.id]


def test_everything_else_answers_as_well(shift: Shift, tmp_path: Path) -> None:
    queue = shift.kind()
    source = tmp_path / "a.txt"
    source.write_bytes(b"hello")
    with shift.headway() as hw:
        job = hw.submit(queue.kind, files={"note": source})
        assert [file.name for file in job.files()] == ["note"]
        assert job.download("note", tmp_path / "b.txt").read_bytes() == b"hello"
        assert job.signed_url("note").startswith("http")
        reference = hw.upload(b"more", name="c.txt")
        assert hw.download(reference, tmp_path / "c.txt").read_bytes() == b"more"
        assert job.signal("go").state == "stored"
        with pytest.raises(TimedOut):
            job.result(timeout=0.1)
        hand = shift.take(queue)
        shift.run(hand.step("s", 1))
        shift.run(hand.finish("failed", error={"code": "c", "message": "m"}))
        with pytest.raises(JobFailed):
            hw.result(job.id)
        assert job.retry().run == 2
        assert job.cancel("enough").status == "cancelled"
        assert [step.name for step in job.steps()] == ["s"]
        assert job.usage() == job.logs() == ()
        assert job.timeline()[-1].type == "cancelled"
        batch = hw.submit_many([{"kind": queue.kind}] * 3, batch_name="b")
        assert (len(batch), batch.snapshot().total, batch.cancel()) == (3, 3, 3)
        assert [snapshot.cancelled for snapshot in batch.watch()] == [3]
        assert len(hw.active()) == 0
        with pytest.raises(NotFound):
            hw.job("6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b").snapshot()


def test_lists_are_live_too(shift: Shift) -> None:
    queue = shift.kind()
    with shift.headway() as hw, hw.watch_all() as watch:
        first = hw.submit(queue.kind)
        assert next(watch).job.id == first.id
        second = hw.submit(queue.kind)
        while (change := next(watch)).job.id != second.id:
            pass
        assert change.appeared


def test_leaving_early_releases_everything(shift: Shift) -> None:
    queue = shift.kind()
    with shift.headway() as hw:
        for leave in ("break", "close", "forget"):
            job = hw.submit(queue.kind)
            watch: SyncWatch[Update] | None = job.watch()
            assert watch is not None
            next(watch)
            if leave == "close":
                watch.close()
                with pytest.raises(StopIteration):
                    next(watch)
            del watch
            gc.collect()
            shift.run(shift.shop.left(f"job:{job.id}"))
    assert no_thread_is_left()


async def test_it_works_beside_a_running_loop(shift: Shift) -> None:
    queue = shift.kind()
    with shift.headway() as hw:
        job = hw.submit(queue.kind)
        shift.run(shift.take(queue).finish(result=1))
        assert [u.event.type for u in job.watch() if u.event] == ["submitted", "started", "completed"]
        assert await asyncio.to_thread(job.result) == 1


def test_callbacks_may_use_the_client_and_may_raise_what_ends_programs(shift: Shift) -> None:
    queue = shift.kind()
    seen: list[Any] = []
    with shift.headway() as hw:

        def uploading(progress: TransferProgress) -> None:
            seen.append((progress.done, len(hw.active())))

        def exiting(update: Update) -> None:
            seen.append(hw.get(update.job.id).id)
            sys.exit(3)

        job = hw.submit(queue.kind, files={"a": b"abc"}, on_upload=uploading)
        assert seen[-1] == (3, 0)
        shift.run(shift.take(queue).finish(result=1))
        told = [update.event.type for update in job.watch(on_update=exiting) if update.event]
        assert told == ["submitted", "started", "completed"]
        assert seen[-1] == job.id
        # Whatever was raised, the client's thread is there.
        assert job.result() == 1
    assert no_thread_is_left()


def test_a_token_that_cannot_be_made_is_told_and_never_waited_for(shift: Shift) -> None:
    tokens = iter([shift.token()])
    with shift.headway(access_token=lambda: next(tokens)) as hw:
        assert len(hw.list()) == 0
    with shift.headway(access_token=lambda: next(tokens)) as hw:
        for ask in (hw.list, lambda: next(hw.watch_all()), lambda: hw.result(uuid4())):
            with pytest.raises(RuntimeError, match="access_token raised StopIteration"):
                ask()


def test_a_client_of_a_client_of_a_client_lets_go_when_it_is_closed(shift: Shift) -> None:
    queue = shift.kind()
    with shift.headway() as hw:
        with hw.as_user(shift.token()).as_user(shift.token()) as user:
            job = user.submit(queue.kind)
            watch = user.watch(job.id)
            assert next(watch).status == "pending"
            shift.run(shift.shop.joined(f"job:{job.id}"))
        shift.run(shift.shop.left(f"job:{job.id}"))
        with pytest.raises(TransportError):
            user.get(job.id)
        assert len(hw.list()) == 0


@pytest.mark.parametrize("how", ["upload", "resumable", "submit"])
def test_whoever_moves_a_file_when_the_client_is_closed_is_told_so(shift: Shift, how: str) -> None:
    queue = shift.kind()
    hw = shift.headway()
    moving, closed = threading.Event(), threading.Event()

    def wait(_: TransferProgress) -> None:
        moving.set()
        closed.wait(60)

    def move() -> Any:
        content = bytes(300_000)
        if how == "submit":
            return hw.submit(queue.kind, files={"a": content}, on_upload=wait)
        return hw.upload(content, resumable=how == "resumable", on_progress=wait)

    with ThreadPoolExecutor(1) as pool:
        moved = pool.submit(move)
        assert moving.wait(60)
        hw.close()
        closed.set()
        with pytest.raises(TransportError) as told:
            moved.result(timeout=60)
    assert told.value.code == "client_closed"
    assert no_thread_is_left()


def test_many_threads_share_one_client(shift: Shift) -> None:
    queue = shift.kind()

    def one(n: int) -> list[str]:
        job = hw.submit(queue.kind, {"n": n})
        return [update.event.type for update in job.watch() if update.event]

    with shift.headway() as hw, ThreadPoolExecutor(12) as pool:
        stories = [pool.submit(one, n) for n in range(12)]
        for _ in range(12):
            shift.run(shift.take(queue).finish())
        assert [story.result(30) for story in stories] == [["submitted", "started", "completed"]] * 12


def test_a_callback_may_call_the_client(shift: Shift) -> None:
    queue = shift.kind()
    asked: list[str] = []
    with shift.headway() as hw:
        job = hw.submit(queue.kind)
        shift.run(shift.take(queue).finish())
        list(job.watch(on_update=lambda update: asked.append(hw.get(job.id).status)))
    assert asked[-1] == "completed"


def test_a_call_that_would_wait_for_itself_is_refused(shift: Shift, caplog: pytest.LogCaptureFixture) -> None:
    queue = shift.kind()
    refused: list[BaseException] = []
    with shift.headway() as hw:
        job = hw.submit(queue.kind)
        shift.run(shift.take(queue).finish())

        async def on_the_clients_own_loop(update: Update) -> None:
            with pytest.raises(ConfigError) as refusal:
                hw.get(job.id)
            refused.append(refusal.value)

        list(job.watch(on_update=on_the_clients_own_loop))
    assert refused
    assert {error.code for error in refused if isinstance(error, ConfigError)} == {"own_thread"}


def test_a_request_of_a_server_speaks_for_its_user(shift: Shift) -> None:
    queue = shift.kind()
    with shift.headway(access_token=None) as server:
        with server.as_user(shift.token()) as ann, server.as_user(shift.token()) as bob:
            job = ann.submit(queue.kind)
            shift.run(shift.take(queue).finish(result=7))
            assert ann.result(job.id) == 7
            with pytest.raises(NotFound):
                bob.get(job.id)
        with pytest.raises(TransportError):
            ann.get(job.id)
        with pytest.raises(Denied):
            server.list()
        assert len(ours()) >= 1
    assert no_thread_is_left()


def test_a_synchronous_client_is_brought_along(shift: Shift) -> None:
    with httpx.Client() as session:
        options = SyncClientOptions(httpx_client=session, auto_refresh_token=False)
        client = create_client(shift.stack.url, shift.stack.keys.publishable_key, options)
        client.auth.sign_in_anonymously()
        queue = shift.kind()
        with Headway(client) as hw:
            job = hw.submit(queue.kind)
            me = client.auth.get_user()
            assert me is not None
            assert str(job.snapshot().owner_id) == me.user.id
            client.auth.sign_out()
            with pytest.raises(Denied):
                job.snapshot()


async def test_an_asynchronous_client_is_refused() -> None:
    with pytest.raises(ConfigError, match="asynchronous"):
        Headway(AsyncClient("http://a.invalid", "sb_publishable_x"))  # type: ignore[arg-type]


def test_after_close_every_call_says_so(shift: Shift) -> None:
    hw = shift.headway()
    job = hw.job("6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b")
    watch = job.watch()
    hw.close()
    hw.close()
    calls: list[Any] = [hw.list, job.snapshot, lambda: next(watch)]
    for call in calls:
        with pytest.raises(TransportError) as refusal:
            call()
        assert refusal.value.code == "client_closed"
    assert no_thread_is_left()


def test_closing_ends_a_watch_on_another_thread(shift: Shift) -> None:
    queue = shift.kind()
    hw = shift.headway()
    job = hw.submit(queue.kind)
    begun = threading.Event()

    def follow() -> str:
        try:
            for _ in job.watch():
                begun.set()
        except TransportError as error:
            return error.code
        return "ended"

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow)
        assert begun.wait(30)
        hw.close()
        assert following.result(30) == "client_closed"


def test_a_client_that_is_forgotten_leaves_no_thread(shift: Shift) -> None:
    hw = shift.headway()
    hw.list()
    assert ours()
    del hw
    gc.collect()
    assert no_thread_is_left()
