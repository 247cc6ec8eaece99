"""Webhooks: signed, at least once, in spite of what receivers do, and never to where they must not go."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headway import Denied, TransportError, verify_webhook
from headway.link import RealtimeLink
from headway.worker.notifier import Notifier
from headway.worker.observations import Observations
from headway.worker.outbox_wake import OutboxWake
from headway.worker.service import ServiceContext
from headway.worker.side_services import side_services
from support.service_life import stress_start_and_stop

from .harness import Bench, Receiver, Request, Told, answer, receiver


@asynccontextmanager
async def notifying(
    bench: Bench, told: Told, *, settings: Mapping[str, Any] | None = None
) -> AsyncIterator[ServiceContext]:
    """A worker's notifier at work."""
    context = bench.context(settings=settings, observations=Observations([told]))
    (notifier,) = [service for service in side_services(context) if isinstance(service, Notifier)]
    await notifier.start()
    try:
        context.agenda.put("deliveries", 0)
        yield context
    finally:
        await notifier.stop()


async def due_now(bench: Bench, context: ServiceContext) -> None:
    """Whatever waits for its next attempt is due at once."""
    await bench.admin.execute("update headway.outbox set due_at = now() where status = 'pending'")
    context.agenda.put("deliveries", 0)


async def test_the_end_of_a_job_arrives_signed(bench: Bench, hook: Receiver, told: Told) -> None:
    endpoint = await bench.endpoint(f"{hook.url}/jobs?x=1")
    (job_id,) = await bench.end_jobs(
        error={"code": "file_encrypted", "message": "Ünlesbar", "hint": "Remove it."}
    )
    async with notifying(bench, told):
        await told.until(lambda: ("webhook", "delivered") in told.deliveries)
    (request,) = hook.requests
    webhook = verify_webhook(request.body, request.headers, endpoint["secret"])
    assert (webhook.type, webhook.data["job_id"]) == ("job.failed", job_id)
    assert webhook.data["error"]["message"] == "Ünlesbar"
    assert request.path == "/jobs?x=1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Headway/")
    with pytest.raises(Denied):
        verify_webhook(request.body, request.headers, "whsec_" + "A" * 44)
    (message,) = await bench.messages(endpoint)
    assert (message["status"], message["attempts"], message["last_status_code"]) == ("delivered", 1, 204)
    assert str(message["id"]) == webhook.id


async def test_both_secrets_sign_while_one_is_replaced(bench: Bench, hook: Receiver, told: Told) -> None:
    endpoint = await bench.endpoint(hook.url)
    fresh = await bench.store.call("rotate_endpoint_secret", {"endpoint_id": endpoint["id"]})
    await bench.end_jobs()
    async with notifying(bench, told):
        request = await asyncio.wait_for(hook.arrived.get(), 30)
    for secret in (endpoint["secret"], fresh):
        assert verify_webhook(request.body, request.headers, secret).type == "job.completed"


async def test_what_fails_comes_again_as_the_same_message(bench: Bench, hook: Receiver, told: Told) -> None:
    statuses = iter([500, 404, 200])

    async def fail_twice(_request: Request) -> bytes:
        return answer(next(statuses))

    hook.behaviour = fail_twice
    endpoint = await bench.endpoint(hook.url)
    await bench.end_jobs()
    async with notifying(bench, told) as context:
        for attempt in (1, 2):
            await told.until(lambda n=attempt: told.deliveries.count(("webhook", "retry")) == n)
            await _reported(bench, endpoint, "pending")
            await due_now(bench, context)
        await told.until(lambda: ("webhook", "delivered") in told.deliveries)
    assert len({request.headers["webhook-id"] for request in hook.requests}) == 1
    assert len({request.body for request in hook.requests}) == 1
    for request in hook.requests:
        verify_webhook(request.body, request.headers, endpoint["secret"])
    (message,) = await bench.messages(endpoint)
    assert (message["status"], message["attempts"]) == ("delivered", 3)


async def _reported(bench: Bench, endpoint: Mapping[str, Any], status: str) -> Any:
    """The endpoint's only message, once it is reported."""
    async with asyncio.timeout(20):
        while True:
            (message,) = await bench.messages(endpoint)
            if message["status"] == status:
                return message
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("reply", "status", "code", "words"),
    [
        (answer(410), "dead", 410, "gone"),
        (answer(429, retry_after="600"), "pending", 429, "HTTP 429"),
        (answer(302, location="http://127.0.0.1:1/"), "pending", 302, "redirects are not followed"),
        (b"HTTP/1.1 200", "pending", None, "connection"),
        (b"\x00garbage\r\n\r\n", "pending", None, "connection"),
        (b"", "pending", None, "connection"),
    ],
    ids=["gone", "busy", "moved", "half an answer", "garbage", "nothing"],
)
async def test_answers_other_than_yes(
    bench: Bench, hook: Receiver, told: Told, reply: bytes, status: str, code: int | None, words: str
) -> None:
    async def behave(_request: Request) -> bytes:
        return reply

    hook.behaviour = behave
    endpoint = await bench.endpoint(f"{hook.url}/secret-path")
    await bench.end_jobs()
    async with notifying(bench, told):
        await told.until(lambda: bool(told.deliveries))
    (message,) = await bench.messages(endpoint)
    assert (message["status"], message["last_status_code"]) == (status, code)
    assert words in message["last_error"]
    assert "secret-path" not in message["last_error"]
    if code == 429:
        wait = await bench.admin.fetchval(
            "select due_at - now() from headway.outbox where id = $1", message["id"]
        )
        assert wait.total_seconds() > 500


async def test_a_redirect_inside_is_not_followed(bench: Bench, hook: Receiver, told: Told) -> None:
    async with receiver() as inside:

        async def lead_astray(_request: Request) -> bytes:
            return answer(307, location=f"{inside.url}/admin")

        hook.behaviour = lead_astray
        await bench.endpoint(hook.url)
        await bench.end_jobs()
        async with notifying(bench, told):
            await told.until(lambda: ("webhook", "retry") in told.deliveries)
        assert inside.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:127.0.0.1]/",
        "http://192.0.2.1/",
    ],
)
async def test_private_addresses_are_not_reached_whatever_the_database_holds(
    bench: Bench, told: Told, target: str
) -> None:
    endpoint = await bench.endpoint("https://hooks.example.com/")
    await bench.admin.execute(
        "update headway.notification_endpoints set target = $2 where id = $1",
        uuid.UUID(endpoint["id"]),
        target,
    )
    await bench.end_jobs()
    async with notifying(bench, told):
        await told.until(lambda: bool(told.deliveries))
    assert told.deliveries == [("webhook", "dead")]
    (message,) = await bench.messages(endpoint)
    assert message["last_error"]


async def test_this_machine_is_for_projects_that_admit_it(bench: Bench, hook: Receiver, told: Told) -> None:
    endpoint = await bench.endpoint(hook.url)
    await bench.admin.execute("update headway.notification_settings set allow_loopback = false where id")
    await bench.end_jobs()
    async with notifying(bench, told):
        await told.until(lambda: bool(told.deliveries))
    assert told.deliveries == [("webhook", "dead")]
    assert hook.requests == []
    # An origin that the operator names is reached all the same.
    await bench.store.call("redeliver", {"message_id": str((await bench.messages(endpoint))[0]["id"])})
    async with notifying(bench, told, settings={"webhook_origins": (hook.url,)}):
        await told.until(lambda: ("webhook", "delivered") in told.deliveries)
    assert len(hook.requests) == 1


async def test_a_slow_receiver_holds_nobody_else_up(bench: Bench, hook: Receiver, told: Told) -> None:
    release = asyncio.Event()

    async def by_path(request: Request) -> bytes:
        if request.path == "/slow":
            await release.wait()
        return answer(200)

    hook.behaviour = by_path
    slow = await bench.endpoint(f"{hook.url}/slow")
    quick = await bench.endpoint(f"{hook.url}/quick")
    await bench.end_jobs(5)
    async with notifying(bench, told, settings={"webhook_timeout": 120}) as context:
        await told.until(lambda: told.deliveries.count(("webhook", "delivered")) == 5)
        await bench.end_jobs(3)
        context.agenda.put("deliveries", 0)
        await told.until(lambda: told.deliveries.count(("webhook", "delivered")) == 8)
        assert {m["status"] for m in await bench.messages(slow)} == {"delivering"}
        release.set()
        await told.until(lambda: told.deliveries.count(("webhook", "delivered")) == 16)
    assert {m["status"] for m in (*await bench.messages(slow), *await bench.messages(quick))} == {"delivered"}


async def test_a_receiver_that_drips_is_given_up_in_time(bench: Bench, hook: Receiver, told: Told) -> None:
    never = asyncio.Event()

    async def hang(_request: Request) -> bytes:
        await never.wait()
        return b""

    hook.behaviour = hang
    endpoint = await bench.endpoint(hook.url)
    await bench.end_jobs()
    async with notifying(bench, told, settings={"webhook_timeout": 0.3}):
        await told.until(lambda: ("webhook", "retry") in told.deliveries)
    (message,) = await bench.messages(endpoint)
    assert (message["status"], message["last_error"]) == ("pending", "no answer within 0.3 s")


async def test_many_workers_send_each_message_once(bench: Bench, hook: Receiver, told: Told) -> None:
    endpoint = await bench.endpoint(hook.url)
    await bench.end_jobs(120)
    async with (
        notifying(bench, told),
        notifying(bench, told),
        notifying(bench, told),
        notifying(bench, told),
    ):
        # Each looks once: whatever one of them is too late for, another has taken.
        await told.until(lambda: len(told.deliveries) >= 120, timeout=60)
    ids = [request.headers["webhook-id"] for request in hook.requests]
    assert len(ids) == len(set(ids)) == 120
    assert {m["status"] for m in await bench.messages(endpoint)} == {"delivered"}


async def test_what_a_dead_worker_had_claimed_is_sent_by_another(
    bench: Bench, hook: Receiver, told: Told
) -> None:
    endpoint = await bench.endpoint(hook.url)
    await bench.end_jobs()
    claimed = await bench.store.call(
        "claim_outbox", {"worker_id": str(uuid.uuid4()), "request_id": str(uuid.uuid4()), "max_messages": 500}
    )
    assert [m["endpoint_id"] for m in claimed] == [endpoint["id"]]
    async with notifying(bench, told) as context:
        await bench.admin.execute("update headway.outbox set due_at = now() where status = 'delivering'")
        context.agenda.put("deliveries", 0)
        await told.until(lambda: ("webhook", "delivered") in told.deliveries)
    (message,) = await bench.messages(endpoint)
    assert (message["status"], message["attempts"]) == ("delivered", 2)


async def test_stopping_reports_what_is_on_its_way(bench: Bench, hook: Receiver, told: Told) -> None:
    proceed = asyncio.Event()

    async def wait(_request: Request) -> bytes:
        await proceed.wait()
        return answer(200)

    hook.behaviour = wait
    endpoint = await bench.endpoint(hook.url)
    await bench.end_jobs()
    context = bench.context(observations=Observations([told]))
    (notifier,) = [service for service in side_services(context) if isinstance(service, Notifier)]
    await notifier.start()
    context.agenda.put("deliveries", 0)
    await asyncio.wait_for(hook.arrived.get(), 30)
    stopping = asyncio.create_task(notifier.stop())
    await asyncio.sleep(0)
    proceed.set()
    await stopping
    (message,) = await bench.messages(endpoint)
    assert message["status"] == "delivered"


async def test_stopping_delivers_what_was_being_claimed(
    bench: Bench, hook: Receiver, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would wait until its lease has run out."""
    endpoint = await bench.endpoint(hook.url)
    await bench.end_jobs()
    call, claimed, proceed = bench.store.call, asyncio.Event(), asyncio.Event()

    async def slowly(function: str, *arguments: Any, **options: Any) -> Any:
        answer = await call(function, *arguments, **options)
        if function == "claim_outbox":
            claimed.set()
            await proceed.wait()
        return answer

    monkeypatch.setattr(bench.store, "call", slowly)
    context = bench.context(observations=Observations([told]))
    (notifier,) = [service for service in side_services(context) if isinstance(service, Notifier)]
    await notifier.start()
    context.agenda.put("deliveries", 0)
    await asyncio.wait_for(claimed.wait(), 30)
    stopping = asyncio.create_task(notifier.stop())
    await asyncio.sleep(0)
    proceed.set()
    await stopping
    (message,) = await bench.messages(endpoint)
    assert message["status"] == "delivered"


async def test_an_outage_of_the_engine_is_outlived(bench: Bench, hook: Receiver, told: Told) -> None:
    await bench.endpoint(hook.url)
    await bench.end_jobs()
    bench.store.failure = TransportError("away", code="connect_failed")
    async with notifying(bench, told):
        await told.until(lambda: ("notifier", "connect_failed") in told.failures)
        assert hook.requests == []
        bench.store.failure = None
        await told.until(lambda: ("webhook", "delivered") in told.deliveries)


async def test_a_new_message_wakes_who_delivers(bench: Bench, hook: Receiver, told: Told) -> None:
    await bench.endpoint(hook.url)
    async with RealtimeLink(bench.stack.url, bench.stack.keys.secret_key) as link:
        context = bench.context(observations=Observations([told]), link=link)
        services = [s for s in side_services(context) if isinstance(s, (Notifier, OutboxWake))]
        assert len(services) == 2
        for service in services:
            await service.start()
        try:
            async with link.listen("outbox") as heard:
                await asyncio.wait_for(anext(heard), 30)  # the server listens
            # Should the first end come before the service's own topic is joined, its listening finds it.
            await bench.end_jobs()
            await asyncio.wait_for(hook.arrived.get(), 30)
            await bench.end_jobs()
            await asyncio.wait_for(hook.arrived.get(), 30)
        finally:
            for service in services:
                await service.stop()


async def test_e_mails_are_left_to_workers_with_a_mail_server(
    bench: Bench, told: Told, hook: Receiver
) -> None:
    email = await bench.endpoint("ops@example.com", channel="email")
    await bench.endpoint(hook.url)
    await bench.end_jobs()
    async with notifying(bench, told):
        await told.until(lambda: ("webhook", "delivered") in told.deliveries)
    (message,) = await bench.messages(email)
    assert (message["status"], message["attempts"]) == ("pending", 0)


async def test_what_others_must_deliver_is_not_asked_for_at_every_sweep(bench: Bench, told: Told) -> None:
    await bench.endpoint("ops@example.com", channel="email")
    await bench.end_jobs()

    async def asked(times: int) -> None:
        async with asyncio.timeout(30):
            while bench.store.calls.count("claim_outbox") < times:
                await asyncio.sleep(0.01)

    async with notifying(bench, told) as context:
        await asked(1)
        context.agenda.put("deliveries", 0)
        await asked(2)
        async with asyncio.timeout(30):
            while context.agenda.anything_due:
                context.agenda.put("deliveries", 0)
                await asyncio.sleep(0.01)
        # A message about something new is another matter.
        context.agenda.bring_forward("deliveries")
        await asked(3)


async def test_life(bench: Bench) -> None:
    def build() -> Notifier:
        context = bench.context()
        context.agenda.put("deliveries", 0)
        (notifier,) = [service for service in side_services(context) if isinstance(service, Notifier)]
        return notifier

    await stress_start_and_stop(build)
    link = RealtimeLink(bench.stack.url, bench.stack.keys.secret_key)
    async with link, link.listen("outbox") as heard:
        await asyncio.wait_for(anext(heard), 30)
        context = bench.context()
        await stress_start_and_stop(lambda: OutboxWake(link, context.agenda, context.observations))
