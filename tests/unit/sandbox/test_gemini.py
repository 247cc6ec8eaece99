"""Google's own client library, unmodified, against the sandbox's Gemini."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from google.genai.errors import APIError, ClientError, ServerError
from pydantic import BaseModel

from headway.sandbox.environment import SANDBOX_KEYS
from headway.sandbox.server import SandboxServer
from support.paying import Purse
from workers.cv.extraction import CvBiography, CvExtraction
from workers.llm import Prompt, gemini_model, openai_model
from workers.video.outline import ChapterOutline
from workers.video.samples.make_sample import make_video
from workers.video.segments import TranscriptWindow

MODEL = "gemini-2.5-flash"


class Person(BaseModel):
    name: str
    age: int | None = None
    tags: list[str] = []


@pytest.fixture
def client(sandbox_server: SandboxServer) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=sandbox_server.environment["GEMINI_BASE_URL"])
    made = genai.Client(api_key=SANDBOX_KEYS["GEMINI_API_KEY"], http_options=options)
    yield made
    made.close()


@asynccontextmanager
async def _asking(server: SandboxServer, key: str = SANDBOX_KEYS["GEMINI_API_KEY"]) -> AsyncIterator[Any]:
    # Given an httpx client, the library leaves aiohttp alone, whose latest version warns of how it is used.
    async with httpx.AsyncClient() as http:
        options = types.HttpOptions(base_url=server.environment["GEMINI_BASE_URL"], httpx_async_client=http)
        made = genai.Client(api_key=key, http_options=options)
        yield made.aio
        made.close()


@pytest.fixture
async def asking(sandbox_server: SandboxServer) -> AsyncIterator[Any]:
    async with _asking(sandbox_server) as client:
        yield client


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "tour.mp4")


def _uploaded(client: genai.Client, path: Path, name: str | None = None) -> types.File:
    file = client.files.upload(file=path, config={"mime_type": "video/mp4", "name": name})
    assert (file.state, file.size_bytes) == (types.FileState.PROCESSING, path.stat().st_size)
    assert file.name is not None
    first = client.files.get(name=file.name)
    assert first.state == types.FileState.PROCESSING
    return client.files.get(name=file.name)


def test_a_video_is_uploaded_looked_at_and_deleted(client: genai.Client, video: Path) -> None:
    file = _uploaded(client, video, "files/tour-1")
    assert (file.name, file.state, file.mime_type) == ("files/tour-1", types.FileState.ACTIVE, "video/mp4")
    assert file.video_metadata is not None
    assert file.video_metadata["videoDuration"].startswith("24")
    assert [each.name for each in client.files.list()] == ["files/tour-1"]
    with pytest.raises(ClientError, match="already exists"):
        client.files.upload(file=video, config={"mime_type": "video/mp4", "name": "files/tour-1"})
    client.files.delete(name="files/tour-1")
    with pytest.raises(ClientError) as refused:
        client.files.get(name="files/tour-1")
    assert refused.value.code == 403


def test_a_large_file_comes_in_pieces(client: genai.Client) -> None:
    content = b"x" * (20 * 1024 * 1024 + 7)
    file = client.files.upload(file=io.BytesIO(content), config={"mime_type": "application/octet-stream"})
    assert file.size_bytes == len(content)
    assert file.name is not None
    client.files.delete(name=file.name)


def test_what_is_no_video_fails(client: genai.Client) -> None:
    file = client.files.upload(file=io.BytesIO(b"not a video"), config={"mime_type": "video/mp4"})
    assert file.name is not None
    client.files.get(name=file.name)
    failed = client.files.get(name=file.name)
    assert failed.state == types.FileState.FAILED
    assert failed.error is not None
    client.files.delete(name=file.name)


async def test_a_transcript_is_what_the_video_says(
    client: genai.Client, asking: Any, video: Path, sandbox_server: SandboxServer
) -> None:
    file = _uploaded(client, video)
    assert file.name is not None
    part = types.Part(
        file_data=types.FileData(file_uri=file.uri, mime_type="video/mp4"),
        video_metadata=types.VideoMetadata(start_offset="0s", end_offset="10s"),
    )
    answer = await asking.models.generate_content(
        model=MODEL,
        contents=[part, "Write down what is said."],
        config=types.GenerateContentConfig(
            response_mime_type="application/json", response_schema=TranscriptWindow
        ),
    )
    window = answer.parsed
    assert isinstance(window, TranscriptWindow)
    assert (window.language, len(window.segments)) == ("en", 3)
    assert window.segments[1].spoken.startswith("First, open the calendar")
    assert (window.segments[1].start, window.segments[1].end) == ("00:04.000", "00:09.000")
    assert window.segments[0].visual.endswith("picture.")
    assert answer.model_version == f"{MODEL}-sandbox"
    ledger = sandbox_server.sandbox.ledger
    assert ledger.quantity("gemini", unit="audio_input_token") == 320
    assert ledger.quantity("gemini", unit="input_token") == answer.usage_metadata.prompt_token_count - 320
    assert ledger.total("gemini") > 0
    client.files.delete(name=file.name)


@pytest.mark.parametrize("form", ["responseSchema", "responseJsonSchema"])
async def test_structured_answers_fit_their_schema(asking: Any, form: str) -> None:
    given: dict[str, Any] = (
        {"response_schema": Person}
        if form == "responseSchema"
        else {"response_json_schema": Person.model_json_schema()}
    )
    answer = await asking.models.generate_content(
        model=MODEL,
        contents="<document>\nName: Ada\nTags: a, b\n</document>",
        config=types.GenerateContentConfig(response_mime_type="application/json", **given),
    )
    assert Person.model_validate_json(answer.text) == Person(name="Ada", tags=["a", "b"])


async def test_text_is_streamed(asking: Any) -> None:
    said = "".join(f"Sentence number {n} of a long text. " for n in range(30))
    pieces = [
        piece async for piece in await asking.models.generate_content_stream(model=MODEL, contents=said)
    ]
    assert len(pieces) > 1
    assert "Headway sandbox" in "".join(piece.text or "" for piece in pieces)
    assert pieces[-1].candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("429", 429, "RESOURCE_EXHAUSTED"), ("quota", 429, "RESOURCE_EXHAUSTED"), ("500", 500, "INTERNAL"),
        ("503", 503, "UNAVAILABLE"), ("context_length", 400, "INVALID_ARGUMENT"),
    ],
)  # fmt: skip
async def test_refusals_have_googles_shape(
    asking: Any, sandbox_server: SandboxServer, kind: Any, code: int, status: str
) -> None:
    sandbox_server.sandbox.faults.add(kind, provider="gemini", retry_after=2, times=1)
    with pytest.raises((ClientError, ServerError)) as refused:
        await asking.models.generate_content(model=MODEL, contents="Hello")
    assert (refused.value.code, refused.value.status) == (code, status)
    if kind == "429":
        assert refused.value.response.headers["retry-after"] == "2"


@pytest.mark.parametrize(("most", "refused"), [(959, False), (961, True)])
async def test_lists_with_too_much_room_are_refused_without_a_word(
    asking: Any, most: int, refused: bool
) -> None:
    words = {"type": "array", "items": {"type": "string"}, "maxItems": most - 1}
    few = {"type": "array", "items": {"type": "string"}, "maxItems": 1}
    config = {
        "response_mime_type": "application/json",
        "response_json_schema": {"type": "object", "properties": {"words": words, "few": few}},
    }
    asked = asking.models.generate_content(model=MODEL, contents="Hello", config=config)
    if refused:
        with pytest.raises(ClientError, match="Request contains an invalid argument"):
            await asked
    else:
        assert (await asked).text


@pytest.mark.parametrize(
    ("kind", "finish"),
    [("truncated", types.FinishReason.MAX_TOKENS), ("refusal", types.FinishReason.SAFETY)],
)
async def test_answers_that_end_early(
    asking: Any, sandbox_server: SandboxServer, kind: Any, finish: Any
) -> None:
    sandbox_server.sandbox.faults.add(kind, provider="gemini", times=1)
    answer = await asking.models.generate_content(model=MODEL, contents="Hello there. How are you?")
    assert answer.candidates[0].finish_reason == finish


async def test_a_blocked_prompt_has_no_answer(asking: Any, sandbox_server: SandboxServer) -> None:
    sandbox_server.sandbox.faults.add("content_filter", provider="gemini", times=1)
    answer = await asking.models.generate_content(model=MODEL, contents="Hello")
    assert answer.candidates is None
    assert answer.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


async def test_only_the_sandboxs_own_key_is_taken(sandbox_server: SandboxServer) -> None:
    async with _asking(sandbox_server, "AIza-a-real-looking-key") as asking:
        with pytest.raises(APIError, match="API key not valid"):
            await asking.models.generate_content(model=MODEL, contents="Hello")


CARD = """<document>
Ada Lovelace
ada@example.com

Experience
Analyst, Analytical Engines Ltd, 2019-03 – Present
</document>"""


@pytest.mark.parametrize("schema", [CvExtraction, CvBiography, ChapterOutline, Person])
async def test_every_task_has_the_same_answer_from_either_provider(
    sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch, schema: type[BaseModel]
) -> None:
    for name, value in sandbox_server.environment.items():
        monkeypatch.setenv(name, value)
    answers = []
    for chosen in (openai_model, gemini_model):
        async with chosen() as model:
            answers.append(await model.complete(Prompt(user=CARD), schema=schema, ctx=Purse()))
    assert answers[0] == answers[1]
    assert isinstance(answers[0], schema)
