"""What a consumer is told: bounded, never two gaps in a row, never a silent loss."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headway.link.events import Event, Gap, Listening, Message, Refused
from headway.link.mailbox import Mailbox
from headway.link.subscription import Subscription


def message(number: int) -> Message:
    return Message("room", "n", {"n": number}, 0.0)


async def drain(mailbox: Mailbox) -> list[Event]:
    return [await mailbox.take() for _ in range(len(mailbox))]


def kinds(events: list[Event]) -> str:
    """L listening, G gap, R refused, m message."""
    return "".join("m" if isinstance(e, Message) else type(e).__name__[0] for e in events)


async def test_everything_comes_in_order() -> None:
    mailbox = Mailbox(8)
    mailbox.listening()
    mailbox.message(message(1))
    mailbox.gap("cut")
    mailbox.gap("cut again")
    mailbox.refused(Refused("Unauthorized", "no", True))
    mailbox.listening()
    mailbox.message(message(2))
    assert kinds(await drain(mailbox)) == "LmGRLm"


async def test_before_it_listens_there_is_nothing_to_lose() -> None:
    mailbox = Mailbox(8)
    mailbox.gap("cut")
    assert len(mailbox) == 0


async def test_overflow_is_a_gap_and_listening_at_once() -> None:
    mailbox = Mailbox(4)
    mailbox.listening()
    assert kinds(await drain(mailbox)) == "L"
    for n in range(5):
        mailbox.message(message(n))
    mailbox.message(message(9))
    events = await drain(mailbox)
    assert kinds(events) == "GLm"
    assert mailbox.overflows == 1
    assert events[-1] == message(9)


async def test_a_second_overflow_before_the_first_is_read_is_the_same_gap() -> None:
    mailbox = Mailbox(4)
    mailbox.listening()
    await drain(mailbox)
    for n in range(50):
        mailbox.message(message(n))
    assert kinds(await drain(mailbox)).startswith("GL")
    for n in range(5):
        mailbox.message(message(n))
    assert kinds(await drain(mailbox)) == "GL"


async def test_overflow_between_a_gap_and_its_listening_tells_no_second_gap() -> None:
    mailbox = Mailbox(4)
    mailbox.listening()
    await drain(mailbox)
    mailbox.gap("cut")
    assert kinds([await mailbox.take()]) == "G"
    mailbox.listening()
    for n in range(4):
        mailbox.message(message(n))
    assert kinds(await drain(mailbox)) == "L"


async def test_refusals_do_not_pile_up() -> None:
    mailbox = Mailbox(4)
    for n in range(100):
        mailbox.refused(Refused("Unauthorized", str(n), True))
    (event,) = await drain(mailbox)
    assert event == Refused("Unauthorized", "99", True)


@example(list("LtGtmmmmmtmLm"), 4)
@given(st.lists(st.sampled_from("LGRmmmmmt"), max_size=200), st.integers(4, 9))
def test_whatever_happens_it_is_bounded_and_no_loss_goes_untold(acts: list[str], size: int) -> None:
    async def play() -> None:
        mailbox, seen, put = Mailbox(size), list[Event](), 0
        for act in acts:
            if act == "L":
                mailbox.listening()
            elif act == "G":
                mailbox.gap("cut")
            elif act == "R":
                mailbox.refused(Refused("Unauthorized", "no", True))
            elif act == "m":
                put += 1
                mailbox.message(message(put))
            elif len(mailbox):
                seen.append(await mailbox.take())
            assert len(mailbox) <= size + 1
        seen += await drain(mailbox)
        order = [e for e in kinds(seen) if e in "LG"]
        assert "GG" not in "".join(order)
        # While it says that it listens there is no hole between two messages but where it says so again,
        # which is where the consumer catches up.
        last, hears, caught_up = 0, False, False
        for event in seen:
            if isinstance(event, Listening):
                hears = caught_up = True
            elif isinstance(event, Gap):
                hears = False
            elif isinstance(event, Message):
                number = event.payload["n"]
                assert number > last
                assert not hears or caught_up or number == last + 1
                last, caught_up = number, False
        assert hears == mailbox._hearing
        assert not hears or caught_up or last == put

    asyncio.run(play())


async def test_a_waiting_consumer_is_woken_and_may_be_cancelled() -> None:
    mailbox = Mailbox(4)
    waiting = asyncio.create_task(mailbox.take())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one consumer"):
        await mailbox.take()
    waiting.cancel()
    await asyncio.wait({waiting})
    again = asyncio.create_task(mailbox.take())
    await asyncio.sleep(0)
    mailbox.listening()
    assert await again == Listening()


async def test_closing_ends_the_consumer_after_what_waits() -> None:
    mailbox = Mailbox(4)
    mailbox.listening()
    mailbox.close()
    mailbox.message(message(1))
    assert await mailbox.take() == Listening()
    with pytest.raises(StopAsyncIteration):
        await mailbox.take()
    discarded = Mailbox(4)
    waiting = asyncio.create_task(discarded.take())
    await asyncio.sleep(0)
    discarded.discard()
    with pytest.raises(StopAsyncIteration):
        await waiting


# Subscriptions: which connections hear, and what follows from it --------------------------------------------


async def heard_by(subscription: Subscription) -> Mailbox:
    mailbox = Mailbox(32)
    subscription.add(mailbox)
    return mailbox


async def test_two_connections_overlap_without_a_word() -> None:
    subscription = Subscription("room", private=True)
    mailbox = await heard_by(subscription)
    subscription.heard("old")
    subscription.heard("new")
    subscription.retired("old", "replaced")
    assert kinds(await drain(mailbox)) == "L"
    subscription.lost("old", "late news of what was retired")
    assert len(mailbox) == 0


async def test_a_loss_during_the_overlap_is_a_gap_although_another_hears() -> None:
    subscription = Subscription("room", private=True)
    mailbox = await heard_by(subscription)
    subscription.heard("old")
    subscription.heard("new")
    subscription.lost("old", "cut")
    assert kinds(await drain(mailbox)) == "LGL"


async def test_a_loss_of_the_later_one_is_none_for_the_earlier_heard_it_all() -> None:
    subscription = Subscription("room", private=True)
    mailbox = await heard_by(subscription)
    subscription.heard("old")
    subscription.heard("new")
    subscription.lost("new", "cut")
    assert kinds(await drain(mailbox)) == "L"
    subscription.heard("newer")
    subscription.lost("old", "cut")
    assert kinds(await drain(mailbox)) == "GL"
    subscription.retired("stranger", "never heard")
    assert len(mailbox) == 0


async def test_retiring_the_only_one_that_hears_is_a_gap() -> None:
    subscription = Subscription("room", private=True)
    mailbox = await heard_by(subscription)
    subscription.heard("old")
    subscription.retired("old", "no longer admitted")
    assert kinds(await drain(mailbox)) == "LG"


async def test_a_listener_that_comes_later_is_told_how_things_are() -> None:
    subscription = Subscription("room", private=True)
    first = await heard_by(subscription)
    subscription.heard("one")
    second = await heard_by(subscription)
    assert kinds(await drain(second)) == "L"
    assert not subscription.remove(first)
    subscription.deliver_broadcast({"event": "n", "payload": {}})
    assert kinds(await drain(first)) == "L"
    assert subscription.remove(second)


async def test_confirmation_that_comes_late_asks_to_read_again() -> None:
    subscription = Subscription("room", private=True)
    mailbox = await heard_by(subscription)
    subscription.heard_later("one")
    subscription.heard("one")
    assert kinds(await drain(mailbox)) == "L"
    subscription.heard_later("one")
    assert kinds(await drain(mailbox)) == "L"


@pytest.mark.parametrize(
    "frame", [None, {}, {"event": "n"}, {"data": None}, {"data": {"type": "INSERT"}}], ids=str
)
async def test_a_frame_that_makes_no_sense_never_reaches_the_reader(
    frame: object, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = Subscription("room", private=True)
    mailbox = await heard_by(subscription)
    subscription.deliver_broadcast(frame)
    subscription.deliver_change(frame)
    assert len(mailbox) == 0
    assert len(caplog.records) == 2
