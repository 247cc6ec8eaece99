"""Jobs about profiles that cannot be worked on are refused before they exist."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from support.people import SERVICE, Person, Project, Refused

KINDS = {
    "cv.parse": "CvPayload",
    "interview.session": "SessionPayload",
    "interview.extract": "InterviewPayload",
    "profile.export": "ExportPayload",
    "profile.compare": "ComparePayload",
}


@pytest.fixture
def ada(project: Project) -> Person:
    for kind, title in KINDS.items():
        project.kind(kind)
        declared = json.dumps({"title": title, "type": "object"})
        project.owner("update headway.kinds set payload_schema = %s where kind = %s", declared, kind)
    return project.person("ada")


def a_file(project: Project, person: Person, name: str = "cv") -> dict[str, str]:
    path = f"{person.id}/{uuid.uuid4()}.pdf"
    project.owner(
        "insert into storage.objects (bucket_id, name, owner_id) values ('cvs', %s, %s)", path, person.id
    )
    return {"name": name, "bucket": "cvs", "path": path}


def submit(project: Project, person: Person, kind: str, payload: object = None, **fields: Any) -> Any:
    return project.call(person, "headway.submit", {"kind": kind, "payload": payload or {}, **fields})


def refused(
    project: Project, person: Person, kind: str, payload: object = None, **fields: Any
) -> tuple[str, str]:
    jobs = project.owner("select count(*) from headway.jobs")
    with pytest.raises(Refused) as error:
        submit(project, person, kind, payload, **fields)
    assert project.owner("select count(*) from headway.jobs") == jobs
    assert error.value.hint
    return error.value.code or "", error.value.detail or ""


def with_profile(project: Project, person: Person) -> None:
    project.ask(SERVICE, "select public.apply_profile(%s, '{}')", person.id)


def test_a_cv_needs_its_file(project: Project, ada: Person) -> None:
    assert refused(project, ada, "cv.parse") == ("HW102", "files")
    one, other = a_file(project, ada), a_file(project, ada, "letter")
    assert refused(project, ada, "cv.parse", files=[one, other]) == ("HW102", "payload.file")
    assert refused(project, ada, "cv.parse", {"file": "photo"}, files=[one]) == ("HW100", "payload.file")
    assert submit(project, ada, "cv.parse", files=[one])["created"]
    assert submit(project, ada, "cv.parse", {"file": "cv"}, files=[one, other])["created"]


def test_a_profile_belongs_to_somebody(project: Project, ada: Person) -> None:
    for kind in KINDS:
        assert refused(project, SERVICE, kind, {"session_id": str(uuid.uuid4())}) == ("HW102", "owner_id")
    assert submit(project, SERVICE, "cv.parse", files=[a_file(project, ada)], owner_id=ada.id)["created"]
    assert submit(project, SERVICE, "profile.compare", {"left": "a", "right": "b"})["created"]


def test_what_needs_a_profile(project: Project, ada: Person) -> None:
    payload = {"session_id": str(uuid.uuid4()), "right": "b"}
    for kind in ("interview.session", "profile.export", "profile.compare"):
        assert refused(project, ada, kind, payload) == ("HW301", "owner_id")
    with_profile(project, ada)
    for kind in ("interview.session", "profile.export", "profile.compare"):
        assert submit(project, ada, kind, payload)["created"]


def test_an_interview_is_ones_own(project: Project, ada: Person) -> None:
    eve = project.person("eve")
    for person in (ada, eve):
        with_profile(project, person)
    ((session,),) = project.ask(ada, "insert into public.interview_sessions default values returning id")
    payload = {"session_id": str(session)}
    for kind in ("interview.session", "interview.extract"):
        assert submit(project, ada, kind, payload)["created"]
        assert refused(project, eve, kind, payload) == ("HW301", "payload.session_id")
    unknown = {"session_id": str(uuid.uuid4())}
    assert refused(project, ada, "interview.extract", unknown) == ("HW301", "payload.session_id")


@pytest.mark.parametrize("payload", [{}, {"session_id": "mine"}, {"session_id": None}])
def test_an_interview_has_a_uuid(project: Project, ada: Person, payload: dict[str, Any]) -> None:
    with_profile(project, ada)
    assert refused(project, ada, "interview.session", payload) == ("HW100", "payload.session_id")


def test_a_handler_of_ones_own_for_such_a_kind_decides_itself(project: Project, ada: Person) -> None:
    project.owner("update headway.kinds set payload_schema = null where kind = 'cv.parse'")
    assert submit(project, ada, "cv.parse", {"url": "https://example.com/cv"})["created"]


def test_many_at_once_are_all_or_nothing(project: Project, ada: Person) -> None:
    good = {"kind": "cv.parse", "files": [a_file(project, ada)]}
    with pytest.raises(Refused):
        project.call(ada, "headway.submit_many", {"jobs": [good, {"kind": "cv.parse"}]})
    assert json.dumps(project.call(ada, "headway.submit_many", {"jobs": [good]}))
