"""Who hears what, with every kind of key, and when the link says that the server listens."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from headway.link import Refused

from .harness import QUICK, House, proven, room, state_of


@pytest.mark.parametrize("key", ["secret_key", "service_role_key"])
async def test_a_secret_key_of_either_format_hears_private_topics(house: House, key: str) -> None:
    topic = room()
    async with house.link(key=getattr(house.stack.keys, key)) as link:
        ear = house.ear(link.listen(topic))
        await ear.listening()
        await house.send(topic, 1, 2, 3)
        await ear.until(lambda e: e.numbers == [1, 2, 3])
        assert ear.story == "Lm"
        message = ear.events[1]
        assert (message.topic, message.event) == (topic, "counted")
        assert (await proven(link)).proof == "canary"
        (connection,) = link._lanes[0].connections
        assert connection.tells_replication, "Listening waited for what SQL sends to be delivered"


async def test_an_anonymous_user_hears_their_own_jobs_and_has_a_canary(house: House) -> None:
    publishable = house.stack.keys.publishable_key
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{house.stack.url}/auth/v1/signup", json={}, headers={"apikey": publishable}
        )
    session = answer.json()
    assert session["user"]["is_anonymous"]

    async def token() -> str:
        return str(session["access_token"])

    async with house.link(key=publishable, token=token) as link:
        topic = f"user:{session['user']['id']}:jobs"
        own, foreign = house.ear(link.listen(topic)), house.ear(link.listen(f"user:{uuid.uuid4()}:jobs"))
        await own.listening()
        await foreign.until(lambda e: bool(e.all(Refused)))
        refused = foreign.all(Refused)[0]
        assert (refused.code, refused.will_retry) == ("Unauthorized", True)
        await house.send(topic, 1)
        await own.until(lambda e: e.numbers == [1])
        assert (await proven(link)).proof == "canary"


@pytest.mark.parametrize("key", ["publishable_key", "anon_key"])
async def test_a_public_key_alone_hears_public_topics_and_proves_itself_by_one(
    house: House, key: str
) -> None:
    topic = room()
    async with house.link(key=getattr(house.stack.keys, key)) as link:
        ear = house.ear(link.listen(topic, private=False))
        await ear.listening()
        await house.send(topic, 1, private=False)
        await ear.until(lambda e: e.numbers == [1])
        assert (await proven(link)).proof == "public canary"


async def test_the_same_name_can_be_public_and_private_at_once(house: House) -> None:
    topic = room()
    async with house.link() as link:
        private = house.ear(link.listen(topic))
        public = house.ear(link.listen(topic, private=False))
        await private.listening()
        await public.listening()
        await house.send(topic, 1)
        await house.send(topic, 2, private=False)
        await private.until(lambda e: e.numbers == [1])
        await public.until(lambda e: e.numbers == [2])


async def test_two_listeners_share_a_topic_and_leave_it_together(house: House) -> None:
    topic = room()
    async with house.link() as link:
        first = house.ear(link.listen(topic))
        await first.listening()
        second = house.ear(link.listen(topic))
        await second.listening()
        assert len(house.channels(topic)) == 1
        await first.close()
        await house.send(topic, 1)
        await second.until(lambda e: e.numbers == [1])
        await second.close()
        assert not house.channels(topic)
        again = house.ear(link.listen(topic))
        await again.listening()
        await house.send(topic, 2)
        await again.until(lambda e: e.numbers == [2])
        assert again.story == "Lm"


async def test_a_topic_left_and_entered_at_once_is_listened_to(house: House) -> None:
    topic = room()
    async with house.link() as link:
        for n in range(5):
            ear = house.ear(link.listen(topic))
            await ear.listening()
            await house.send(topic, n)
            await ear.until(lambda e, n=n: e.numbers == [n])
            await ear.close()


Table = Callable[..., Awaitable[str]]


async def make_table(house: House, *, published: bool = True) -> str:
    name = f"rows_{uuid.uuid4().hex}"
    await house.database.execute(
        f"create table public.{name} (id int primary key, kind text);"
        f"grant all on public.{name} to service_role;"
        + (f"alter publication supabase_realtime add table public.{name};" if published else "")
    )
    return name


async def test_changes_are_heard_from_the_moment_that_it_says_so(house: House) -> None:
    table = await make_table(house)
    async with house.link() as link:
        everything = house.ear(link.listen_changes(schema="public", table=table))
        some = house.ear(
            link.listen_changes(schema="public", table=table, event="INSERT", filter="kind=eq.b")
        )
        await everything.listening()
        await some.listening()
        await house.database.execute(
            f"insert into public.{table} values (1, 'a'), (2, 'b'); update public.{table} set kind = 'b';"
            f"delete from public.{table} where id = 1"
        )
        await everything.until(lambda e: len(e.events) == 6)
        events: list[Any] = everything.events[1:]
        assert [e.event for e in events] == ["INSERT", "INSERT", "UPDATE", "UPDATE", "DELETE"]
        assert {e.topic for e in events} == {f"public.{table}"}
        assert events[0].payload["record"] == {"id": 1, "kind": "a"}
        assert events[4].payload["old_record"] == {"id": 1}
        await some.until(lambda e: len(e.events) >= 2)
        assert [e.payload["record"]["id"] for e in some.events[1:]] == [2]


async def test_changes_are_refused_until_the_table_is_published(house: House) -> None:
    table = await make_table(house, published=False)
    async with house.link() as link:
        ear = house.ear(link.listen_changes(schema="public", table=table))
        await ear.until(lambda e: bool(e.all(Refused)))
        refused = ear.all(Refused)[0]
        assert (refused.code, refused.will_retry) == ("ChangesRefused", True)
        assert "check Realtime is enabled" in refused.reason
        await house.database.execute(f"alter publication supabase_realtime add table public.{table}")
        await ear.listening()
        await house.database.execute(f"insert into public.{table} values (1, 'a')")
        await ear.until(lambda e: e.story.endswith("Lm"))
        assert link.state.reconnects == 0


async def test_joined_is_not_yet_listening_to_changes(house: House) -> None:
    table = await make_table(house)
    house.faults(refuse_system=True)
    async with house.link(replace(QUICK, changes_timeout=0.2)) as link:
        ear = house.ear(link.listen_changes(schema="public", table=table))
        await ear.until(lambda e: len(e.all(Refused)) > 0)
        assert ear.all(Refused)[0].code == "NotConfirmed"
        assert "L" not in ear.story
        house.faults(refuse_system=False)
        await ear.listening()


async def test_changes_are_heard_where_only_private_channels_are_allowed(house: House) -> None:
    table = await make_table(house)
    house.limits(private_only=True)
    async with house.link() as link:
        ear = house.ear(link.listen_changes(schema="public", table=table))
        await ear.listening()
        assert "R" not in ear.story


async def test_a_refused_join_is_tried_again_until_it_is_allowed(house: House) -> None:
    topic = room()
    house.faults(refuse_joins="Unauthorized: You do not have permissions", topic=topic)
    async with house.link() as link:
        ear, other = house.ear(link.listen(topic)), house.ear(link.listen(room()))
        await other.listening()
        await ear.until(lambda e: len(e.events) >= 3)
        assert ear.all(Refused) == [Refused("Unauthorized", "You do not have permissions", True)] * len(
            ear.events
        )
        house.faults(refuse_joins="")
        await ear.listening()
        await house.send(topic, 1)
        await ear.until(lambda e: e.numbers == [1])
        assert other.story == "L"
        assert link.state.reconnects == 0


async def test_a_refusal_for_reasons_of_rate_is_given_time(house: House) -> None:
    topic = room()
    house.faults(refuse_joins="DatabaseConnectionRateLimitReached: Too many", topic=topic)
    async with house.link(replace(QUICK, rate_limited_pause=3600)) as link:
        ear = house.ear(link.listen(topic))
        await ear.until(lambda e: bool(e.all(Refused)))
        before = link.state.last_proof or 0
        await proven(link, after=before)
        assert len(ear.events) == 1


async def test_a_topic_that_can_never_be_joined_is_not_tried_again(house: House) -> None:
    topic = room()
    house.faults(refuse_joins="TopicNameRequired: You must provide a topic name", topic=topic)
    async with house.link() as link:
        ear = house.ear(link.listen(topic))
        await ear.until(lambda e: bool(e.all(Refused)))
        assert ear.all(Refused)[0].will_retry is False
        await proven(link, after=link.state.last_proof or 0)
        assert len(ear.events) == 1


async def test_three_hundred_topics_spread_over_several_sockets(house: House) -> None:
    house.limits(max_channels_per_connection=100)
    prefix = room()
    async with house.link(replace(QUICK, channels_per_connection=99)) as link:
        ears = [house.ear(link.listen(f"{prefix}:{n}", private=False)) for n in range(300)]
        for ear in ears:
            await ear.listening()
        assert link.state.connections == 4
        await house.database.execute(
            "select realtime.send(jsonb_build_object('n', n), 'counted', $1 || ':' || n, false)"
            " from generate_series(0, 299) n",
            prefix,
        )
        for number, ear in enumerate(ears):
            await ear.until(lambda e, n=number: e.numbers == [n])
            assert ear.story == "Lm"
        await asyncio.gather(*(ear.close() for ear in ears[99:]))
        await state_of(link, lambda s: s.connections == 1)
        assert link.state.reconnects == 0


async def test_a_server_with_room_for_fewer_gets_more_sockets(house: House) -> None:
    house.limits(max_channels_per_connection=8)
    prefix = room()
    async with house.link(replace(QUICK, channels_per_connection=90)) as link:
        ears = [house.ear(link.listen(f"{prefix}:{n}", private=False)) for n in range(20)]
        for ear in ears:
            await ear.listening()
        for number, _ in enumerate(ears):
            await house.send(f"{prefix}:{number}", number, private=False)
        for number, ear in enumerate(ears):
            await ear.until(lambda e, n=number: e.numbers[-1:] == [n])
        assert link.state.connections >= 3
