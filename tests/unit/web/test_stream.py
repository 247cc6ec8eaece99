"""The stream of one browser, over a watch that does what the test says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

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
from headway.web import bearer_token, open_stream, problem
from headway.web.wire import encode, problem_event, read_last_event_id, wire_event
from unit.core.documents import JOB, event, message, snapshot


class Script:
    """A watch that yields what is written: updates, errors, silences."""

    def __init__(self, *steps: Update | Exception | float) -> None:
        self._steps = list(steps)
        self.closed = 0

    async def __anext__(self) -> Update:
        if not self._steps:
            raise StopAsyncIteration
        if isinstance(self._steps[0], float):
            await asyncio.Event().wait()
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, Update)
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
