"""The stream of one browser, over a watch that does what the test says."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from headway.core.answers import BatchSnapshot
from headway.core.feed import Feed, Update
from headway.errors import (
    ConfigError,
    Conflict,
    ConnectFailed,
    Denied,
    HeadwayError,
    InvalidRequest,
    JobFailed,
    NotFound,
    TimedOut,
    TransportError,
)
from headway.web import SseStream, bearer_token, open_stream, problem
from headway.web.stream import _seats
from headway.web.wire import encode, problem_event, read_last_event_id, wire_event
from unit.core.documents import JOB, event, message, snapshot

MOMENT = "2026-01-02T00:00:00+00:00"


class Whose:
    """A connection of somebody, or of a key that speaks for itself."""

    url = "http://project.example"

    def __init__(self, person: str | None) -> None:
        self._person = person

    async def owner(self) -> str | None:
        return self._person


class Script:
    """A watch that yields what is written: updates, errors, silences."""

    def __init__(
        self, *steps: Update | BatchSnapshot | Exception | float, person: str | None = "somebody"
    ) -> None:
        self._steps = list(steps)
        self.closed = 0
        self.connection = Whose(person)

    async def __anext__(self) -> Update | BatchSnapshot:
        if not self._steps:
            raise StopAsyncIteration
        if isinstance(self._steps[0], float):
            await asyncio.Event().wait()
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, Update | BatchSnapshot)
        return step

    async def aclose(self) -> None:
        self.closed += 1


class Client:
    closed = False

    async def close(self) -> None:
        self.closed = True


def updates() -> list[Update]:
    feed = Feed(JOB)
    made = feed.take_snapshot(snapshot(seq=1, revision=1))
    return made + feed.take_message(message(event(2, data={"name": "a", "data": "b\nc"}), seq=2, revision=2))


async def test_what_is_told_is_encoded_and_everything_is_released() -> None:
    script, client = Script(*updates()), Client()
    stream = await open_stream(script, owned=client)  # type: ignore[arg-type]
    frames = [frame async for frame in stream]
    assert [frame.decode().split("\n")[0] for frame in frames] == ["id: 1", "id: 2"]
    assert all(frame.count(b"\n") == 3 and frame.endswith(b"\n\n") for frame in frames)
    assert (script.closed, client.closed) == (1, True)


async def test_trouble_on_the_way_is_told_and_ends_the_stream() -> None:
    script = Script(updates()[0], Denied("the session has ended", hint="Sign in.", code="signed_out"))
    stream = await open_stream(script)  # type: ignore[arg-type]
    frames = [frame.decode() async for frame in stream]
    assert frames[-1].startswith("event: problem\ndata: ")
    assert json.loads(frames[-1].split("data: ")[1])["code"] == "signed_out"
    assert script.closed == 1


async def test_trouble_before_the_first_update_is_raised_and_everything_is_released() -> None:
    script, client = Script(NotFound("no such job")), Client()
    with pytest.raises(NotFound):
        await open_stream(script, owned=client)  # type: ignore[arg-type]
    assert (script.closed, client.closed) == (1, True)


async def test_a_browser_that_goes_in_a_silence_releases_everything() -> None:
    script, client = Script(updates()[0], 0.0), Client()
    stream = await open_stream(script, owned=client, heartbeat=0.01)  # type: ignore[arg-type]
    frames = aiter(stream)
    assert (await anext(frames)).startswith(b"id: 1")
    assert await anext(frames) == b": \n\n"
    waiting = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (script.closed, client.closed) == (1, True)


async def opened(person: str | None, *steps: Any) -> SseStream:
    return await open_stream(Script(*(steps or updates()), person=person))  # type: ignore[arg-type]


async def test_a_person_may_have_so_many_streams_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_STREAMS_PER_PERSON", "3")
    streams = [await opened("ada") for _ in range(3)]
    script, client = Script(*updates(), person="ada"), Client()
    with pytest.raises(TransportError) as full:
        await open_stream(script, owned=client)  # type: ignore[arg-type]
    assert (script.closed, client.closed) == (1, True)
    assert full.value.code == "too_many_streams"
    status, headers, body = problem(full.value)
    assert (status, headers["Retry-After"]) == (429, "5")
    assert "HEADWAY_STREAMS_PER_PERSON" in (body["hint"] or "")
    # Neither other people nor a key that speaks for itself are concerned.
    streams += [await opened("grace"), *[await opened(None) for _ in range(5)]]
    # Whoever closes one, or loses it, may have another.
    await streams.pop(0).aclose()
    streams.append(await opened("ada"))
    with pytest.raises(TransportError):
        await opened("ada")
    del streams[0]
    gc.collect()
    streams.append(await opened("ada"))
    for stream in streams:
        await stream.aclose()
        await stream.aclose()
    assert len(_seats) == 0


async def test_only_whoever_may_watch_takes_a_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token can claim to be anybody's; nobody's streams are used up by one that the project refuses."""
    monkeypatch.setenv("HEADWAY_STREAMS_PER_PERSON", "1")
    for _ in range(3):
        with pytest.raises(Denied):
            await opened("ada", Denied("the token is forged"))
    stream = await opened("ada")
    await stream.aclose()


async def test_any_number_of_streams_may_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_STREAMS_PER_PERSON", "0")
    streams = [await opened("ada") for _ in range(50)]
    for stream in streams:
        await stream.aclose()
    assert len(_seats) == 0


async def test_the_end_of_a_batch_is_told_once() -> None:
    counts = {"id": str(JOB), "name": None, "total": 1, "failed": 0, "cancelled": 0, "at": MOMENT}
    open_, ended = (
        BatchSnapshot.model_validate({**counts, "completed": n, "finished_at": at, "percent": 100 * n})
        for n, at in ((0, None), (1, MOMENT))
    )
    frames = [frame.decode() async for frame in await opened("ada", open_, ended)]
    assert not frames[0].startswith("id:")
    last = frames[1].split("\n")[0].removeprefix("id: ")
    for seen, status in ((last, 204), (None, 200), ("another", 200)):
        stream = await open_stream(Script(ended), seen)  # type: ignore[arg-type]
        assert stream.status == status
        await stream.aclose()
    # One that was opened again by a retry goes on.
    stream = await open_stream(Script(open_), last)  # type: ignore[arg-type]
    assert stream.status == 200
    await stream.aclose()


def test_the_data_say_what_the_page_says_they_do() -> None:
    data = json.loads(wire_event(updates()[1]).data)
    assert data["id"] == str(JOB)
    assert set(data) == {
        *("id", "kind", "seq", "status", "percent", "stage", "message", "metrics", "run", "attempt"),
        *("run_at", "error", "eta", "event", "ended"),
    }
    assert data["event"]["data"] == {"name": "a", "data": "b\nc"}
    assert encode(wire_event(updates()[1])).count(b"\n") == 3, "no text breaks out of its line"


@pytest.mark.parametrize(("text", "seq"), [(None, None), ("", None), ("0", 0), ("17", 17)])
def test_a_last_event_id(text: str | None, seq: int | None) -> None:
    assert read_last_event_id(text) == seq


@pytest.mark.parametrize("text", ["-1", "1.0", "x", "٣", "1" * 10, "1\n2"])
def test_no_last_event_id(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_last_event_id(text)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound(), 404),
        (Denied(), 403),
        (Denied(code="PGRST303"), 401),
        (Conflict(), 409),
        (InvalidRequest(), 422),
        (InvalidRequest(status=413), 413),
        (JobFailed(), 409),
        (TimedOut(), 504),
        (TransportError(), 503),
        (HeadwayError(), 500),
    ],
)
def test_every_error_has_a_status(error: HeadwayError, status: int) -> None:
    found, _, body = problem(error)
    assert found == status
    assert set(body) == {"code", "message", "details", "hint"}


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("SUPABASE_URL: http://10.0.0.7 is wrong", hint="Set it.", code="x"),
        ConnectFailed("10.0.0.7 could not be reached", hint="Check SUPABASE_URL."),
        TimedOut("10.0.0.7 did not answer in time"),
    ],
)
def test_the_servers_own_faults_are_not_told_to_strangers(error: HeadwayError) -> None:
    status, _, body = problem(error)
    event = problem_event(error)
    assert status in (500, 503, 504)
    assert json.loads(event.data)["code"] == error.code
    for told in (json.dumps(body), event.data):
        assert "10.0.0.7" not in told
        assert "SUPABASE_URL" not in told


def test_when_to_come_again() -> None:
    _, headers, _ = problem(TransportError(retry_after=1.2))
    assert headers == {"Retry-After": "2"}


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"Authorization": "Bearer a.b-c_d"}, "a.b-c_d"),
        ({"authorization": "bearer x"}, "x"),
        ({}, None),
        ({"Authorization": "Basic eA=="}, None),
        ({"Authorization": "Bearer "}, None),
        ({"Authorization": "Bearer a b"}, None),
        ({"Authorization": "Bearer a\r\nX: y"}, None),
    ],
)
def test_the_token_of_a_request(headers: dict[str, Any], token: str | None) -> None:
    if token is None:
        with pytest.raises(Denied) as refusal:
            bearer_token(headers)
        assert refusal.value.code == "not_signed_in"
    else:
        assert bearer_token(headers) == token
