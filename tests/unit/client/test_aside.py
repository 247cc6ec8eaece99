"""An app's own functions, which may block, raise anything, or never return."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import threading

import pytest

from headway.client.aside import Aside, beside, run_aside
from headway.client.sync.portal import Portal

PATIENCE_S = 60


def threads_of(what: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"headway {what}"]


def ended(what: str) -> bool:
    for thread in threads_of(what):
        thread.join(PATIENCE_S)
    return not threads_of(what)


async def test_functions_run_in_order_on_one_thread_and_in_this_context() -> None:
    word = contextvars.ContextVar("word", default="none")
    word.set("said here")
    aside = Aside("test order")
    told: list[int] = []
    await asyncio.gather(*(aside.run(told.append, number) for number in range(50)))
    assert told == list(range(50))
    assert await aside.run(word.get) == "said here"
    idents = {await aside.run(threading.get_ident) for _ in range(3)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents
    aside.close()
    aside.close()
    assert await asyncio.to_thread(ended, "test order")


async def test_what_blocks_takes_no_thread_of_the_loop() -> None:
    release = threading.Event()
    blocked = [asyncio.create_task(run_aside("test block", release.wait)) for _ in range(40)]
    # More than the executor of any machine that runs this has: each would wait for a thread.
    workers = 5 + (os.cpu_count() or 1)
    async with asyncio.timeout(PATIENCE_S):
        assert await asyncio.gather(*(asyncio.to_thread(int) for _ in range(workers)))
        release.set()
        await asyncio.gather(*blocked)
    assert await asyncio.to_thread(ended, "test block")


def test_what_never_returns_does_not_keep_a_loop_from_ending() -> None:
    release = threading.Event()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run_aside("test stuck", release.wait), 0.01)

    asyncio.run(main())
    # The loop has ended, and its threads with it; this one still waits.
    assert threads_of("test stuck")
    release.set()
    assert ended("test stuck")


@pytest.mark.parametrize("raised", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_what_ends_loops_and_iterations_is_told_as_a_fault(raised: type[BaseException]) -> None:
    def act() -> None:
        raise raised

    with pytest.raises(RuntimeError, match=f"access_token raised {raised.__name__}") as error:
        await run_aside("access_token", act)
    assert isinstance(error.value.__cause__, raised)


async def test_other_faults_are_told_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_aside("test fault", lambda: 1 / 0)


async def test_nobody_waits_for_what_is_given_up() -> None:
    aside, release, calls = Aside("test given up"), threading.Event(), []
    first = asyncio.create_task(aside.run(release.wait))
    second = asyncio.create_task(aside.run(calls.append, "given up"))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    release.set()
    await first
    assert await aside.run(len, calls) == 0


async def test_a_thread_goes_with_whoever_had_it() -> None:
    aside = Aside("test dropped")
    await aside.run(int)
    assert threads_of("test dropped")
    del aside
    gc.collect()
    assert await asyncio.to_thread(ended, "test dropped")


async def test_a_plain_function_can_be_awaited_and_others_stay_as_they_are() -> None:
    async def already(number: int) -> None:
        raise AssertionError(number)

    idents: list[int] = []

    def note(_: int) -> None:
        idents.append(threading.get_ident())

    with beside("test plain", note) as plain:
        assert plain is not None
        await plain(1)
        await plain(2)
    assert len(set(idents)) == 1
    assert threading.get_ident() not in idents
    assert await asyncio.to_thread(ended, "test plain")
    for other in (already, None):
        with beside("test plain", other) as same:
            assert same is other


def test_a_process_that_was_forked_has_a_thread_of_its_own() -> None:
    aside = Aside("test fork")
    assert asyncio.run(aside.run(os.getpid)) == os.getpid()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(asyncio.wait_for(aside.run(os.getpid), PATIENCE_S))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_a_call_that_would_end_a_portal_ends_only_itself(raised: type[BaseException]) -> None:
    portal = Portal()
    going_on, answers = threading.Event(), []

    async def fatal() -> None:
        raise raised

    async def other() -> str:
        going_on.set()
        await asyncio.to_thread(release.wait, PATIENCE_S)
        return "went on"

    release = threading.Event()
    waiting = threading.Thread(target=lambda: answers.append(portal.call(other())))
    waiting.start()
    assert going_on.wait(PATIENCE_S)
    with pytest.raises(raised):
        portal.call(fatal())
    release.set()
    waiting.join(PATIENCE_S)
    assert answers == ["went on"]
    portal.stop()
    assert not portal.is_alive
