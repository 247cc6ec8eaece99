"""Paths, sources, parts of downloads and the memory of uploads, without a server."""

from __future__ import annotations

import hashlib
import io
import os
import time
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.client.files.digest import RunningDigest
from headway.client.files.part_file import PartFile
from headway.client.files.paths import check_bucket, check_path, default_path, local_target, storable_name
from headway.client.files.patience import pause_after
from headway.client.files.resume_store import ResumeStore, Unfinished
from headway.client.files.signed import read_signed_upload
from headway.client.files.source import content_type_of, opened
from headway.errors import InvalidRequest, TransportError

ME = "6f1c0b56-0d0f-4c62-9a5e-3b8a3f0f9d5b"


class TestPaths:
    @given(st.text(max_size=300))
    def test_any_name_becomes_one_that_storage_keeps(self, name: str) -> None:
        made = storable_name(name)
        assert check_path(f"{ME}/{made}", bucket="cvs", owner=ME)
        assert "/" not in made
        assert len(made) <= 140

    @pytest.mark.parametrize(
        ("name", "stored"),
        [
            ("Lebenslauf Ärztin.pdf", "Lebenslauf_Arztin.pdf"),
            ("../../etc/passwd", "etc_passwd"),
            ("日本.docx", "file.docx"),
            ("", "file"),
            (".env", "file.env"),
            ("a" * 300 + ".pdf", "a" * 120 + ".pdf"),
        ],
    )
    def test_names(self, name: str, stored: str) -> None:
        assert storable_name(name) == stored

    def test_a_path_of_ones_own(self) -> None:
        assert default_path("a.pdf", owner=ME, organization_id=None, folder="f") == f"{ME}/f/a.pdf"
        organization = uuid4()
        assert (
            default_path("a", owner=ME, organization_id=organization, folder="f") == f"org/{organization}/f/a"
        )
        with pytest.raises(InvalidRequest, match="path: is missing"):
            default_path("a", owner=None, organization_id=None, folder=None)

    def test_a_projects_own_buckets_have_their_own_rules(self) -> None:
        assert check_path("avatars/ada.png", bucket="public-images", owner=ME)
        assert check_path("anything/x", bucket="cvs", owner=None)

    @pytest.mark.parametrize("bucket", ["", "a/b", "..", "x" * 101, "a\n"])
    def test_no_bucket(self, bucket: str) -> None:
        with pytest.raises(InvalidRequest):
            check_bucket(bucket)

    @pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\\b", "..", "", "a\nb", "x/y"])
    def test_no_download_leaves_its_folder(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(InvalidRequest):
            local_target(tmp_path, name)
        assert local_target(tmp_path / "named", name) == tmp_path / "named"


class TestSource:
    async def test_a_digest_counts_every_byte_once_whatever_is_sent_twice(self) -> None:
        content = os.urandom(3_000_000)
        async with opened(content) as source:
            digest = RunningDigest(source)
            for start, length in (
                (0, 500_000),
                (250_000, 500_000),
                (0, 100),
                (1_000_000, 10),
                (400_000, 700_000),
            ):
                passed = b"".join([piece async for piece in digest.passing(start, length)])
                assert passed == content[start : start + length]
            assert await digest.hexdigest() == hashlib.sha256(content).hexdigest()

    @pytest.mark.parametrize("source", [object(), 7, io.StringIO("text")])
    async def test_what_cannot_be_uploaded(self, source: object) -> None:
        with pytest.raises(InvalidRequest, match="source: "):
            async with opened(source):  # type: ignore[arg-type]
                pass

    @pytest.mark.parametrize(
        "make", [lambda path: path / "none", lambda path: path], ids=["missing", "folder"]
    )
    async def test_a_file_that_cannot_be_read(self, tmp_path: Path, make: object) -> None:
        with pytest.raises(InvalidRequest) as refusal:
            async with opened(make(tmp_path)):  # type: ignore[operator]
                pass
        assert refusal.value.code == "file_unreadable"

    def test_content_types(self) -> None:
        assert content_type_of("a.pdf") == "application/pdf"
        assert content_type_of("a.unknown-thing") == "application/octet-stream"


class TestResumeStore:
    def unfinished(self) -> Unfinished:
        return Unfinished(upload_id="abc", path=f"{ME}/x", mark="0" * 32)

    def test_what_is_remembered_is_recalled_until_it_is_forgotten(self, tmp_path: Path) -> None:
        store = ResumeStore(tmp_path / "a" / "b")
        with store.claim("k", 1) as claim:
            assert claim.recall() is None
            claim.remember(self.unfinished())
        with store.claim("k", 2) as other:
            assert other.recall() is None
        with store.claim("k", 1) as claim:
            assert claim.recall() == self.unfinished()
            claim.forget()
        assert list((tmp_path / "a" / "b").iterdir()) == []

    def test_one_at_a_time_and_the_others_remember_nothing(self, tmp_path: Path) -> None:
        store = ResumeStore(tmp_path)
        with store.claim("k") as first, store.claim("k") as second:
            assert (first.remembers, second.remembers) == (True, False)
            second.remember(self.unfinished())
            assert second.recall() is None

    def test_a_folder_that_cannot_be_made_is_no_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with ResumeStore(tmp_path / "file" / "below").claim("k") as claim:
            assert not claim.remembers
        with ResumeStore(None).claim("k") as claim:
            assert not claim.remembers

    def test_old_memories_fade(self, tmp_path: Path) -> None:
        store = ResumeStore(tmp_path)
        with store.claim("old") as claim:
            claim.remember(self.unfinished())
        (old,) = tmp_path.iterdir()
        os.utime(old, (0, time.time() - 3 * 86_400))
        with store.claim("new"):
            assert not old.exists()

    def test_the_environment_says_where(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert ResumeStore.default().directory == tmp_path / "headway" / "uploads"
        monkeypatch.setenv("HEADWAY_RESUME_DIR", str(tmp_path / "mine"))
        assert ResumeStore.default().directory == tmp_path / "mine"

    def test_a_user_without_a_home_remembers_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nowhere(_: type[Path]) -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", classmethod(nowhere))
        assert ResumeStore.default().directory is None


class TestPartFile:
    async def test_a_part_is_found_again_by_its_version(self, tmp_path: Path) -> None:
        target = tmp_path / "a[1].bin"
        part = PartFile.begin(target, '"etag/with+signs"')
        await part.write(b"half")
        assert PartFile.left_over(target) is None, "somebody is at it"
        part.close()
        found = PartFile.left_over(target)
        assert found is not None
        assert found.etag == '"etag/with+signs"'
        digest = hashlib.sha256()
        assert await found.read_into(digest) == 4
        await found.write(b" and half")
        found.publish(target, overwrite=True)
        found.close()
        assert target.read_bytes() == b"half and half"
        assert list(tmp_path.iterdir()) == [target]

    @pytest.mark.parametrize("etag", [None, "", 'W/"weak"', '"' + "x" * 200 + '"', '"a\nb"'])
    async def test_what_nobody_could_go_on_from_is_removed(self, tmp_path: Path, etag: str | None) -> None:
        part = PartFile.begin(tmp_path / "a", etag)
        await part.write(b"half")
        part.close()
        assert list(tmp_path.iterdir()) == []

    async def test_names_may_be_as_long_as_the_system_admits(self, tmp_path: Path) -> None:
        target = tmp_path / ("ü" * 120 + ".bin")
        part = PartFile.begin(target, '"' + "e" * 86 + '"')
        await part.write(b"x")
        part.close()
        found = PartFile.left_over(target)
        assert found is not None
        found.publish(target, overwrite=True)
        found.close()
        assert target.read_bytes() == b"x"

    async def test_two_downloads_into_one_place_use_two_parts(self, tmp_path: Path) -> None:
        first, second = (PartFile.begin(tmp_path / "a", '"e"') for _ in range(2))
        assert first.path != second.path
        first.close()
        second.close()

    async def test_links_are_not_followed(self, tmp_path: Path) -> None:
        part = PartFile.begin(tmp_path / "a", '"e"')
        await part.write(b"x")
        part.close()
        outside = tmp_path / "outside"
        outside.write_bytes(b"precious")
        part.path.unlink()
        part.path.symlink_to(outside)
        assert PartFile.left_over(tmp_path / "a") is None
        with pytest.raises(OSError, match="symbolic"):
            PartFile.begin(tmp_path / "a", '"e"')
        assert outside.read_bytes() == b"precious"


def test_a_signed_address_is_read_for_its_own_project_only() -> None:
    project = "https://abc.supabase.co"
    url = f"{project}/storage/v1/object/upload/sign/cvs/{ME}/my%20cv.pdf?token=t.o.k"
    assert read_signed_upload(url, project).path == f"{ME}/my cv.pdf"
    with pytest.raises(InvalidRequest):
        read_signed_upload(url, "https://abd.supabase.co")


def test_pauses_double_and_respect_what_was_asked_for() -> None:
    for failures in range(1, 10):
        assert 0 <= pause_after(failures, None) <= min(10, 0.2 * 2**failures)
    assert pause_after(1, TransportError(retry_after=3)) >= 3
    assert pause_after(1, TransportError(retry_after=1e9)) <= 60
