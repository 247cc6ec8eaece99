"""Forms in pieces of any size, and the texts and locks of the TUS protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.local.storage.faults import StorageFault
from headway.local.storage.multipart import read_form
from headway.local.storage.resumable.locks import UploadLocks
from headway.local.storage.resumable.protocol import (
    TusFault,
    check_headers,
    format_metadata,
    parse_metadata,
)

# Made of what boundaries are made of, so that near misses are frequent.
_NASTY = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--b", b"\r\n--", b"\r\n--x", b"a", b"\0"]), max_size=30
).map(b"".join)


async def in_pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@given(_NASTY, st.integers(1, 50))
def test_a_file_comes_out_as_it_went_in(content: bytes, size: int) -> None:
    if b"\r\n--boundary" in b"\r\n" + content:
        return
    body = (
        b'--boundary\r\nContent-Disposition: form-data; name="cacheControl"\r\n\r\n60\r\n'
        b'--boundary\r\nContent-Disposition: form-data; name=""; filename="x"\r\n'
        b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--boundary--\r\n"
    )

    async def read() -> bytes:
        form = await read_form("multipart/form-data; boundary=boundary", in_pieces(body, size))
        assert (form.fields, form.content_type) == ({"cacheControl": "60"}, "image/png")
        return b"".join([piece async for piece in form.content])

    assert asyncio.run(read()) == content


@given(st.binary(max_size=300), st.integers(1, 40))
def test_no_body_raises_anything_but_a_fault(body: bytes, size: int) -> None:
    async def read() -> None:
        form = await read_form("multipart/form-data; boundary=b", in_pieces(body, size))
        async for _ in form.content:
            pass

    with pytest.raises(StorageFault):
        asyncio.run(read())


_KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1)


@given(st.dictionaries(_KEYS, st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)))
def test_metadata_survives_its_header(values: dict[str, str | None]) -> None:
    if values:
        assert parse_metadata(format_metadata(values)) == values


@given(st.text())
def test_no_metadata_header_raises_anything_but_a_value_error(text: str) -> None:
    try:
        parse_metadata(text)
    except ValueError:
        pass


@pytest.mark.parametrize("text", ["", ",", "a b c", "a !!!", "a YQ=", "a,a", "ä YQ==", "a YQ==,", "a\tYQ=="])
def test_malformed_metadata(text: str) -> None:
    with pytest.raises(ValueError, match=r"malformed"):
        parse_metadata(text)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 412),
        ({"tus-resumable": "0.2.1"}, 412),
        ({"tus-resumable": "1.0.0", "upload-offset": "+1"}, 400),
        ({"tus-resumable": "1.0.0", "upload-offset": "01"}, 400),
        ({"tus-resumable": "1.0.0", "upload-length": "٣"}, 400),
        ({"tus-resumable": "1.0.0", "upload-length": "9" * 19}, 400),
        ({"tus-resumable": "1.0.0", "upload-defer-length": "2"}, 400),
        ({"tus-resumable": "1.0.0", "content-type": "text/plain"}, 400),
        ({"tus-resumable": "1.0.0", "upload-concat": "final;/a /b"}, 501),
    ],
)
def test_headers_that_break_the_protocol(headers: dict[str, str], status: int) -> None:
    with pytest.raises(TusFault) as refused:
        check_headers("PATCH", headers)
    assert refused.value.status == status


async def test_a_newcomer_asks_the_holder_to_give_way() -> None:
    locks = UploadLocks(5)
    upload = uuid4()
    order: list[str] = []
    holding = asyncio.Event()

    async def first() -> None:
        async with locks.hold(upload) as give_way:
            holding.set()
            await give_way.wait()
            order.append("first gave way")

    async def second() -> None:
        async with locks.hold(upload) as give_way:
            order.append(f"second {give_way.is_set()}")

    task = asyncio.create_task(first())
    await holding.wait()
    assert locks.held(upload)
    await second()
    await task
    assert order == ["first gave way", "second False"]
    assert not locks.held(upload)


async def test_whoever_waits_already_is_newer_than_the_next_holder() -> None:
    locks = UploadLocks(5)
    upload = uuid4()
    seen: list[bool] = []

    async def wait_in_line() -> None:
        async with locks.hold(upload) as give_way:
            seen.append(give_way.is_set())

    async with locks.hold(upload) as give_way:
        line = [asyncio.create_task(wait_in_line()) for _ in range(2)]
        await give_way.wait()
        while locks._locks[upload].users < 3:
            await asyncio.sleep(0)
    await asyncio.gather(*line)
    assert seen == [True, False]


async def test_a_holder_that_does_not_give_way_locks_the_others_out() -> None:
    locks = UploadLocks(0.01)
    upload = uuid4()
    async with locks.hold(upload):
        with pytest.raises(TusFault) as refused:
            async with locks.hold(upload):
                raise AssertionError("two hold one upload")
        assert refused.value.status == 423
        async with locks.hold(uuid4()):
            pass
    async with locks.hold(upload):
        pass
    assert len(locks) == 0
