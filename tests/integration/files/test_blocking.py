"""The same files without an event loop."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from headway import Headway, TransferProgress
from headway.errors import NotFound

from .conftest import House, Party

MIB = 1024 * 1024


@pytest.fixture
def hw(house: House, ada: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HEADWAY_RESUME_DIR", str(tmp_path / "resume"))
    with Headway(url=ada.url, key=ada.key, access_token=ada.token) as made:
        yield made


async def test_files_move_beside_a_running_loop(hw: Headway, ada: Party, tmp_path: Path) -> None:
    content = os.urandom(7 * MIB)
    (tmp_path / "a.bin").write_bytes(content)
    told: list[TransferProgress] = []
    ref = hw.upload(tmp_path / "a.bin", on_progress=told.append)
    assert told[-1].done == 7 * MIB
    assert hw.download(ref, tmp_path / "b.bin").read_bytes() == content
    assert hw.storage.read(ref) == content
    assert b"".join(hw.storage.stream(ref)) == content
    pieces = hw.storage.stream(ref)
    assert next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    signed = hw.storage.signed_upload(f"{ada.user_id}/signed.bin")
    assert hw.storage.read(hw.storage.upload_signed(signed, b"by right")) == b"by right"
    assert hw.signed_url(ref).startswith(ada.url)
    assert len(hw.storage.remove([ref])) == 1
    with pytest.raises(NotFound):
        hw.storage.read(ref)
    assert [t.name for t in threading.enumerate() if t.name == "headway"] == ["headway"]
