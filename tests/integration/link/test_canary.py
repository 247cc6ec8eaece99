"""How a connection is proven when the best proof is not to be had, and who may use the canary's topic."""

from __future__ import annotations

import uuid
from dataclasses import replace

from headway.link import Refused

from .harness import IMPATIENT, QUICK, House, proven, room, state_of


async def test_without_the_migration_a_public_canary_does(house: House) -> None:
    subject, topic = str(uuid.uuid4()), room()

    async def token() -> str:
        return house.token(subject)

    house.faults(refuse_joins="Unauthorized: You do not have permissions", topic=f"canary:{subject}")
    async with house.link(key=house.stack.keys.publishable_key, token=token) as link:
        ear = house.ear(link.listen(topic, private=False))
        await ear.listening()
        assert (await proven(link)).proof == "public canary"
        # Deafness is noticed by it too, and the better proof is not asked for at each reconnect.
        house.drop(topic)
        await ear.listening(2)
        assert (await proven(link, after=link.state.since)).proof == "public canary"
        assert link.state.reconnects == 1


async def test_without_public_channels_either_any_answer_does(house: House) -> None:
    subject = str(uuid.uuid4())

    async def token() -> str:
        return house.token(subject)

    house.limits(private_only=True)
    house.faults(refuse_joins="Unauthorized: You do not have permissions", topic=f"canary:{subject}")
    async with house.link(IMPATIENT, key=house.stack.keys.publishable_key, token=token) as link:
        topic = f"user:{subject}:jobs"
        ear = house.ear(link.listen(topic))
        await ear.listening()
        assert (await proven(link)).proof == "answer"
        await proven(link, after=link.state.last_proof or 0)
        house.faults(silent=True)
        await state_of(link, lambda s: s.status == "deaf")
        house.faults(silent=False)
        await ear.listening(2)
        await proven(link)


async def test_a_replacement_tries_for_the_best_proof_again(house: House) -> None:
    subject = str(uuid.uuid4())

    async def token() -> str:
        return house.token(subject)

    house.faults(refuse_joins="Unauthorized: You do not have permissions", topic=f"canary:{subject}")
    policy = replace(QUICK, max_connection_age=0.5)
    async with house.link(policy, key=house.stack.keys.publishable_key, token=token) as link:
        await state_of(link, lambda s: s.proof == "public canary")
        house.faults(refuse_joins="")
        await state_of(link, lambda s: s.proof == "canary")


async def test_a_canary_that_may_listen_and_not_send_gives_way_to_a_public_one(house: House) -> None:
    subject = str(uuid.uuid4())

    async def token() -> str:
        return house.token(subject)

    house.faults(lose=1.0, topic=f"canary:{subject}")
    async with house.link(IMPATIENT, key=house.stack.keys.publishable_key, token=token) as link:
        assert (await proven(link)).proof == "public canary"
        assert link.state.reconnects == 0


async def test_a_server_without_its_database_is_left_for_another(house: House) -> None:
    house.faults(refuse_joins="UnableToConnectToProject: Realtime was unable to connect", topic="")
    async with house.link() as link:
        ear = house.ear(link.listen(room()))
        state = await state_of(link, lambda s: s.reconnects >= 2)
        assert state.status == "connecting"
        assert "UnableToConnectToProject" in (state.last_error or "")
        house.faults(refuse_joins="")
        await ear.listening()
        await proven(link)
        assert set(ear.story) <= {"L", "R"}


async def test_the_topic_is_for_its_subject_alone(house: House) -> None:
    mine, theirs = str(uuid.uuid4()), str(uuid.uuid4())

    async def token() -> str:
        return house.token(mine)

    async with house.link(key=house.stack.keys.publishable_key, token=token) as link:
        for topic in (f"canary:{mine}", f"canary:{mine}:{uuid.uuid4()}"):
            ear = house.ear(link.listen(topic))
            await ear.listening()
            await ear.close()
        for topic in (
            f"canary:{theirs}",
            f"canary:{theirs}:{mine}",
            "canary:",
            f"canary:{mine[:-1]}",
            f"x:{mine}",
        ):
            ear = house.ear(link.listen(topic))
            await ear.until(lambda e: bool(e.all(Refused)))
            assert ear.all(Refused)[0].code == "Unauthorized"
            await ear.close()
    async with house.link(key=house.stack.keys.publishable_key) as link:
        ear = house.ear(link.listen(f"canary:{mine}"))
        await ear.until(lambda e: bool(e.all(Refused)))
