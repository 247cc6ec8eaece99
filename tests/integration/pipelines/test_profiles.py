"""Around a profile: its PDF, links that show it to others, and comparing two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from headway import JobFailed, Upload
from headway.sandbox.server import SandboxServer
from support.cvs.paper import as_text
from support.cvs.people import PEOPLE
from support.stack import TestStack
from support.workers import WorkerProcess, running_worker

from .harness import PATIENCE_S, Office, Somebody


@pytest.fixture(scope="module")
def worker(
    stack: TestStack, _sandbox_server: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    """One worker for all of this module."""
    log = tmp_path_factory.mktemp("profiles") / "log"
    with running_worker(stack, "workers.cv", log=log, environment=_sandbox_server.environment) as running:
        yield running


async def with_profile(office: Office, name: str) -> Somebody:
    person = await office.somebody()
    job = await person.hw.submit(
        "cv.parse", {}, files={"cv": Upload(as_text(PEOPLE[name]), name="cv.txt")}, bucket="cvs"
    )
    await job.result(timeout=PATIENCE_S)
    return person


async def link(person: Somebody, **arguments: Any) -> dict[str, Any]:
    made: Any = (await person.client.rpc("create_profile_share_link", arguments).execute()).data
    return dict(made[0])


@pytest.mark.parametrize(("name", "language"), [("accents", "en"), ("arabic", "ar")])
async def test_a_profile_as_a_pdf(
    office: Office, worker: WorkerProcess, tmp_path: Path, name: str, language: str
) -> None:
    owner, stranger = await with_profile(office, name), await office.somebody()
    job = await owner.hw.submit("profile.export", {"language": language, "contact": False})
    result = await job.result(timeout=PATIENCE_S)
    file = await job.download("profile.pdf", to=tmp_path / "profile.pdf")
    person = PEOPLE[name]
    with pypdfium2.PdfDocument(file) as pdf:
        text = "".join(page.get_textpage().get_text_range() for page in pdf)
        assert len(pdf) == result["pages"]
    for part in (person.last, person.jobs[0].company.split()[0], person.skills[0].split()[0]):
        assert part in text
    assert (person.email or "") not in text
    assert result["missing_characters"] == ""
    with pytest.raises(Exception, match=r"not found|Object"):
        await stranger.client.storage.from_(result["bucket"]).download(result["path"])


async def test_an_export_in_no_language(office: Office, worker: WorkerProcess) -> None:
    owner = await with_profile(office, "plain")
    with pytest.raises(JobFailed) as failed:
        await (await owner.hw.submit("profile.export", {"language": "tlh"})).result(timeout=PATIENCE_S)
    assert failed.value.code == "language_unknown"


async def test_two_profiles_beside_each_other(office: Office, worker: WorkerProcess) -> None:
    one, other = await with_profile(office, "plain"), await with_profile(office, "boards")
    recruiter = await office.somebody()
    left, right = await link(one), await link(other, label="for a recruiter")
    job = await recruiter.hw.submit("profile.compare", {"left": left["token"], "right": right["token"]})
    result = await job.result(timeout=PATIENCE_S)
    assert (result["left"]["name"], result["right"]["name"]) == (
        "Jonathan Whitfield",
        "Eleanor Vance-Thornbury",
    )
    assert (result["left"]["board_roles"], result["right"]["board_roles"]) == (0, 4)
    assert result["languages"] == {"both": ["English"], "only_left": ["Spanish"], "only_right": []}
    assert "email" not in str(result["differences"])
    # Being compared is being looked at.
    seen: Any = (await one.client.table("profile_share_links").select("view_count").execute()).data
    assert seen == [{"view_count": 1}]
    assert [row["views"] for row in await other.rows("profile_views")] == [1]

    mine = await (await one.hw.submit("profile.compare", {"right": right["token"]})).result(
        timeout=PATIENCE_S
    )
    assert mine["left"]["name"] == "Jonathan Whitfield"
    arguments: dict[str, Any] = {"link": right["id"]}
    await other.client.rpc("revoke_profile_share_link", arguments).execute()
    for tokens in ({"right": right["token"]}, {"left": "guess", "right": left["token"]}):
        with pytest.raises(JobFailed) as failed:
            await (await one.hw.submit("profile.compare", tokens)).result(timeout=PATIENCE_S)
        assert failed.value.code == "link_unknown"
